"""Whom a bill is paid to: the operator's bank details, checked before anybody pays by them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from itertools import cycle
from pathlib import Path
from typing import Any

import msgspec

from shared.config import ConfigurationError

_KEY_WEIGHTS = (7, 1, 3)
_DIGITS: Mapping[str, re.Pattern[str]] = {
    "inn": re.compile(r"[0-9]{10}|[0-9]{12}"),
    "kpp": re.compile(r"([0-9]{9})?"),
    "account": re.compile(r"[0-9]{20}"),
    "bic": re.compile(r"[0-9]{9}"),
    "correspondent_account": re.compile(r"([0-9]{20})?"),
}
_LONGEST: Mapping[str, int] = {"name": 160, "bank": 45, "purpose": 120, "contacts": 200}
"""In characters; ГОСТ Р 56042-2014 limits name, bank and purpose, which the account is added to."""
_UNUSABLE = re.compile(r"[|\x00-\x1f\x7f]")
_SETTLEMENT_CENTRES = ("000", "001", "002")
"""Last digits of a BIC whose accounts are kept by the Bank of Russia itself."""


class Payee(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bank details of one payee; ``services`` are those it is paid for, none: all others."""

    name: str
    inn: str
    account: str
    bank: str
    bic: str
    purpose: str
    kpp: str = ""
    correspondent_account: str = ""
    contacts: str = ""
    services: tuple[str, ...] = ()


class Payees(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All payees of the operator."""

    payees: tuple[Payee, ...]

    @property
    def main(self) -> Payee:
        """Who gets whatever no other payee names, and penalties."""
        return next(payee for payee in self.payees if not payee.services)

    def of(self, service: str) -> Payee:
        """Return who is paid for a service."""
        return next((payee for payee in self.payees if service in payee.services), self.main)


@lru_cache(maxsize=4)
def load_payees(path: str = "") -> Payees:
    """Read the payees of a file; those of the demo without one.

    Raises ConfigurationError with the payee and the field when one cannot be paid to.
    """
    where = path or "gateway/documents/payees.yaml"
    try:
        text = (
            Path(path).read_text("utf-8")
            if path
            else files("gateway.documents").joinpath("payees.yaml").read_text("utf-8")
        )
        # YAML reads 044525225 without quotes as a number: the type check refuses it.
        found = msgspec.yaml.decode(text, type=Payees)
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise ConfigurationError(f"SALDO_PAYEES: {where} cannot be used: {error}") from None
    problems = [
        f"{payee.name or 'a payee without a name'}: {problem}"
        for payee in found.payees
        for problem in _problems(payee)
    ]
    if sum(not payee.services for payee in found.payees) != 1:
        problems.append("exactly one payee must have no services: it gets all others")
    named = [service for payee in found.payees for service in payee.services]
    if len(named) != len(set(named)):
        problems.append("a service must have one payee")
    if problems:
        raise ConfigurationError(f"SALDO_PAYEES: {where}: " + "; ".join(problems))
    return found


def _problems(payee: Payee) -> Sequence[str]:
    texts: dict[str, Any] = msgspec.structs.asdict(payee)
    wrong = [
        f"{name} has {len(texts[name])} characters, at most {most} fit"
        for name, most in _LONGEST.items()
        if len(texts[name]) > most
    ]
    wrong += [f"{name} is empty" for name in ("name", "bank", "purpose") if not texts[name].strip()]
    wrong += [
        f"{name} has a character that a payment code cannot hold"
        for name in _LONGEST
        if _UNUSABLE.search(texts[name])
    ]
    malformed = [name for name, form in _DIGITS.items() if not form.fullmatch(texts[name])]
    wrong += [f"{name} has the wrong number of digits" for name in malformed]
    if "bic" not in malformed:
        if "account" not in malformed and not is_account_of(payee.account, payee.bic):
            wrong.append("account and bic do not belong together (key digit)")
        kept = payee.correspondent_account
        if kept and "correspondent_account" not in malformed and not _is_correspondent(payee):
            wrong.append("correspondent_account and bic do not belong together (key digit)")
    return wrong


def is_account_of(account: str, bic: str) -> bool:
    """Whether the key digit of an account is right for a bank (Bank of Russia, 515 of 1997)."""
    if bic.endswith(_SETTLEMENT_CENTRES):
        return _has_key("0" + bic[4:6] + account)
    return _has_key(bic[-3:] + account)


def _is_correspondent(payee: Payee) -> bool:
    return _has_key("0" + payee.bic[4:6] + payee.correspondent_account)


def _has_key(digits: str) -> bool:
    weights = cycle(_KEY_WEIGHTS)
    return (
        sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False)) % 10 == 0
    )
