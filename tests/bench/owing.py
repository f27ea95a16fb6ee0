"""Penalties and overdue debts: one account in fifty is overdue, and the log is three years long.

Both go over the accounts that owe. The reference goes over the log, as they did before: it only
decodes and replays it, by as many workers, and calculates nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from services.ledger.domain import Account, account_id
from services.ledger.penalties.accrual_run import accrue_all
from services.ledger.penalties.rules import load_rules
from services.ledger.replay.parallel import Progress, Range, quiet
from services.ledger.replay.streams import account_streams, over_streams
from services.ledger.reports.overdue import overdue_now
from tests.bench.company import COPIED, LINES, Bench, populate_with
from tests.bench.measure import Result, compare, seconds

ACCOUNTS = 2_500
ONE_IN = 50
OVERDUE = ACCOUNTS // ONE_IN
MONTHS = 36
UNPAID = 4
FIRST_YEAR = 2023
TODAY = date(2026, 1, 31)
BILL = LINES[2:6]
TARGET = 10.0
"""At most a tenth of the time."""


def of_those_who_owe(bench: Bench, progress: Callable[[str], None]) -> list[Result]:
    """Measure an accrual without writing and the list of overdue accounts."""
    progress("accounts that owe: writing the log")
    late = range(0, ACCOUNTS, ONE_IN)
    others = [index for index in range(ACCOUNTS) if index % ONE_IN]
    events = populate_with(bench, {_resident(): others, _resident(UNPAID): late})
    rules = load_rules(environ={})

    def accrue() -> float:
        def run() -> None:
            summary = accrue_all(bench.store, TODAY, rules, "staff:bench", dry_run=True)
            if summary.changed != OVERDUE:
                raise RuntimeError(f"the penalties of {summary.changed} accounts would change")

        return seconds(run)

    def list_overdue() -> float:
        def run() -> None:
            found = bench.store.query(lambda session: overdue_now(session, TODAY))
            if len(found.accounts) != OVERDUE:
                raise RuntimeError(f"{len(found.accounts)} accounts are overdue")

        return seconds(run)

    def over_the_log() -> float:
        def run() -> None:
            found = sum(over_streams(bench.store, owing_in_range, quiet))
            if found != OVERDUE:
                raise RuntimeError(f"{found} accounts of the log owe")

        return seconds(run)

    return [
        compare(
            f"{what}, {OVERDUE} of {ACCOUNTS:,} accounts overdue, {events:,} events",
            "accounts/s",
            ACCOUNTS,
            ours,
            "replay of the whole log",
            over_the_log,
            target=TARGET,
            progress=progress,
        )
        for what, ours in (("accrue --dry-run", accrue), ("overdue", list_overdue))
    ]


def owing_in_range(connection: Any, part: Range, progress: Progress) -> int:
    """Return how many accounts of a range owe, by their events."""
    found = 0
    for id_, events in account_streams(connection, part, progress):
        account = Account(id_)
        for event in events:
            account.replay(event)
        found += account.principal > 0
    return found


def _resident(unpaid: int = 0) -> Account:
    """Return an account that pays each bill on its due day, but for the last ones."""
    account = Account(account_id(COPIED))
    account.open(COPIED, "household", date(FIRST_YEAR, 1, 1))
    for month in range(MONTHS):
        billed = date(FIRST_YEAR + month // 12, month % 12 + 1, 20)
        due_on = billed + timedelta(days=10)
        account.post_charges(f"{billed:%Y-%m}", billed, due_on, BILL)
        if month < MONTHS - unpaid:
            account.post_payment(UUID(int=month + 1), due_on, account.principal, 0)
    return account
