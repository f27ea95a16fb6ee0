"""Fiscal receipts («кассовый чек», 54-ФЗ): the port to a registrar, in no registrar's own terms.

A registrar runs the cash registers: it numbers and signs a receipt, hands it to the operator of
fiscal data, and sends it to the buyer. Each module that speaks the protocol of one is named in
`REGISTRARS`. An outcome that is not certain is UNKNOWN, never a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from importlib import import_module
from typing import Final, Protocol
from zoneinfo import ZoneInfo

import msgspec

from services.payments.fiscal.receipts import Position, ReceiptKind, Seller
from shared.config import ConfigurationError
from shared.fiscal_settings import FiscalSettings
from shared.money import Kopecks

#: The protocols of SALDO_FISCAL, each with its module, which has
#: `connect(settings: FiscalSettings, zone: ZoneInfo) -> FiscalRegistrar`.
REGISTRARS: Final = {"atol": "services.payments.fiscal.atol"}


class NewReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt to register. `external_id` is ours: a repetition is known by it."""

    external_id: str
    kind: ReceiptKind
    positions: Sequence[Position]
    total: Kopecks
    seller: Seller
    taxation: str
    buyer: str
    """The buyer's e-mail (tag 1008)."""
    requested_at: datetime


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt is in a fiscal drive: its number, and the signature that proves it."""

    drive: str
    """«ФН», tag 1041: the number of the fiscal drive."""
    document: str
    """«ФД», tag 1040: the number of the document in it."""
    sign: str
    """«ФПД», tag 1077: the fiscal sign of the document."""
    register: str
    """Tag 1037: the registration number of the cash register."""
    issued_at: datetime
    """Tag 1012, by the clock of the cash register."""
    url: str = ""
    """Where the operator of fiscal data shows the receipt; "" where it does not say."""


class Accepted(msgspec.Struct, frozen=True):
    """The registrar has the receipt, and asks for patience; `reference` is its own id of it."""

    reference: str


class Refused(msgspec.Struct, frozen=True):
    """The registrar will never register this receipt; `reason` is for staff."""

    reason: str


class UnknownOutcome(msgspec.Struct, frozen=True):
    """The registrar gave no answer to rely on; `reason` is for the log."""

    reason: str


Outcome = Registered | Accepted | Refused | UnknownOutcome


class FiscalRegistrar(Protocol):
    """A service of cash registers. An instance is safe in threads and in greenlets."""

    def register(self, receipt: NewReceipt) -> Outcome:
        """Hand a receipt over. Repeating it makes no second one."""
        ...

    def find(self, reference: str) -> Outcome:
        """Return what has become of a receipt that was accepted."""
        ...


@lru_cache(maxsize=4)
def open_registrar(settings: FiscalSettings, timezone: str) -> FiscalRegistrar:
    """Return the registrar, which keeps its token; cash registers go by the time of `timezone`.

    Raises ConfigurationError for an unknown protocol, and without a password.
    """
    if not settings.password:
        raise ConfigurationError("set SALDO_FISCAL_PASSWORD to our password at the registrar")
    try:
        module = REGISTRARS[settings.protocol]
    except KeyError:
        raise ConfigurationError(
            f"SALDO_FISCAL: {settings.protocol!r} is none of: {', '.join(REGISTRARS)}"
        ) from None
    registrar: FiscalRegistrar = import_module(module).connect(settings, ZoneInfo(timezone))
    return registrar
