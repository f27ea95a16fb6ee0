"""What the operator sets for bank registers, in environment variables.

``SALDO_PAYMENTS_SETTLEMENT_ACCOUNTS``
    our settlement accounts, by commas: only money that came to them is taken from a statement.
    Without it, those of the payees (``SALDO_PAYEES``); without these, those that it names itself.
``SALDO_PAYMENTS_FIRST_DAY``
    the operator's first day, as 2026-01-01: earlier payments are refused. Without it, three years
    ago.
``SALDO_PAYMENTS_REGISTER_LAYOUT``
    the layout of text registers without a header: a name, or the path of a YAML file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import msgspec

from services.payments.registers.fields import DayRange
from services.payments.registers.layouts import Layout, named_layout
from shared.config import ConfigurationError

SETTLEMENT_ACCOUNTS: Final = "SALDO_PAYMENTS_SETTLEMENT_ACCOUNTS"
FIRST_DAY: Final = "SALDO_PAYMENTS_FIRST_DAY"
LAYOUT: Final = "SALDO_PAYMENTS_REGISTER_LAYOUT"
PAYEES: Final = "SALDO_PAYEES"
LONGEST_AGO: Final = timedelta(days=3 * 365)

_ACCOUNT = re.compile(r"[0-9]{20}")


class _Payee(msgspec.Struct):
    account: str


class _Payees(msgspec.Struct):
    payees: list[_Payee]


def settlement_accounts(environ: Mapping[str, str]) -> frozenset[str]:
    """Return our settlement accounts; empty where none are set. Raises ConfigurationError."""
    given = frozenset(environ.get(SETTLEMENT_ACCOUNTS, "").replace(",", " ").split())
    if not all(map(_ACCOUNT.fullmatch, given)):
        raise ConfigurationError(f"{SETTLEMENT_ACCOUNTS} are accounts of 20 digits, by commas")
    return given or _accounts_of_payees(environ.get(PAYEES, ""))


def day_range(environ: Mapping[str, str], today: date) -> DayRange:
    """Return the days that payments may have. Raises ConfigurationError."""
    text = environ.get(FIRST_DAY, "")
    try:
        first = date.fromisoformat(text) if text else today - LONGEST_AGO
    except ValueError:
        raise ConfigurationError(f"{FIRST_DAY} is a day, as 2026-01-01") from None
    return DayRange(first, today)


def layout_of(environ: Mapping[str, str], given: str | None) -> Layout | None:
    """Return the layout that is given or set; None: the file shows it."""
    name = given or environ.get(LAYOUT, "")
    return named_layout(name) if name else None


def _accounts_of_payees(path: str) -> frozenset[str]:
    if not path:
        return frozenset()
    try:
        found = msgspec.yaml.decode(Path(path).read_text("utf-8"), type=_Payees)
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise ConfigurationError(f"{PAYEES}: {path} cannot be used: {error}") from None
    return frozenset(payee.account for payee in found.payees)
