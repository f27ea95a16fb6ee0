"""Full replay: beside the same sums in SQL, beside the library's get, and on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from eventsourcing.domain import Aggregate as LibraryAggregate
from eventsourcing.domain import event as library_event

from services.ledger.domain import Account
from services.ledger.domain.events import ChargesPosted, PaymentPosted
from services.ledger.replay.parallel import gc_disabled, quiet, stream_ranges
from services.ledger.replay.rebuild import rebuild
from services.ledger.replay.sql_balances import aggregate
from services.ledger.replay.streams import SMALLEST_RANGES, account_streams
from tests.bench.company import Bench, library, populate, resident
from tests.bench.measure import Result, compare, seconds

ACCOUNTS = 5_000
ACCOUNTS_ON_CORES = 10_000
ACCOUNTS_OF_THE_LIBRARY = 200
MONTHS = 12


class LibraryAccount(LibraryAggregate):
    """The same account as the library's documentation would have it written."""

    @library_event("Opened")
    def __init__(self, number: str, payer_kind: str, effective_on: str) -> None:
        self.number = number
        self.payer_kind = payer_kind
        self.effective_on = effective_on
        self.open_items: dict[str, dict[str, int]] = {}
        self.due_dates: dict[str, str] = {}

    @library_event("ChargesPosted")
    def post_charges(
        self, period: str, effective_on: str, due_on: str, lines: list[dict[str, Any]]
    ) -> None:
        self.due_dates[period] = due_on
        self.open_items[period] = {line["service"]: line["payable"] for line in lines}

    @library_event("PaymentPosted")
    def post_payment(
        self, payment_id: UUID, effective_on: str, amount: int, allocation: list[dict[str, Any]]
    ) -> None:
        for part in allocation:
            self.open_items[part["period"]][part["service"]] -= part["amount"]

    @property
    def principal(self) -> int:
        return sum(sum(owed.values()) for owed in self.open_items.values())


def replay(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Rebuild every balance twice, by one process each, and make sure that both agree."""
    progress("replay: writing the log")
    count = populate(bench, resident(MONTHS), ACCOUNTS)
    answers: dict[str, dict[object, int]] = {}

    def in_python() -> None:
        answers["python"] = dict(bench.store.query(_replay))

    def in_sql() -> None:
        rows = bench.store.query(lambda session: _aggregate_on_one_core(session.cursor))
        answers["sql"] = {id_: row["principal"] for id_, row in rows.items()}

    result = compare(
        "full replay (Python, one process)",
        "events/s",
        count,
        lambda: seconds(in_python),
        "SQL aggregation of the same log, one process",
        lambda: seconds(in_sql),
        wanted=1.2,
        progress=progress,
    )
    if answers["python"] != answers["sql"] or len(answers["sql"]) != ACCOUNTS:
        raise RuntimeError("the replay and the aggregation disagree: the figures mean nothing")
    return result


def beside_get(bench: Bench, progress: Callable[[str], None]) -> Result:
    """The same replay beside the library's ``repository.get`` of accounts with the same events."""
    progress("replay: writing the log")
    pattern = resident(MONTHS)
    events: list[Any] = list(pattern.pending)
    principal = pattern.principal
    count = populate(bench, pattern, ACCOUNTS)
    kept = library(bench)
    ids = []
    for index in range(ACCOUNTS_OF_THE_LIBRARY):
        account = _of_the_library(events, f"{index:010}")
        kept.save(account)
        ids.append(account.id)

    def ours() -> None:
        _check(owed == principal for owed in bench.store.query(_replay).values())

    def theirs() -> None:
        found: list[Any] = [kept.repository.get(id_) for id_ in ids]
        _check(account.principal == principal for account in found)

    result = compare(
        "full replay (Python, one process)",
        "events/s",
        count,
        lambda: seconds(ours),
        "the library's repository.get, same events",
        lambda: seconds(theirs),
        reference_count=len(ids) * len(events),
        progress=progress,
    )
    kept.close()
    return result


def on_cores(bench: Bench, progress: Callable[[str], None]) -> Result:
    """``replay --all``: read, replay, make the rows and compare them, on all cores and on one."""
    progress("replay: writing the log")
    count = populate(bench, resident(MONTHS), ACCOUNTS_ON_CORES)
    workers = len(os.sched_getaffinity(0))

    def on(processes: int) -> None:
        rebuilt = rebuild(bench.store, workers=processes)
        _check([rebuilt.events == count, not any(rebuilt.wrong.values())])

    return compare(
        f"replay --all, {workers} processes (start included)",
        "events/s",
        count,
        lambda: seconds(partial(on, workers)),
        "the same, 1 process",
        lambda: seconds(partial(on, 1)),
        progress=progress,
    )


def _replay(session: Any) -> dict[UUID, int]:
    """Read and replay every account as audit, rebuild and accrual do; return what each owes."""
    principals: dict[UUID, int] = {}
    # As a worker of theirs does: a range of the log is sorted by streams in memory.
    session.cursor.execute("SET LOCAL work_mem = '64MB'")
    session.cursor.execute("SET LOCAL jit = off")
    with gc_disabled():
        for part in stream_ranges(SMALLEST_RANGES):
            for id_, events in account_streams(session.cursor.connection, part, quiet):
                account = Account(id_)
                for event in events:
                    account.replay(event)
                principals[id_] = account.principal
    return principals


def _aggregate_on_one_core(cursor: Any) -> dict[Any, dict[str, Any]]:
    cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
    return aggregate(cursor)


def _of_the_library(events: list[Any], number: str) -> LibraryAccount:
    opened = events[0]
    account = LibraryAccount(number, opened.payer_kind, str(opened.effective_on))
    for event in events[1:]:
        if isinstance(event, ChargesPosted):
            lines = [_fields(line) for line in event.lines]
            account.post_charges(event.period, str(event.effective_on), str(event.due_on), lines)
        elif isinstance(event, PaymentPosted):
            allocation = [_fields(part) for part in event.allocation]
            account.post_payment(
                event.payment_id, str(event.effective_on), event.amount, allocation
            )
    return account


def _fields(struct: Any) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def _check(facts: Any) -> None:
    if not all(facts):
        raise RuntimeError("a replay is not what it should be: the figures mean nothing")
