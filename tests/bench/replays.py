"""Full replay: beside the same sums in SQL, beside the library's get, and by parallel workers."""

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
from services.ledger.replay.audit import audit
from services.ledger.replay.parallel import gc_disabled, quiet, stream_ranges
from services.ledger.replay.rebuild import rebuild
from services.ledger.replay.sql_balances import aggregate
from services.ledger.replay.streams import SMALLEST_RANGES, account_streams
from tests.bench.company import Bench, library, populate, resident
from tests.bench.measure import Result, compare, seconds

ACCOUNTS = 5_000
ACCOUNTS_REPLAYED_IN_PARALLEL = 10_000
LIBRARY_ACCOUNTS = 200
MONTHS = 12


class LibraryAccount(LibraryAggregate):
    """The same account, written as in the library's documentation."""

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
    """Measure a replay in one process beside SQL, and check that both agree."""
    progress("replay: writing the log")
    count = populate(bench, resident(MONTHS), ACCOUNTS)
    principals: dict[str, dict[object, int]] = {}

    def in_python() -> None:
        principals["python"] = dict(bench.store.query(_replay))

    def in_sql() -> None:
        rows = bench.store.query(lambda session: _aggregate_in_one_process(session.cursor))
        principals["sql"] = {id_: row["principal"] for id_, row in rows.items()}

    result = compare(
        "full replay (Python, one process)",
        "events/s",
        count,
        lambda: seconds(in_python),
        "SQL aggregation of the same log, one process",
        lambda: seconds(in_sql),
        target=1.2,
        progress=progress,
    )
    if principals["python"] != principals["sql"] or len(principals["sql"]) != ACCOUNTS:
        raise RuntimeError("the replay and the aggregation disagree: the result is invalid")
    return result


def beside_get(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Measure the same replay beside the library's ``repository.get``, same events."""
    progress("replay: writing the log")
    pattern = resident(MONTHS)
    events: list[Any] = list(pattern.pending)
    principal = pattern.principal
    count = populate(bench, pattern, ACCOUNTS)
    application = library(bench)
    ids = []
    for index in range(LIBRARY_ACCOUNTS):
        account = _library_account(events, f"{index:010}")
        application.save(account)
        ids.append(account.id)

    def ours() -> None:
        _check(owed == principal for owed in bench.store.query(_replay).values())

    def theirs() -> None:
        found: list[Any] = [application.repository.get(id_) for id_ in ids]
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
    application.close()
    return result


def replay_all(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Measure ``replay --all`` by a worker per core, beside one worker."""
    progress("replay: writing the log")
    events = populate(bench, resident(MONTHS), ACCOUNTS_REPLAYED_IN_PARALLEL)
    workers = len(os.sched_getaffinity(0))

    def replay_with(count: int) -> None:
        rebuilt = rebuild(bench.store, workers=count)
        _check([rebuilt.events == events, not any(rebuilt.wrong.values())])

    return compare(
        f"replay --all, {workers} workers (start included)",
        "events/s",
        events,
        lambda: seconds(partial(replay_with, workers)),
        "the same, 1 worker",
        lambda: seconds(partial(replay_with, 1)),
        progress=progress,
    )


def audit_log(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Measure an audit by one process, for each event of the log."""
    progress("audit: writing the log")
    count = populate(bench, resident(MONTHS), ACCOUNTS)

    def ours() -> None:
        report = audit(bench.store, workers=1)
        _check([report.events == count, not report.differences])

    def in_sql() -> None:
        bench.store.query(lambda session: _aggregate_in_one_process(session.cursor))

    return compare(
        "audit, 1 worker: replay, SQL and read model",
        "events/s",
        count,
        lambda: seconds(ours),
        "SQL aggregation of the same log, one process",
        lambda: seconds(in_sql),
        progress=progress,
    )


def _replay(session: Any) -> dict[UUID, int]:
    """Read and replay every account as audit, rebuild and accrual do; return what each owes."""
    principals: dict[UUID, int] = {}
    # As parallel workers do: a range of the log is sorted by streams in memory.
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


def _aggregate_in_one_process(cursor: Any) -> dict[Any, dict[str, Any]]:
    cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
    return aggregate(cursor)


def _library_account(events: list[Any], number: str) -> LibraryAccount:
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
        raise RuntimeError("a replay is wrong: the result is invalid")
