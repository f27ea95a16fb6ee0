"""The order in which a company's months pass: what is done, on which day, by which file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

FIRST_MONTH = (2023, 3)
IMPORTED = ("registry", "opening", "charges", "adjustments")
"""The kinds of files that ``saldo ledger import`` takes; the rest has other ways in."""


@dataclass(frozen=True)
class Step:
    """One run: ``number`` is its place, ``month`` counts from 0, ``day`` is when it happens."""

    number: int
    kind: str
    month: int
    day: date

    @property
    def name(self) -> str:
        return f"{self.number:03}-{self.kind}"


def steps(months: int) -> list[Step]:
    """All runs of a company that lives so many months, and of the weeks after them."""
    return [Step(n, kind, month, day) for n, (kind, month, day) in enumerate(_runs(months))]


def first_of(month: int) -> date:
    """The first day of a month, counted from 0."""
    year, index = divmod(FIRST_MONTH[0] * 12 + FIRST_MONTH[1] - 1 + month, 12)
    return date(year, index + 1, 1)


def last_of(month: int) -> date:
    """The last day of a month, counted from 0."""
    return first_of(month + 1) - timedelta(1)


def _runs(months: int) -> Iterator[tuple[str, int, date]]:
    begin = first_of(0)
    yield "registry", 0, begin
    yield "opening", 0, begin
    for month in range(months + 1):
        at_the_end = month == months
        day = first_of(month).replace(day=25)
        if month == 2:
            yield "opening", month, day
        yield "payments", month, day
        yield "reversals", month, day
        yield "adjustments", month, day
        if month % 3 == 2 or at_the_end:
            yield "accrual", month, day
            yield "write-offs", month, day
            yield "payments", month, day
        if not at_the_end:
            yield "charges", month, last_of(month)
