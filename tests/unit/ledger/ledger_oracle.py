"""The books of one account as a clerk would keep them by hand: the oracle of the ledger's tests.

It shares no code with the ledger. What happened is a list of entries, each with the day it takes
effect; the books are made from that list whenever asked for, in the order asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

TAKEN_OVER = "0001-01"


@dataclass
class Entry:
    """One thing that happened; ``what`` is the name of a method of Books."""

    day: date
    what: str
    given: tuple[Any, ...]


@dataclass
class Item:
    """One service of one month: what the bill comes to, and what of it is not paid."""

    billed: int
    unpaid: int


@dataclass
class Paid:
    """A payment: what it settled, of the penalty too, and its whole sum."""

    settled: list[tuple[Item, int]]
    of_penalty: int
    total: int


@dataclass
class Books:
    """All figures in kopecks."""

    items: dict[tuple[str, str], Item] = field(default_factory=dict)
    penalty: int = 0
    accrued: int = 0
    waived: int = 0
    advance: int = 0
    ahead: list[list[Any]] = field(default_factory=list)
    payments: dict[Any, Paid] = field(default_factory=dict)

    @property
    def principal(self) -> int:
        return sum(item.unpaid for item in self.items.values())

    @property
    def services(self) -> dict[str, int]:
        sums: dict[str, int] = {}
        for (_, service), item in self.items.items():
            if item.unpaid:
                sums[service] = sums.get(service, 0) + item.unpaid
        return sums

    @property
    def open_items(self) -> dict[str, dict[str, int]]:
        owed: dict[str, dict[str, int]] = {}
        for (period, service), item in self.items.items():
            if item.unpaid:
                owed.setdefault(period, {})[service] = item.unpaid
        return owed

    def open(self, opening: Mapping[str, int]) -> None:
        for service, amount in opening.items():
            if amount > 0:
                self.items[TAKEN_OVER, service] = Item(amount, amount)
            else:
                self.advance -= amount

    def charge(self, period: str, lines: Mapping[str, int]) -> None:
        for service, payable in lines.items():
            if payable > 0:
                self.items[period, service] = Item(payable, payable)
            else:
                self.advance -= payable
        self._pay_ahead(period, {s: amount for s, amount in lines.items() if amount > 0})

    def adjust(self, period: str, lines: Mapping[str, int]) -> None:
        for service, amount in lines.items():
            item = self.items.setdefault((period, service), Item(0, 0))
            item.billed, before = max(0, item.billed + amount), item.unpaid
            item.unpaid = max(0, item.unpaid + amount)
            self.advance += item.unpaid - before - amount
        self._pay_ahead(period, {s: amount for s, amount in lines.items() if amount > 0})

    def accrue(self, amount: int) -> None:
        self.accrued += amount
        self.penalty += amount

    def correct(self, amount: int, unwaived: int) -> None:
        self.accrued += amount
        self.waived -= unwaived
        self.penalty += amount + unwaived
        self._give_back()

    def waive(self, amount: int) -> None:
        self.waived += amount
        self.penalty -= amount
        self._give_back()

    def pay(
        self,
        name: Any,
        amount: int,
        penalty: int | None,
        first: str | None = None,
        newest_first: bool = False,
        ranking: Sequence[str] | None = None,
    ) -> None:
        left, settled = amount, []
        months = sorted({period for period, _ in self.items}, reverse=newest_first)
        for month in sorted(months, key=lambda month: month != first):
            owed = {s: i for (p, s), i in sorted(self.items.items()) if p == month and i.unpaid}
            take = min(left, sum(item.unpaid for item in owed.values()))
            for service, part in _shares(take, owed, ranking):
                owed[service].unpaid -= part
                settled.append((owed[service], part))
            left -= take
        for_penalty = left if penalty is None else penalty
        of_penalty = min(self.penalty, for_penalty)
        self.penalty -= of_penalty
        self.advance += left + (penalty or 0) - of_penalty
        self.payments[name] = Paid(settled, of_penalty, amount + (penalty or 0))

    def reverse(self, name: Any) -> None:
        paid = self.payments.pop(name)
        left = paid.total
        for item, part in paid.settled:
            back = min(part, item.billed - item.unpaid)
            item.unpaid += back
            left -= back
        back = min(paid.of_penalty, self.accrued - self.waived - self.penalty)
        self.penalty += back
        left -= back
        back = min(left, self.advance)
        self.advance -= back
        left -= back
        for entry in reversed(self.ahead):
            item, part = entry
            back = min(left, part, item.billed - item.unpaid)
            item.unpaid += back
            entry[1] -= back
            left -= back
        assert left == 0, "there is always something that the money of a payment went into"

    def _pay_ahead(self, period: str, dues: Mapping[str, int]) -> None:
        take = min(self.advance, sum(dues.values()))
        owed = {service: Item(due, due) for service, due in sorted(dues.items())}
        for service, part in _shares(take, owed, None):
            item = self.items[period, service]
            item.unpaid -= part
            self.ahead.append([item, part])
        self.advance -= take

    def _give_back(self) -> None:
        if self.penalty < 0:
            self.advance -= self.penalty
            self.penalty = 0


def books(entries: Iterable[Entry]) -> Books:
    """Keep the books by entries in the order in which they come."""
    made = Books()
    for entry in entries:
        getattr(made, entry.what)(*entry.given)
    return made


def by_effect(entries: Sequence[Entry]) -> list[Entry]:
    """The entries by the day of their effect; what was taken over was owed before all else."""
    first = min(entry.day for entry in entries)
    opening = Entry(first, entries[0].what, entries[0].given)
    return sorted([opening, *entries[1:]], key=lambda entry: entry.day)


def _shares(
    take: int, owed: Mapping[str, Item], ranking: Sequence[str] | None
) -> list[tuple[str, int]]:
    if not take:
        return []
    if ranking is not None:
        return _by_rank(take, owed, ranking)
    whole = sum(item.unpaid for item in owed.values())
    exact = {service: Fraction(take * item.unpaid, whole) for service, item in owed.items()}
    parts = {service: int(share) for service, share in exact.items()}
    while sum(parts.values()) < take:
        most = max(parts, key=lambda service: exact[service] - parts[service])
        parts[most] += 1
    return list(parts.items())


def _by_rank(take: int, owed: Mapping[str, Item], ranking: Sequence[str]) -> list[tuple[str, int]]:
    parts = []
    for service in [*ranking, *sorted(set(owed) - set(ranking))]:
        if service in owed:
            part = min(take, owed[service].unpaid)
            parts.append((service, part))
            take -= part
    return parts
