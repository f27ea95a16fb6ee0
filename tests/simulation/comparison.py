"""The comparison: what the ledger says, and what the clerk says, figure by figure."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from services.ledger.reports.balances import balance
from shared.errors import NotFound
from tests.simulation.company import Company, Progress, steps_of
from tests.simulation.installation import Installation, open_items_of
from tests.simulation.reference_model import Books, Entry, by_effective_day
from tests.simulation.totals import COLUMNS, Evening, Span, figures, told_figures

ASKED = 3
"""So many accounts are asked for at the terminal too."""
NAMED = 20
"""So many differences are told; all are counted."""


@dataclass
class Verdict:
    """What was compared, and what differs."""

    accounts: int = 0
    figures: int = 0
    instants: list[datetime] = field(default_factory=list)
    days: list[date] = field(default_factory=list)
    differing: int = 0
    differences: list[str] = field(default_factory=list)

    def compare(self, what: str, ledger: Any, clerk: Any) -> None:
        """Note a difference."""
        self.figures += 1
        if ledger != clerk:
            self.differing += 1
            if len(self.differences) < NAMED:
                self.differences.append(f"{what}: the ledger says {ledger}, the clerk says {clerk}")


class Judge:
    """Compares an installation with a company's files at some moments, chosen by chance."""

    def __init__(
        self, installation: Installation, company: Company, seed: int, moments: int = 3
    ) -> None:
        self._ledger = installation
        self._company = company
        self._chance = random.Random(f"moments {seed}")  # noqa: S311 - the same every time
        self.verdict = Verdict()
        self._choose(moments)

    def _choose(self, moments: int) -> None:
        first, last = self._ledger.span()
        whole, verdict = (last - first) // timedelta(microseconds=1), self.verdict
        verdict.instants = [
            first + timedelta(microseconds=self._chance.randint(0, whole)) for _ in range(moments)
        ]
        begin, end = (steps_of(self._company)[place].day for place in (0, -1))
        verdict.days = sorted(
            begin + timedelta(self._chance.randint(0, (end - begin).days)) for _ in range(moments)
        )

    def judge(self, progress: Progress = lambda _: None) -> Verdict:
        """Compare everything."""
        verdict, ledger = self.verdict, self._ledger
        rows = ledger.balances_now()
        recorded = [(instant, ledger.recorded_by(instant)) for instant in verdict.instants]
        evenings = [Evening(day) for day in verdict.days]
        spans = [
            Span(a + timedelta(1), b) for a, b in zip(verdict.days, verdict.days[1:], strict=False)
        ]
        spans.append(Span(verdict.days[0] - timedelta(200), verdict.days[-1]))
        asked: dict[int, list[tuple[str, str, Any]]] = {}
        for number, entries, books in self._company.lives():
            verdict.accounts += 1
            row = rows.pop(number, {})
            expected = open_items_of(books)
            verdict.compare(f"{number} now", {name: row.get(name) for name in expected}, expected)
            said = [*_at_instants(number, entries, recorded)]
            told = by_effective_day(entries)
            said += _at_days(number, told, evenings)
            self._compare_balances(number, said)
            for span in spans:
                span.tell(told)
            for place in range(ASKED):  # any account with the same chance
                if self._chance.random() < 1 / verdict.accounts:
                    asked[place] = [(number, when, clerk) for when, clerk in said]
            progress(1)
        verdict.compare("accounts that no file has", sorted(rows), [])
        self._at_the_terminal([question for mine in asked.values() for question in mine])
        self._compare_sheets(spans, evenings)
        return verdict

    def _compare_balances(self, number: str, said: Sequence[tuple[str, Any]]) -> None:
        ledger = self._ledger.store.query(
            lambda session: [_balance(session, number, when) for when, _ in said]
        )
        for (when, clerk), found in zip(said, ledger, strict=True):
            self.verdict.compare(f"{number} as of {when}", found, clerk)

    def _at_the_terminal(self, asked: Sequence[tuple[str, str, Any]]) -> None:
        for number, when, clerk in asked:
            code, out, _ = self._ledger.terminal.says("balance", number, "--as-of", when, "--json")
            found = told_figures(_json(out)) if code == 0 else None
            self.verdict.compare(f"{number} as of {when} at the terminal", found, clerk)

    def _compare_sheets(self, spans: Sequence[Span], evenings: Sequence[Evening]) -> None:
        asks, compare = self._ledger.terminal.asks, self.verdict.compare
        for span in spans:
            said = asks("turnover", f"--from={span.first}", f"--to={span.last}")
            rows, title = span.finish(), f"turnover {span.first} - {span.last}"
            found = {row["service"]: {name: row[name] for name in COLUMNS} for row in said["rows"]}
            for service in sorted(rows.keys() | found):
                nothing = dict.fromkeys(COLUMNS, 0)
                clerk = rows.get(service, nothing)
                compare(f"{title}: {service}", found.get(service, nothing), clerk)
            total = {name: sum(row[name] for row in rows.values()) for name in COLUMNS}
            compare(f"{title}: total", {name: said["total"][name] for name in COLUMNS}, total)
        for evening in evenings:
            day = evening.day.isoformat()
            books = asks("trial-balance", "--on", day)
            compare(f"trial balance {day}", _nonzero(books["accounts"]), _nonzero(evening.books))
            compare(f"trial balance {day} in all", books["total"], 0)
            overdue = asks("overdue", "--on", day)
            found = {a["number"]: [*a["bands"].values()] for a in overdue["accounts"]}
            compare(f"overdue {day} by account", _few(found, evening.overdue), [])
            total_late = sum(sum(bands) for bands in evening.overdue.values())
            said_late = overdue["total"], overdue["count"]
            compare(f"overdue {day}", said_late, (total_late, len(evening.overdue)))
        code, out, err = self._ledger.terminal.says("audit", "--json")
        compare("audit", (code, _json(out)["differences"] if out else err), (0, []))


def _at_instants(
    number: str,
    entries: Sequence[Entry],
    recorded: Sequence[tuple[datetime, Mapping[str, int]]],
) -> Iterator[tuple[str, Any]]:
    for instant, counts in recorded:
        books = Books()
        for entry in entries[: counts.get(number, 0)]:
            books.keep(entry)
        yield instant.isoformat(), figures(books) if books.entries else None


def _at_days(
    number: str, told: Sequence[Entry], evenings: Sequence[Evening]
) -> list[tuple[str, Any]]:
    books, found, done = Books(), [], 0
    for evening in evenings:
        while done < len(told) and told[done].day <= evening.day:
            books.keep(told[done])
            done += 1
        evening.tell(number, told[:done], books)
        found.append((evening.day.isoformat(), figures(books) if books.entries else None))
    return found


def _balance(session: Any, number: str, when: str) -> Any:
    try:
        return told_figures(balance(session, number, when))
    except NotFound:
        return None


def _nonzero(sums: Mapping[str, int]) -> dict[str, int]:
    return {name: amount for name, amount in sorted(sums.items()) if amount}


def _few(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[Any]:
    numbers = sorted(n for n in one.keys() | other.keys() if one.get(n) != other.get(n))
    return [(n, one.get(n), other.get(n)) for n in numbers[:NAMED]]


def _json(text: str) -> Any:
    return json.loads(text.splitlines()[-1]) if text.strip() else {}
