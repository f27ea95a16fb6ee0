"""Random accounts: their facts, and orders in which these may be recorded.

Everything is reproducible by a seed. An entry ``accrue`` is an accrual run; it is no fact.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

from tests.ledger_oracle.facts import TAKEN_OVER, Fact
from tests.ledger_oracle.law import due_on

SERVICES = ("capital_repair", "heating", "lift", "waste", "water")
KINDS = ("household", "household", "household", "organisation", "managing_company")
RECENT = (date(2025, 3, 1),)
BEGINNINGS = (
    *(date(2019, 6, 17), date(2020, 1, 1), date(2021, 12, 1), date(2023, 5, 1)),
    *(RECENT * 2),
)
"""The first days of accounts: before, within and after moratoria and falls of the rate."""


class RandomAccount:
    """One account; ``entries`` are its facts and accrual runs, none recorded yet."""

    def __init__(self, seed: int, beginnings: Sequence[date] = BEGINNINGS) -> None:
        chance = self._chance = random.Random(f"account {seed}")  # noqa: S311 - reproducible
        self.first = chance.choice(beginnings)
        self._months = [_month(self.first, place) for place in range(chance.randint(1, 8))]
        self.last = _month(self._months[-1], chance.choice((1, 3, 8)))
        self._scale = chance.choice((100, 5_000, 4_000_00, 4_000_00))
        self._services = chance.sample(SERVICES, chance.randint(1, 4))
        self.entries = [*self._openings(), *self._bills()]
        self._bill_days = {fact.period: fact.day for fact in self.entries if fact.what == "bill"}
        self.entries += self._some(self._adjustment, 3 if self._bill_days else 0)
        self.entries += self._some(self._payment, 8)
        self.entries += self._some(self._reversal, 3)
        self.entries += self._some(self._write_off, 2)
        self.entries += self._some(self._kind, 1)
        self.entries += self._some(self._accrual, 4)
        # The last, so that the other entries of a seed stay what they were.
        self.entries += self._some(self._refund, 4)

    def _some(self, make: Callable[[], Fact | None], at_most: int) -> list[Fact]:
        made = [make() for _ in range(self._chance.randint(0, at_most))]
        return [fact for fact in made if fact is not None]

    def _day(self) -> date:
        days = (self.last - self.first).days
        # A few days are those of many facts.
        if self._chance.random() < 0.2:
            days = days // 30 * 30
            return self.first + timedelta(self._chance.randrange(0, days + 1, 30))
        return self.first + timedelta(self._chance.randint(0, days))

    def _name(self) -> str:
        return str(UUID(int=self._chance.getrandbits(128), version=4))

    def _sum(self) -> int:
        return self._chance.choice((1, 1, 1, 3)) * self._chance.randint(1, self._scale)

    def _lines(self, negative: float) -> dict[str, int]:
        services = self._chance.sample(self._services, self._chance.randint(1, len(self._services)))
        return {
            service: self._sum() * (-1 if self._chance.random() < negative else 1)
            for service in services
        }

    def _openings(self) -> Iterator[Fact]:
        chance, kind = self._chance, self._chance.choice(KINDS)
        day = self.first if chance.random() < 0.7 else self._day()
        lines = self._lines(0.3)
        due = self.first - timedelta(chance.randint(-40, 400)) if chance.random() < 0.3 else None
        if due and due < BEGINNINGS[0]:
            due = None
        way = chance.choice(("at once", "later", "never"))
        own = lines if way == "at once" else {}
        yield Fact(
            day, "open", period=TAKEN_OVER, lines=own, due_on=due if own else None, kind=kind
        )
        if way == "later":
            yield Fact(self._day(), "open", "later", TAKEN_OVER, lines, due)

    def _bills(self) -> Iterator[Fact]:
        for month in self._months:
            if self._chance.random() < 0.85:
                following = _month(month, 1)
                day = following - timedelta(1)
                if self._chance.random() < 0.3:
                    day = max(self.first, day + timedelta(self._chance.randint(-40, 90)))
                due = due_on(month) if self._chance.random() < 0.8 else following
                period = f"{month:%Y-%m}"
                yield Fact(day, "bill", period, period, self._lines(0.12), due)

    def _adjustment(self) -> Fact:
        period = self._chance.choice(sorted(self._bill_days))
        day = max(self._day(), self._bill_days[period])
        return Fact(day, "adjust", self._name(), period, self._lines(0.6), due_on(day))

    def _payment(self) -> Fact:
        chance = self._chance
        amount = chance.choice((0, self._sum(), self._sum(), self._some_bill()))
        penalty = chance.choice(
            (0, 0, 0, chance.randint(1, max(2, self._scale // 20)), self._sum())
        )
        period = f"{chance.choice(self._months):%Y-%m}" if chance.random() < 0.15 else ""
        if not amount + penalty:
            amount = 1
        return Fact(self._day(), "pay", self._name(), period, amount=amount, penalty=penalty)

    def _some_bill(self) -> int:
        bills = [fact for fact in self.entries if fact.what in ("bill", "open")]
        return max(1, sum(self._chance.choice(bills).lines.values())) if bills else 1

    def _reversal(self) -> Fact | None:
        reversed_ = {fact.name for fact in self.entries if fact.what == "reverse"}
        paid = [f for f in self.entries if f.what == "pay" and f.name not in reversed_]
        if not paid:
            return None
        payment = self._chance.choice(paid)
        fact = Fact(max(self._day(), payment.day), "reverse", payment.name)
        self.entries.append(fact)
        return None

    def _refund(self) -> Fact | None:
        paid = [fact for fact in self.entries if fact.what == "pay"]
        if not paid:
            return None
        chance, payment = self._chance, self._chance.choice(paid)
        whole = payment.amount + payment.penalty
        amount = chance.choice((whole, chance.randint(1, whole), chance.randint(1, whole)))
        day = max(self._day(), payment.day)
        return Fact(day, "refund", self._name(), amount=amount, payment=payment.name)

    def _write_off(self) -> Fact:
        return Fact(self._day(), "write_off", amount=self._chance.randint(1, self._scale // 30 + 1))

    def _kind(self) -> Fact:
        return Fact(self._day(), "kind", kind=self._chance.choice(KINDS))

    def _accrual(self) -> Fact:
        return Fact(self._day(), "accrue")


def random_company(seed: int, size: int) -> dict[str, list[Fact]]:
    """Return the entries of recent accounts by number; payments are moved between them.

    Some are reversed and entered again by hand, some are moved by one correction.
    """
    chance = random.Random(f"company {seed}")  # noqa: S311 - reproducible
    company = {
        f"{place + 1:010}": RandomAccount(seed * 1_000_000 + place, RECENT).entries
        for place in range(size)
    }
    for number, entries in list(company.items()):
        for place, reversal in enumerate(entries):
            if reversal.what != "reverse":
                continue
            if chance.random() < 0.5:
                to = chance.choice(list(company))
                entries[place] = replace(reversal, to="" if to == number else to)
                continue
            [moved] = [e for e in entries if e.what == "pay" and e.name == reversal.name]
            others = company[chance.choice(list(company))]
            if not any(entry.name == moved.name for entry in others):
                others.append(moved)
    return company


def an_order(entries: Sequence[Fact], chance: random.Random) -> list[Fact]:
    """Return entries in a random order in which they may be recorded.

    The account is opened first; a correction comes after what it corrects.
    """
    # Some orders are that of the days, but for a few that come late.
    late = chance.choice((0.0, 0.1, 0.3, 1.0))
    last = max(entry.day for entry in entries)
    days = (last - min(entry.day for entry in entries)).days + 1
    waiting = sorted(
        entries,
        key=lambda entry: (
            entry.day + timedelta(chance.randint(0, days) if chance.random() < late else 0),
            chance.random(),
        ),
    )
    order: list[Fact] = []
    while waiting:
        entry = next(entry for entry in waiting if not _waits_for(entry, waiting))
        waiting.remove(entry)
        order.append(entry)
    return order


def shrunk(entries: Sequence[Fact], fails: Callable[[Sequence[Fact]], bool]) -> list[Fact]:
    """Return the fewest entries found, in their order, that still fail."""
    kept = list(entries)
    place = len(kept)
    while place > 0:
        place -= 1
        if kept[place].what == "open" and not kept[place].name:
            continue
        fewer = [e for i, e in enumerate(kept) if i != place and not _needs(e, kept[place])]
        if fails(fewer):
            kept, place = fewer, len(fewer)
    return kept


def _waits_for(entry: Fact, waiting: Sequence[Fact]) -> bool:
    return any(_needs(entry, other) for other in waiting)


def _needs(entry: Fact, other: Fact) -> bool:
    if other.what == "open" and not other.name:
        return entry is not other
    if entry.what == "adjust":
        return other.what == "bill" and other.period == entry.period
    paid = {"reverse": entry.name, "refund": entry.payment}.get(entry.what)
    return other.what == "pay" and other.name == paid


def _month(first: date, later: int) -> date:
    number = first.year * 12 + first.month - 1 + later
    return date(number // 12, number % 12 + 1, 1)
