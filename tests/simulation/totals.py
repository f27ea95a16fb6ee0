"""The reference model's totals over all accounts: turnover, overdue debts, double entry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from tests.ledger_oracle.facts import Fact, by_effect
from tests.ledger_oracle.oracle import State, state_of
from tests.simulation.reference_model import Entry, ModelAccount, state_after

LAST_DAYS = (30, 60, 90, 180, 365)
COLUMNS = ("opening", "charged", "recalculated", "concession", "paid", "closing")


@dataclass
class TurnoverTotals:
    """The turnover between two days; ``rows`` is service -> column -> kopecks.

    There is no row of the penalty: when what of it was booked is the ledger's own affair.
    """

    first: date
    last: date
    rows: defaultdict[str, dict[str, int]] = field(
        default_factory=lambda: defaultdict(lambda: dict.fromkeys(COLUMNS, 0))
    )

    def add(self, account: ModelAccount) -> None:
        """Add an account's turnover."""
        facts, before = by_effect(account.facts), self.first - timedelta(1)
        if facts[0].day > self.last:
            return
        if any(fact.day <= before for fact in facts if fact.what != "open"):
            self._put("opening", state_of(account.facts, before))
        else:
            # What was taken over was owed before all that happened, on whatever day it was known.
            self._put("opening", state_after([f for f in account.facts if f.what == "open"]))
        self._put("closing", state_of(account.facts, self.last))
        for entry in account.entries:
            if self.first <= entry.fact.day <= self.last:
                self._count(entry)

    def finish(self) -> dict[str, dict[str, int]]:
        """Return the rows, with ``paid`` derived from the other columns."""
        for row in self.rows.values():
            owed = row["opening"] + row["charged"] + row["recalculated"]
            row["paid"] = owed - row["concession"] - row["closing"]
        return self.rows

    def _put(self, column: str, state: State) -> None:
        for service, amount in state.services.items():
            self.rows[service][column] += amount
        self.rows["advance"][column] -= state.advance

    def _count(self, entry: Entry) -> None:
        for service, (charged, recalculated, concession) in entry.columns.items():
            self.rows[service]["charged"] += charged
            self.rows[service]["recalculated"] += recalculated
            self.rows[service]["concession"] -= concession
        if entry.fact.what == "adjust":
            for service, amount in entry.fact.lines.items():
                self.rows[service]["recalculated"] += amount


@dataclass
class DayTotals:
    """The end of a day: the double-entry books, and the overdue debts by account.

    The books of the penalty are left out, as in the turnover.
    """

    day: date
    books: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    overdue: dict[str, list[int]] = field(default_factory=dict)

    def add(self, number: str, account: ModelAccount, state: State) -> None:
        """Add an account and its figures at the end of the day."""
        for service, amount in state.services.items():
            self.books[f"receivable:{service}"] += amount
        self.books["advances"] -= state.advance
        for fact in by_effect(account.facts):
            if fact.day <= self.day:
                self._count(fact, account)
        self._add_overdue(number, account, state)

    def _count(self, fact: Fact, account: ModelAccount) -> None:
        match fact.what:
            case "open":
                self.books["opening"] -= sum(fact.lines.values())
            case "bill" | "adjust":
                for service, amount in fact.lines.items():
                    self.books[f"revenue:{service}"] -= amount
            case "pay":
                self.books["clearing"] += fact.amount + fact.penalty
            case "reverse":
                self.books["clearing"] -= account.sum_of(fact.name)

    def _add_overdue(self, number: str, account: ModelAccount, state: State) -> None:
        bands, due_days = [0] * (len(LAST_DAYS) + 1), account.due_days()
        for period, owed in state.principal.items():
            days = (self.day - due_days[period]).days
            if days > 0:
                bands[sum(1 for last in LAST_DAYS if days > last)] += sum(owed.values())
        if any(bands):
            self.overdue[number] = bands


def expected_balance(state: State) -> dict[str, Any]:
    """Return the figures that the ledger's balance of an account should have."""
    return {
        "principal": state.total,
        "penalty_due": state.owed,
        "advance": state.advance,
        "services": state.services,
    }


def balance_figures(balance: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same figures of the ledger's balance."""
    return {
        **{name: balance[name] for name in ("principal", "penalty_due", "advance")},
        "services": {item["service"]: item["amount"] for item in balance["services"]},
    }
