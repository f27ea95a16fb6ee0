"""The calendar of a company: its steps month by month, each with a kind and a day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

FIRST_MONTH = (2023, 3)
IMPORTED = ("registry", "opening", "charges", "adjustments")
"""The kinds of files that ``saldo ledger import`` accepts; the others are posted directly."""


@dataclass(frozen=True)
class Step:
    """One step: ``number`` is its place, ``month`` counts from 0, ``day`` is its date."""

    number: int
    kind: str
    month: int
    day: date

    @property
    def name(self) -> str:
        return f"{self.number:03}-{self.kind}"


def steps(months: int) -> list[Step]:
    """Return all steps of a number of months, and of the weeks after them."""
    return [Step(n, kind, month, day) for n, (kind, month, day) in enumerate(_steps(months))]


def first_of(month: int) -> date:
    """Return the first day of a month, counted from 0."""
    year, index = divmod(FIRST_MONTH[0] * 12 + FIRST_MONTH[1] - 1 + month, 12)
    return date(year, index + 1, 1)


def last_of(month: int) -> date:
    """Return the last day of a month, counted from 0."""
    return first_of(month + 1) - timedelta(1)


def _steps(months: int) -> Iterator[tuple[str, int, date]]:
    begin = first_of(0)
    yield "registry", 0, begin
    yield "opening", 0, begin
    for month in range(months + 1):
        is_last = month == months
        day = first_of(month).replace(day=25)
        if month == 2:
            yield "opening", month, day
        yield "payments", month, day
        yield "reversals", month, day
        yield "adjustments", month, day
        if month % 3 == 2 or is_last:
            yield "accrual", month, day
            yield "write-offs", month, day
            yield "payments", month, day
        if not is_last:
            yield "charges", month, last_of(month)
