"""The reference model's totals over all accounts: turnover, overdue debts, double entry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tests.simulation.reference_model import Entry, ModelAccount

LAST_DAYS = (30, 60, 90, 180, 365)
COLUMNS = ("opening", "charged", "recalculated", "concession", "penalty", "paid", "closing")


@dataclass
class TurnoverTotals:
    """The turnover between two days; ``rows`` is service -> column -> kopecks."""

    first: date
    last: date
    rows: defaultdict[str, dict[str, int]] = field(
        default_factory=lambda: defaultdict(lambda: dict.fromkeys(COLUMNS, 0))
    )

    def add(self, entries: Sequence[Entry]) -> None:
        """Add an account's turnover; its entries are in effective order."""
        account, opened = ModelAccount(), False
        for entry in entries:
            if entry.day > self.last:
                break
            inside = entry.day >= self.first and entry.what != "open"
            if inside and not opened:
                self._put("opening", account)
                opened = True
            account.record(entry)
            if inside:
                self._count(entry)
        if not opened:
            self._put("opening", account)
        self._put("closing", account)

    def finish(self) -> dict[str, dict[str, int]]:
        """Return the rows, with ``paid`` derived from the other columns."""
        for row in self.rows.values():
            owed = row["opening"] + row["charged"] + row["recalculated"] + row["penalty"]
            row["paid"] = owed - row["concession"] - row["closing"]
        return self.rows

    def _put(self, column: str, account: ModelAccount) -> None:
        for service, amount in account.services().items():
            self.rows[service][column] += amount
        self.rows["penalty"][column] += account.penalty
        self.rows["advance"][column] -= account.advance

    def _count(self, entry: Entry) -> None:
        match entry.what:
            case "charge":
                for service, (charged, recalculated, concession) in entry.values[2].items():
                    self.rows[service]["charged"] += charged
                    self.rows[service]["recalculated"] += recalculated
                    self.rows[service]["concession"] -= concession
            case "adjust":
                for service, amount in entry.values[1].items():
                    self.rows[service]["recalculated"] += amount
            case "add_penalty" | "correct_penalty" | "waive_penalty":
                self.rows["penalty"]["penalty"] += penalty_charged(entry)


@dataclass
class DayTotals:
    """The end of a day: the double-entry books, and the overdue debts by account."""

    day: date
    books: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    overdue: dict[str, list[int]] = field(default_factory=dict)

    def add(self, number: str, entries: Sequence[Entry], account: ModelAccount) -> None:
        """Add an account after its ``entries``, which have taken effect by the end of the day."""
        for service, amount in account.services().items():
            self.books[f"receivable:{service}"] += amount
        self.books["receivable:penalty"] += account.penalty
        self.books["advances"] -= account.advance
        self.books["clearing"] += sum(amount for _, amount in account.payments.values())
        for entry in entries:
            self._count(entry)
        self._add_overdue(number, account)

    def _count(self, entry: Entry) -> None:
        match entry.what:
            case "open":
                self.books["opening"] -= sum(entry.values[1].values())
            case "charge":
                for service, line in entry.values[2].items():
                    self.books[f"revenue:{service}"] -= sum(line)
            case "adjust":
                for service, amount in entry.values[1].items():
                    self.books[f"revenue:{service}"] -= amount
            case "add_penalty" | "correct_penalty" | "waive_penalty":
                self.books["revenue:penalty"] -= penalty_charged(entry)

    def _add_overdue(self, number: str, account: ModelAccount) -> None:
        bands = [0] * (len(LAST_DAYS) + 1)
        for piece in account.debts:
            days = (self.day - piece.due_on).days
            if not piece.payer and days > 0:
                bands[sum(1 for last in LAST_DAYS if days > last)] += piece.amount
        if any(bands):
            self.overdue[number] = bands


def penalty_charged(entry: Entry) -> int:
    """Return what an entry adds to the penalties charged."""
    match entry.what:
        case "add_penalty":
            return int(entry.values[0])
        case "correct_penalty":
            return int(entry.values[0] + entry.values[1])
        case _:
            return -int(entry.values[0])


def expected_balance(account: ModelAccount) -> dict[str, Any]:
    """Return the figures that the ledger's balance of an account should have."""
    return {
        "principal": account.principal,
        "penalty": account.penalty,
        "advance": account.advance,
        "services": account.services(),
    }


def balance_figures(balance: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same figures of the ledger's balance."""
    return {
        **{name: balance[name] for name in ("principal", "penalty", "advance")},
        "services": {item["service"]: item["amount"] for item in balance["services"]},
    }
