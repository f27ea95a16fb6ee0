"""Reading one row of a registry of contracts: text in, a checked row or the reasons out.

A reason names the column and what it must be, never the value: that may be personal data, and
reasons are shown on screens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

from services.accounts.contract_loading import ContractRow
from services.accounts.proof import significant_code
from shared.account_spelling import clean_els, clean_number
from shared.money import Kopecks, parse_roubles
from shared.payer_kinds import PayerKind

T = TypeVar("T")

MAX_RESIDENTS = 999
MAX_SERVICES = 50
FIRST_DAY = date(1992, 1, 1)
"""An earlier day of an amendment is a wrong year."""

_AREA = re.compile(r"[0-9]{1,7}(?:[.,][0-9]{1,4})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PERIOD = re.compile(r"(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class RowRefused(Exception):  # noqa: N818 - a refusal, named as people say it
    """The row cannot be loaded; ``total`` is its bill's, if that could be read."""

    def __init__(self, reason: str, total: Kopecks = 0) -> None:
        super().__init__(reason)
        self.total = total


def read_row(fields: Sequence[str], today: date) -> tuple[ContractRow, Kopecks]:
    """Return the row and its bill's total in kopecks (0: none). Raises RowRefused.

    The fields are those of `COLUMNS`, in their order; more are not looked at.
    """
    reasons: list[str] = []
    values: list[Any] = []
    for field, (name, parse, default) in zip(fields, _READING, strict=False):
        text = field.strip()
        if not text and default is not _NEEDED:
            values.append(default)
            continue
        try:
            values.append(parse(text))
        except ValueError as error:
            values.append(default)
            reasons.append(f"{name}: {error}")
    row = ContractRow(*values)
    if not reasons and row.has_days:
        reasons += _contradictions(row, today)
    if reasons:
        raise RowRefused("; ".join(reasons), row.bill_total)
    return row, row.bill_total


def _contradictions(row: ContractRow, today: date) -> Iterator[str]:
    for name in ("since", "closed_on", "effective_on"):
        day = getattr(row, name)
        if day is not None and not FIRST_DAY <= day <= today:
            yield f"{name}: must be a day from {FIRST_DAY} to today"
    if row.closed_on is None:
        return
    if row.state != "closed":
        yield "closed_on: only a contract whose state is closed has one"
    if row.since is not None and row.closed_on < row.since:
        yield "closed_on: is before since"


def _number(text: str) -> str:
    number = clean_number(text)
    if number is None:
        raise ValueError("must be 1 to 20 digits, leading zeros included")
    return number


def _text(longest: int) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not 1 <= len(text) <= longest:
            raise ValueError(f"must have 1 to {longest} characters")
        if not text.isprintable() and _CONTROL.search(text):
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
    els = clean_els(text)
    if els is None:
        raise ValueError("must be 2 digits, 2 Russian letters and 6 digits")
    return els


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text if _DAY.fullmatch(text) else "")
    except ValueError:
        raise ValueError("must be a day, as 2026-03-31") from None


def _total(text: str) -> Kopecks:
    # Negative where the payer has paid in advance.
    try:
        return parse_roubles(text)
    except ValueError:
        raise ValueError("must be roubles, as 4500,00") from None


def _code(text: str) -> str:
    significant_code(text)
    return text


def _period(text: str) -> str:
    if not _PERIOD.fullmatch(text):
        raise ValueError("must be the month of the bill, as 2026-03")
    return text


def _services(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split("|"))
    if len(names) > MAX_SERVICES or len(set(names)) != len(names):
        raise ValueError(f"must be up to {MAX_SERVICES} names with | between them, each once")
    return tuple(map(_text(200), names))


def _state(text: str) -> str:
    if text not in ("open", "closed"):
        raise ValueError("must be open or closed")
    return text


def _holder_change(text: str) -> bool:
    if text != "correction":
        raise ValueError("must be correction, or empty where the holder is another one")
    return True


def _repeating(parse: Callable[[str], T]) -> Callable[[str], T]:
    """Read a column whose texts are few: each is read once."""
    return lru_cache(maxsize=4_096)(parse)


_NEEDED = object()
"""In place of a default: an empty cell is read like any other, and refused."""

_READING: tuple[tuple[str, Callable[[str], Any], Any], ...] = (
    ("number", _number, _NEEDED),
    ("holder", _text(300), _NEEDED),
    ("address", _text(500), _NEEDED),
    ("payer_kind", _repeating(_payer_kind), _NEEDED),
    ("residents", _repeating(_residents), None),
    ("total_area", _repeating(_area), None),
    ("living_area", _repeating(_area), None),
    ("heated_area", _repeating(_area), None),
    ("els", _els, None),
    ("services", _repeating(_services), ()),
    ("payee", _repeating(_text(64)), None),
    ("state", _repeating(_state), None),
    ("since", _repeating(_day), None),
    ("closed_on", _repeating(_day), None),
    ("effective_on", _repeating(_day), None),
    ("holder_change", _holder_change, False),
    ("bill_total", _total, 0),
    ("period", _repeating(_period), None),
    ("control_code", _code, None),
)
"""(column, how its text is read, what an empty cell stands for), in the order of ContractRow.

Each function raises ValueError with what the text must be.
"""
COLUMNS = tuple(name for name, _, _ in _READING)
