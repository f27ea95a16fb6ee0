"""The comparison of the ledger with the reference model, figure by figure."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from services.ledger.reports.balances import balance
from shared.errors import NotFound
from tests.ledger_oracle.oracle import state_of
from tests.simulation.company import Company, Progress, steps_of
from tests.simulation.installation import Installation, expected_row
from tests.simulation.reference_model import ModelAccount
from tests.simulation.totals import (
    COLUMNS,
    DayTotals,
    TurnoverTotals,
    balance_figures,
    expected_balance,
)

AT_TERMINAL = 3
"""How many accounts are also compared through the terminal."""
PENALTY = "penalty"
"""What is in the name of the rows and accounts that are not compared (see totals.py)."""
MAX_NAMED = 20
"""How many differences are described; all are counted."""


@dataclass
class ComparisonReport:
    """How much was compared, and what differs."""

    accounts: int = 0
    figures: int = 0
    instants: list[datetime] = field(default_factory=list)
    days: list[date] = field(default_factory=list)
    differing: int = 0
    differences: list[str] = field(default_factory=list)

    def compare(self, what: str, actual: Any, expected: Any) -> None:
        """Compare a figure, and record a difference."""
        self.figures += 1
        if actual != expected:
            self.differing += 1
            if len(self.differences) < MAX_NAMED:
                self.differences.append(f"{what}: the ledger has {actual}, the model {expected}")


class Comparison:
    """Compares an installation with a company's files at random moments."""

    def __init__(
        self, installation: Installation, company: Company, seed: int, moments: int = 3
    ) -> None:
        self._ledger = installation
        self._company = company
        self._chance = random.Random(f"moments {seed}")  # noqa: S311 - reproducible
        self.report = ComparisonReport()
        self._choose(moments)

    def _choose(self, moments: int) -> None:
        first, last = self._ledger.recorded_between()
        whole, report = (last - first) // timedelta(microseconds=1), self.report
        report.instants = [
            first + timedelta(microseconds=self._chance.randint(0, whole)) for _ in range(moments)
        ]
        begin, end = (steps_of(self._company)[place].day for place in (0, -1))
        report.days = sorted(
            begin + timedelta(self._chance.randint(0, (end - begin).days)) for _ in range(moments)
        )

    def run(self, progress: Progress = lambda _: None) -> ComparisonReport:
        """Compare everything and return the report."""
        report, ledger = self.report, self._ledger
        rows = ledger.balances_now()
        recorded = [(instant, ledger.recorded_by(instant)) for instant in report.instants]
        day_totals = [DayTotals(day) for day in report.days]
        turnovers = [
            TurnoverTotals(a + timedelta(1), b)
            for a, b in zip(report.days, report.days[1:], strict=False)
        ]
        turnovers.append(TurnoverTotals(report.days[0] - timedelta(200), report.days[-1]))
        at_terminal: dict[int, list[tuple[str, str, Any]]] = {}
        for number, account in self._company.accounts():
            report.accounts += 1
            row = rows.pop(number, {})
            expected = expected_row(account)
            report.compare(f"{number} now", {name: row.get(name) for name in expected}, expected)
            balances = [*self._at_instants(number, account, recorded)]
            balances += _at_days(number, account, day_totals)
            self._compare_balances(number, balances)
            for turnover in turnovers:
                turnover.add(account)
            for place in range(AT_TERMINAL):  # each account is chosen with the same probability
                if self._chance.random() < 1 / report.accounts:
                    at_terminal[place] = [(number, *balance) for balance in balances]
            progress(1)
        report.compare("accounts in no file", sorted(rows), [])
        self._compare_at_terminal([row for rows in at_terminal.values() for row in rows])
        self._compare_totals(turnovers, day_totals)
        return report

    def _compare_balances(self, number: str, balances: Sequence[tuple[str, Any]]) -> None:
        actual = self._ledger.store.query(
            lambda session: [_balance(session, number, when) for when, _ in balances]
        )
        for (when, expected), found in zip(balances, actual, strict=True):
            self.report.compare(f"{number} as of {when}", found, expected)

    def _at_instants(
        self,
        number: str,
        account: ModelAccount,
        recorded: Sequence[tuple[datetime, Mapping[str, int]]],
    ) -> Iterator[tuple[str, Any]]:
        for instant, counts in recorded:
            known = account.facts[: counts.get(number, 0)]
            day = self._ledger.store.clock.day_of(instant)
            yield instant.isoformat(), expected_balance(state_of(known, day)) if known else None

    def _compare_at_terminal(self, balances: Sequence[tuple[str, str, Any]]) -> None:
        for number, when, expected in balances:
            code, out, _ = self._ledger.terminal.run("balance", number, "--as-of", when, "--json")
            found = balance_figures(_json(out)) if code == 0 else None
            self.report.compare(f"{number} as of {when} at the terminal", found, expected)

    def _compare_totals(
        self, turnovers: Sequence[TurnoverTotals], day_totals: Sequence[DayTotals]
    ) -> None:
        run_json, compare = self._ledger.terminal.run_json, self.report.compare
        for turnover in turnovers:
            report = run_json("turnover", f"--from={turnover.first}", f"--to={turnover.last}")
            rows, title = turnover.finish(), f"turnover {turnover.first} - {turnover.last}"
            found = {
                row["service"]: {name: row[name] for name in COLUMNS} for row in report["rows"]
            }
            for service in sorted((rows.keys() | found) - {PENALTY}):
                zeros = dict.fromkeys(COLUMNS, 0)
                expected = rows.get(service, zeros)
                compare(f"{title}: {service}", found.get(service, zeros), expected)
        for totals in day_totals:
            day = totals.day.isoformat()
            books = run_json("trial-balance", "--on", day)
            found_books = {n: sum_ for n, sum_ in books["accounts"].items() if PENALTY not in n}
            compare(f"trial balance {day}", _nonzero(found_books), _nonzero(totals.books))
            compare(f"trial balance {day} in all", books["total"], 0)
            overdue = run_json("overdue", "--on", day)
            bands = {a["number"]: [*a["bands"].values()] for a in overdue["accounts"]}
            compare(f"overdue {day} by account", _first_differences(bands, totals.overdue), [])
            total_late = sum(sum(bands) for bands in totals.overdue.values())
            found_late = overdue["total"], overdue["count"]
            compare(f"overdue {day}", found_late, (total_late, len(totals.overdue)))
        code, out, err = self._ledger.terminal.run("audit", "--json")
        compare("audit", (code, _json(out)["differences"] if out else err), (0, []))


def _at_days(
    number: str, account: ModelAccount, day_totals: Sequence[DayTotals]
) -> list[tuple[str, Any]]:
    found, states = list[tuple[str, Any]](), account.states([totals.day for totals in day_totals])
    for totals in day_totals:
        opened, state = account.opened_by(totals.day), states[totals.day]
        if opened:
            totals.add(number, account, state)
        found.append((totals.day.isoformat(), expected_balance(state) if opened else None))
    return found


def _balance(session: Any, number: str, when: str) -> Any:
    try:
        return balance_figures(balance(session, number, when))
    except NotFound:
        return None


def _nonzero(sums: Mapping[str, int]) -> dict[str, int]:
    return {name: amount for name, amount in sorted(sums.items()) if amount}


def _first_differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[Any]:
    numbers = sorted(n for n in one.keys() | other.keys() if one.get(n) != other.get(n))
    return [(n, one.get(n), other.get(n)) for n in numbers[:MAX_NAMED]]


def _json(text: str) -> Any:
    return json.loads(text.splitlines()[-1]) if text.strip() else {}
