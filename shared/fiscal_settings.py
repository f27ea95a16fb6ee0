"""The settings of fiscal receipts (54-ФЗ): the registrar, the seller, the terms of a receipt.

The names of taxation, VAT and methods are those that cash register services share; their codes are
those of the format of fiscal data (ФФД 1.2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

TAXATIONS: Mapping[str, int] = {
    "osn": 1,
    "usn_income": 2,
    "usn_income_outcome": 4,
    "esn": 16,
    "patent": 32,
}
"""Tag 1055, «применяемая система налогообложения»."""

VAT_RATES: Mapping[str, int] = {
    "vat20": 1,
    "vat10": 2,
    "vat120": 3,
    "vat110": 4,
    "vat0": 5,
    "none": 6,
    "vat5": 7,
    "vat7": 8,
    "vat105": 9,
    "vat107": 10,
    "vat22": 11,
    "vat122": 12,
}
"""Tag 1199, «ставка НДС»; 22 % is that of 2026."""

METHODS: Mapping[str, int] = {
    "full_prepayment": 1,
    "prepayment": 2,
    "advance": 3,
    "full_payment": 4,
    "partial_payment": 5,
    "credit_payment": 7,
}
"""Tag 1214, «признак способа расчёта»."""

_INN = re.compile(r"[0-9]{10}|[0-9]{12}")
_PREFIX = "SALDO_FISCAL"


@dataclass(frozen=True)
class FiscalSettings:
    """The registrar of fiscal receipts, our credentials there, and what every receipt says."""

    protocol: str
    url: str
    user: str
    password: str = field(repr=False)
    group: str
    """The group of cash registers at the registrar."""
    inn: str
    """Tag 1018: the seller's INN."""
    seller: str
    """Tag 1048: the seller's name."""
    place: str
    """Tag 1187: where the sale takes place; for the internet the address of the site."""
    email: str
    """Tag 1117: the sender's address; the buyer's, too, where he has none any more."""
    taxation: str = "osn"
    vat: str = "none"
    method: str = "full_payment"


def fiscal_of(env: Mapping[str, str], site: str) -> FiscalSettings | None:
    """Return the settings of fiscal receipts; None where the operator has none made.

    Raises ValueError for what cannot be used.
    """
    protocol = env.get(_PREFIX, "")
    if not protocol:
        return None
    url = _required(env, "URL")
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"{_PREFIX}_URL must be the address of the registrar")
    inn = _required(env, "INN")
    if not _INN.fullmatch(inn):
        raise ValueError(f"{_PREFIX}_INN must have 10 or 12 digits")
    return FiscalSettings(
        protocol=protocol,
        url=url.rstrip("/"),
        user=_required(env, "USER"),
        # A process that only shows receipts has none.
        password=env.get(f"{_PREFIX}_PASSWORD", ""),
        group=_required(env, "GROUP"),
        inn=inn,
        seller=_required(env, "SELLER"),
        place=env.get(f"{_PREFIX}_PLACE") or site,
        email=_required(env, "EMAIL"),
        taxation=_choice(env, "TAXATION", TAXATIONS, "osn"),
        vat=_choice(env, "VAT", VAT_RATES, "none"),
        method=_choice(env, "METHOD", METHODS, "full_payment"),
    )


def _required(env: Mapping[str, str], name: str) -> str:
    value = env.get(f"{_PREFIX}_{name}", "")
    if not value:
        raise ValueError(f"{_PREFIX} needs {_PREFIX}_{name}")
    return value


def _choice(env: Mapping[str, str], name: str, choices: Mapping[str, int], default: str) -> str:
    value = env.get(f"{_PREFIX}_{name}") or default
    if value not in choices:
        raise ValueError(f"{_PREFIX}_{name} is one of: {', '.join(choices)}")
    return value
