"""The reference model of one account: its facts as the files have them, and the oracle's figures.

What the facts come to is computed by :mod:`tests.ledger_oracle`, which knows no code of the ledger.
All sums are kopecks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from tests.ledger_oracle.facts import Fact, by_effect
from tests.ledger_oracle.oracle import State, state_of, states_of

Columns = Mapping[str, tuple[int, int, int]]
"""Service -> what a bill charges, recalculates and, negative, concedes."""


@dataclass(frozen=True)
class Entry:
    """A fact, and the columns of its bill."""

    fact: Fact
    columns: Columns = field(default_factory=dict)


@dataclass
class ModelAccount:
    """The entries of an account in the order in which they were recorded."""

    entries: list[Entry] = field(default_factory=list)
    bills: dict[str, Fact] = field(default_factory=dict)
    payments: dict[str, Fact] = field(default_factory=dict)
    accrued_through: date = date.min
    billed: int = 0

    @property
    def facts(self) -> list[Fact]:
        return [entry.fact for entry in self.entries]

    @property
    def about(self) -> int:
        """About what is owed, or negative an advance: without any thought of penalties."""
        paid = sum(fact.amount + fact.penalty for fact in self.payments.values())
        return self.billed - paid

    def record(self, entry: Entry) -> None:
        """Add an entry."""
        self.entries.append(entry)
        fact = entry.fact
        self.billed += sum(fact.lines.values())
        match fact.what:
            case "bill":
                self.bills[fact.period] = fact
            case "pay":
                self.payments[fact.name] = fact
            case "reverse":
                del self.payments[fact.name]

    def accrue(self, on: date) -> None:
        """Note an accrual run: it books what the facts say."""
        if self.entries:
            self.accrued_through = max(self.accrued_through, on)

    def state(self) -> State:
        """Return the figures after all facts, with the penalty accrued so far."""
        return state_after(self.facts, self.accrued_through)

    def states(self, days: Iterable[date]) -> dict[date, State]:
        """Return the figures by the end of each of several days."""
        return states_of(self.facts, days)

    def sum_of(self, payment: str) -> int:
        """Return the sum of a payment, be it reversed."""
        [paid] = [fact for fact in self.facts if (fact.what, fact.name) == ("pay", payment)]
        return paid.amount + paid.penalty

    def opened_by(self, day: date) -> bool:
        """Return whether there is an account by the end of a day."""
        return any(fact.day <= day for fact in by_effect(self.facts))

    def due_days(self) -> dict[str, date]:
        """Return the last day in time of each month."""
        owed = [fact for fact in by_effect(self.facts) if fact.what in ("open", "bill")]
        return {fact.period: fact.due_on for fact in owed if fact.due_on}


def state_after(facts: list[Fact], accrued_through: date = date.min) -> State:
    """Return the figures after facts, whatever their days."""
    last = max(fact.day for fact in by_effect(facts))
    return state_of(facts, max(last, accrued_through))
