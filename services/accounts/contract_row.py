"""Reading one row of a registry of contracts: text in, a checked row or the reasons out.

A reason names the column and what it must be, never the value: that may be personal data, and
reasons are shown on screens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

from services.accounts.contract_loading import ContractRow
from services.accounts.domain import clean_number
from services.accounts.proof import BillSeal
from shared.contracts.accounts import PayerKind
from shared.money import Kopecks, parse_roubles

T = TypeVar("T")

MAX_RESIDENTS = 999
FIRST_DAY = date(1992, 1, 1)
"""An earlier day of an amendment is a wrong year."""

_AREA = re.compile(r"[0-9]{1,7}(?:[.,][0-9]{1,4})?")
_ELS = re.compile(r"[0-9A-ZА-ЯЁ]{10}")
"""ЕЛС of ГИС ЖКХ: 10 characters, digits and capital letters."""
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class RowRefused(Exception):  # noqa: N818 - a refusal, named as people say it
    """The row cannot be loaded; ``total`` is its bill's, if that could be read."""

    def __init__(self, reason: str, total: Kopecks = 0) -> None:
        super().__init__(reason)
        self.total = total


def read_row(fields: Mapping[str, str], seal: BillSeal, today: date) -> tuple[ContractRow, Kopecks]:
    """Return the row and its bill's total in kopecks (0: none). Raises RowRefused."""
    texts = {name: text.strip() for name, text in fields.items()}
    reasons: list[str] = []

    def read(name: str, parse: Callable[[str], T], default: T) -> T:
        try:
            return parse(texts.get(name, ""))
        except ValueError as error:
            reasons.append(f"{name}: {error}")
            return default

    number = read("number", _number, "")
    total = read("bill_total", _optional(_total), None)
    bill_number = read("bill_number", _optional(_text(64)), None)
    has_bill = bill_number is not None or total is not None
    row: dict[str, Any] = {
        "number": number,
        "holder": read("holder", _text(300), ""),
        "address": read("address", _text(500), ""),
        "payer_kind": read("payer_kind", _payer_kind, "household"),
        "residents": read("residents", _optional(_residents), None),
        "els": read("els", _optional(_els), None),
        "effective_on": read("effective_on", _optional(_day_up_to(today)), None),
        "bill": seal.of_bill(number, bill_number, total) if has_bill else None,
    }
    for name in ("total_area", "living_area", "heated_area"):
        row[name] = read(name, _optional(_area), None)
    if reasons:
        raise RowRefused("; ".join(reasons), total or 0)
    return ContractRow(**row), total or 0


def _optional(parse: Callable[[str], T]) -> Callable[[str], T | None]:
    return lambda text: parse(text) if text else None


def _number(text: str) -> str:
    number = clean_number(text)
    if number is None:
        raise ValueError("must be 1 to 20 digits, leading zeros included")
    return number


def _text(longest: int) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not 1 <= len(text) <= longest:
            raise ValueError(f"must have 1 to {longest} characters")
        if _CONTROL.search(text):
            raise ValueError("must be one line without control characters")
        return text

    return parse


def _payer_kind(text: str) -> PayerKind:
    try:
        return PayerKind(text)
    except ValueError:
        raise ValueError(f"must be one of {', '.join(PayerKind)}") from None


def _residents(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text):
        raise ValueError(f"must be a whole number from 0 to {MAX_RESIDENTS}")
    return int(text)


def _area(text: str) -> str:
    if not _AREA.fullmatch(text) or not (area := Decimal(text.replace(",", "."))):
        raise ValueError("must be square metres above 0 with up to 4 decimals, as 54,2")
    # One way of writing: 54,20 and 54.2 are no difference between two registries.
    return format(area.normalize(), "f")


def _els(text: str) -> str:
    if not _ELS.fullmatch(text.upper()):
        raise ValueError("must be 10 digits and letters")
    return text.upper()


def _day_up_to(today: date) -> Callable[[str], date]:
    def parse(text: str) -> date:
        try:
            day = date.fromisoformat(text if _DAY.fullmatch(text) else "")
        except ValueError:
            raise ValueError("must be a day, as 2026-03-31") from None
        if not FIRST_DAY <= day <= today:
            raise ValueError(f"must be a day from {FIRST_DAY} to today")
        return day

    return parse


def _total(text: str) -> Kopecks:
    # Negative where the payer has paid in advance.
    try:
        return parse_roubles(text)
    except ValueError:
        raise ValueError("must be roubles, as 4500,00") from None
