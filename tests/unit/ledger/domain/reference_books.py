"""Reference books of one account, kept without the ledger's code: an oracle for its tests.

It shares no code with the ledger. The history is a list of entries, each with the day it takes
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
    """One entry; ``what`` is the name of a method of Books."""

    day: date
    what: str
    given: tuple[Any, ...]


@dataclass
class Part:
    """A part that is paid, by a payment or (None) by an advance."""

    payer: Any
    amount: int


@dataclass
class Item:
    """One service of one month, or the penalty: what is not paid, and the parts that are."""

    unpaid: int
    parts: list[Part] = field(default_factory=list)

    def pay(self, payer: Any, amount: int) -> Part:
        self.unpaid -= amount
        self.parts.append(Part(payer, amount))
        return self.parts[-1]

    def give_back(self, amount: int) -> None:
        """Take a sum off the parts that are paid, the last first; it is not owed again."""
        for part in reversed(self.parts):
            taken = min(part.amount, amount)
            part.amount -= taken
            amount -= taken

    def unpay(self, payer: Any) -> int:
        own = sum(part.amount for part in self.parts if part.payer == payer)
        self.parts = [part for part in self.parts if part.payer != payer]
        self.unpaid += own
        return own


@dataclass
class Books:
    """All figures in kopecks."""

    items: dict[tuple[str, str], Item] = field(default_factory=dict)
    fine: Item = field(default_factory=lambda: Item(0))
    accrued: int = 0
    waived: int = 0
    advance: int = 0
    ahead: list[tuple[Item, Part]] = field(default_factory=list)
    payments: dict[Any, int] = field(default_factory=dict)

    @property
    def penalty(self) -> int:
        return self.fine.unpaid

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

    @property
    def paid(self) -> dict[str, int]:
        """What of each month is paid, by payments and by advances."""
        sums: dict[str, int] = {}
        for (period, _), item in self.items.items():
            amount = sum(part.amount for part in item.parts)
            if amount:
                sums[period] = sums.get(period, 0) + amount
        return sums

    def open(self, opening: Mapping[str, int]) -> None:
        """Take over what was owed before; the one who is owed something is paid by no one yet."""
        advance, self.advance = self.advance, 0
        self._owe(TAKEN_OVER, opening)
        back, self.advance = self.advance, advance
        self._pay_ahead(TAKEN_OVER, opening)
        self.advance += back

    def charge(self, period: str, lines: Mapping[str, int]) -> None:
        self._owe(period, lines)
        self._pay_ahead(period, lines)

    def adjust(self, period: str, lines: Mapping[str, int]) -> None:
        self._owe(period, {service: amount for service, amount in lines.items() if amount > 0})
        for service, amount in lines.items():
            if amount < 0:
                item = self.items.setdefault((period, service), Item(0))
                given_back = max(0, -amount - item.unpaid)
                item.unpaid -= -amount - given_back
                item.give_back(given_back)
                self.advance += given_back
        self._pay_ahead(period, lines)

    def accrue(self, amount: int) -> None:
        self.accrued += amount
        self.fine.unpaid += amount

    def correct(self, amount: int, unwaived: int) -> None:
        self.accrued += amount
        self.waived -= unwaived
        self._change_fine(amount + unwaived)

    def waive(self, amount: int) -> None:
        self.waived += amount
        self._change_fine(-amount)

    def pay(
        self,
        name: Any,
        amount: int,
        penalty: int | None,
        first: str | None = None,
        newest_first: bool = False,
        ranking: Sequence[str] | None = None,
    ) -> None:
        left = amount
        months = sorted({period for period, _ in self.items}, reverse=newest_first)
        for month in sorted(months, key=lambda month: month != first):
            owed = {
                service: item.unpaid
                for (period, service), item in sorted(self.items.items())
                if period == month and item.unpaid
            }
            take = min(left, sum(owed.values()))
            for service, part in _shares(take, owed, ranking):
                self.items[month, service].pay(name, part)
            left -= take
        of_penalty = min(self.penalty, left if penalty is None else penalty)
        self.fine.pay(name, of_penalty)
        self.advance += left + (penalty or 0) - of_penalty
        self.payments[name] = amount + (penalty or 0)

    def reverse(self, name: Any) -> None:
        left = self.payments.pop(name)
        for item in [*self.items.values(), self.fine]:
            left -= item.unpay(name)
        taken = min(left, self.advance)
        self.advance -= taken
        left -= taken
        for item, part in reversed(self.ahead):
            back = min(left, part.amount)
            part.amount -= back
            item.unpaid += back
            left -= back
        assert left == 0, "there is always something that the money of a payment went into"

    def _owe(self, period: str, lines: Mapping[str, int]) -> None:
        for service, amount in lines.items():
            if amount > 0:
                self.items.setdefault((period, service), Item(0)).unpaid += amount
            else:
                self.advance -= amount

    def _pay_ahead(self, period: str, lines: Mapping[str, int]) -> None:
        owed = {service: amount for service, amount in sorted(lines.items()) if amount > 0}
        take = min(self.advance, sum(owed.values()))
        for service, part in _shares(take, owed, None):
            item = self.items[period, service]
            self.ahead.append((item, item.pay(None, part)))
        self.advance -= take

    def _change_fine(self, amount: int) -> None:
        self.fine.unpaid += amount
        given_back = max(0, -self.fine.unpaid)
        self.fine.unpaid += given_back
        self.fine.give_back(given_back)
        self.advance += given_back


def books(entries: Iterable[Entry]) -> Books:
    """Keep the books by entries in the order in which they come."""
    made = Books()
    for entry in entries:
        getattr(made, entry.what)(*entry.given)
    return made


def by_effect(entries: Sequence[Entry]) -> list[Entry]:
    """The entries by the day of their effect; what was taken over was owed before all else."""
    later = sorted(
        (entry for entry in entries if entry.what != "open"), key=lambda entry: entry.day
    )
    taken_over = [entry for entry in entries if entry.what == "open"]
    first = min(entry.day for entry in [*later[:1], taken_over[-1]])
    days = [min(taken_over[0].day, first), first]
    openings = [Entry(day, "open", e.given) for day, e in zip(days, taken_over, strict=False)]
    return [*openings, *later]


def _shares(
    take: int, owed: Mapping[str, int], ranking: Sequence[str] | None
) -> list[tuple[str, int]]:
    if not take:
        return []
    if ranking is not None:
        return _by_rank(take, owed, ranking)
    whole = sum(owed.values())
    exact = {service: Fraction(take * due, whole) for service, due in owed.items()}
    parts = {service: int(share) for service, share in exact.items()}
    while sum(parts.values()) < take:
        most = max(parts, key=lambda service: exact[service] - parts[service])
        parts[most] += 1
    return list(parts.items())


def _by_rank(take: int, owed: Mapping[str, int], ranking: Sequence[str]) -> list[tuple[str, int]]:
    parts = []
    for service in [*ranking, *sorted(set(owed) - set(ranking))]:
        if service in owed:
            part = min(take, owed[service])
            parts.append((service, part))
            take -= part
    return parts
