"""The clerk's sums over all accounts: turnover, what is overdue, the books by double entry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tests.simulation.reference_model import Books, Entry

LAST_DAYS = (30, 60, 90, 180, 365)
COLUMNS = ("opening", "charged", "recalculated", "concession", "penalty", "paid", "closing")


@dataclass
class Span:
    """Some days; ``rows`` is the turnover: service -> column -> kopecks."""

    first: date
    last: date
    rows: defaultdict[str, dict[str, int]] = field(
        default_factory=lambda: defaultdict(lambda: dict.fromkeys(COLUMNS, 0))
    )

    def tell(self, entries: Sequence[Entry]) -> None:
        """Add an account's turnover; its entries stand in the order of their effect."""
        books, opened = Books(), False
        for entry in entries:
            if entry.day > self.last:
                break
            inside = entry.day >= self.first and entry.what != "open"
            if inside and not opened:
                self._put("opening", books)
                opened = True
            books.keep(entry)
            if inside:
                self._count(entry)
        if not opened:
            self._put("opening", books)
        self._put("closing", books)

    def finish(self) -> dict[str, dict[str, int]]:
        """Return the rows; what was paid is what explains the rest."""
        for row in self.rows.values():
            owed = row["opening"] + row["charged"] + row["recalculated"] + row["penalty"]
            row["paid"] = owed - row["concession"] - row["closing"]
        return self.rows

    def _put(self, column: str, books: Books) -> None:
        for service, amount in books.services().items():
            self.rows[service][column] += amount
        self.rows["penalty"][column] += books.penalty
        self.rows["advance"][column] -= books.advance

    def _count(self, entry: Entry) -> None:
        match entry.what:
            case "charge":
                for service, (charged, again, less) in entry.given[2].items():
                    self.rows[service]["charged"] += charged
                    self.rows[service]["recalculated"] += again
                    self.rows[service]["concession"] -= less
            case "adjust":
                for service, amount in entry.given[1].items():
                    self.rows[service]["recalculated"] += amount
            case "fine" | "correct_fine" | "waive":
                self.rows["penalty"]["penalty"] += fined(entry)


@dataclass
class Evening:
    """The end of a day: the books by double entry, and what is overdue by account."""

    day: date
    books: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    overdue: dict[str, list[int]] = field(default_factory=dict)

    def tell(self, number: str, entries: Sequence[Entry], books: Books) -> None:
        """Add an account; ``entries`` are those that have taken effect, ``books`` come of them."""
        for service, amount in books.services().items():
            self.books[f"receivable:{service}"] += amount
        self.books["receivable:penalty"] += books.penalty
        self.books["advances"] -= books.advance
        self.books["clearing"] += sum(amount for _, amount in books.payments.values())
        for entry in entries:
            self._count(entry)
        self._age(number, books)

    def _count(self, entry: Entry) -> None:
        match entry.what:
            case "open":
                self.books["opening"] -= sum(entry.given[1].values())
            case "charge":
                for service, line in entry.given[2].items():
                    self.books[f"revenue:{service}"] -= sum(line)
            case "adjust":
                for service, amount in entry.given[1].items():
                    self.books[f"revenue:{service}"] -= amount
            case "fine" | "correct_fine" | "waive":
                self.books["revenue:penalty"] -= fined(entry)

    def _age(self, number: str, books: Books) -> None:
        bands = [0] * (len(LAST_DAYS) + 1)
        for piece in books.debts:
            days = (self.day - piece.due_on).days
            if not piece.payer and days > 0:
                bands[sum(1 for last in LAST_DAYS if days > last)] += piece.amount
        if any(bands):
            self.overdue[number] = bands


def fined(entry: Entry) -> int:
    """What an entry adds to the penalties charged."""
    match entry.what:
        case "fine":
            return int(entry.given[0])
        case "correct_fine":
            return int(entry.given[0] + entry.given[1])
        case _:
            return -int(entry.given[0])


def figures(books: Books) -> dict[str, Any]:
    """What a balance tells of an account."""
    return {
        "principal": books.principal,
        "penalty": books.penalty,
        "advance": books.advance,
        "services": books.services(),
    }


def told_figures(balance: Mapping[str, Any]) -> dict[str, Any]:
    """The same, out of what the ledger answers."""
    return {
        **{name: balance[name] for name in ("principal", "penalty", "advance")},
        "services": {item["service"]: item["amount"] for item in balance["services"]},
    }
