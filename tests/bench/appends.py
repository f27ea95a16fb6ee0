"""Appends: one by one beside the library's save, in bulk beside raw COPY of the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Barrier, Thread
from typing import Any

import psycopg
from eventsourcing.domain import Aggregate as LibraryAggregate
from eventsourcing.domain import event as library_event
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from services.ledger.application import OpenAccount, open_account
from shared import context
from shared.eventstore.copy_encoder import CopyEncoder
from shared.eventstore.recorder import _COLUMNS, Cause, PostgresRecorder, Tail
from shared.ids import new_id
from tests.bench.company import Bench, billing_run, encoded_rows, library
from tests.bench.measure import Result, compare, seconds

ONE_BY_ONE = 400
BULK = 50_000
CONNECTIONS, EACH = 12, 100


class LibraryAccount(LibraryAggregate):
    """The same account opening, written as in the library's documentation."""

    @library_event("Opened")
    def __init__(self, number: str, payer_kind: str, effective_on: str) -> None:
        self.number = number
        self.payer_kind = payer_kind
        self.effective_on = effective_on


def one_by_one(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Measure one transaction per command, with read model; the library writes only the event."""
    saving = library(bench)
    bench.reset()

    def ours() -> None:
        for _ in range(ONE_BY_ONE):
            with context.bind(command_id=new_id(), actor="staff:bench"):
                bench.store.execute(
                    open_account, OpenAccount(number=new_id().hex, payer_kind="household")
                )

    def theirs() -> None:
        for _ in range(ONE_BY_ONE):
            saving.save(LibraryAccount(new_id().hex, "household", "2025-01-01"))

    result = compare(
        "appends one by one, with command id and read model",
        "commands/s",
        ONE_BY_ONE,
        lambda: seconds(ours),
        "the library's save, event alone",
        lambda: seconds(theirs),
        progress=progress,
    )
    saving.close()
    return result


def bulk(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Measure domain events to a committed log, beside the encoded bytes alone."""
    rows = billing_run(BULK, version=1)
    encode = bench.store.events.encode
    cause = Cause(new_id(), "staff:bench", "bench")
    with bench.as_owner() as owner:
        owner.execute("CREATE TABLE raw (LIKE events INCLUDING ALL)")
        owner.execute("GRANT SELECT, INSERT, TRUNCATE ON raw TO saldo_bench")
        row = owner.execute("SELECT clock_timestamp()").fetchone()
    if row is None:
        raise RuntimeError("the database has no clock")
    encoded = [(id_, version, event.topic, encode(event)) for id_, version, event in rows]
    encoder = CopyEncoder(0, row[0], cause.command_id, cause.actor, cause.correlation_id)
    blocks = list(encoder.blocks(encoded))

    def ours() -> float:
        bench.reset()

        def append() -> None:
            with bench.store.session(cause) as session:
                session.copy_states(encoded_rows(bench.store, rows))

        return seconds(append)

    def raw() -> float:
        with bench.as_owner() as owner:
            owner.execute("TRUNCATE raw")

        def copy() -> None:
            with (
                bench.store.pool.connection() as connection,
                connection.cursor() as cursor,
                cursor.copy(f"COPY raw ({_COLUMNS}) FROM STDIN (FORMAT BINARY)") as writing,
            ):
                for block in blocks:
                    writing.write(block)

        return seconds(copy)

    return compare(
        "appends in bulk (COPY path), bills of 8 lines",
        "events/s",
        BULK,
        ours,
        "raw COPY of the same bytes",
        raw,
        target=0.5,
        progress=progress,
    )


def at_once(bench: Bench, progress: Callable[[str], None]) -> list[Result]:
    """Measure appends of many connections, each with its commit, beside those that notify nobody.

    While the relay is awake, and while it is asleep.
    """
    results = []
    for name, awake in (("an awake relay", True), ("a sleeping relay", False)):
        bench.reset()
        with _relay(bench, awake=awake):
            results.append(
                compare(
                    f"appends of {CONNECTIONS} connections, beside {name}",
                    "appends/s",
                    CONNECTIONS * EACH,
                    lambda: seconds(lambda: _append_at_once(bench, bench.store.recorder)),
                    "the same without a notification",
                    lambda: seconds(lambda: _append_at_once(bench, Unheard(bench.store.pool))),
                    target=1.0 if awake else None,
                    progress=progress,
                )
            )
    return results


class Unheard(PostgresRecorder):
    """Appends without telling anybody."""

    def __init__(self, pool: ConnectionPool[Any]) -> None:
        super().__init__(pool, "ledger")

    def lock_tail(self, cursor: Any) -> Tail:
        """Take the append lock, and return the end of the log."""
        self.lock(cursor)
        row = cursor.execute(
            "SELECT coalesce(max(notification_id), 0) AS position, greatest(clock_timestamp(),"
            " max(recorded_at)) AS recorded_at FROM (SELECT notification_id, recorded_at FROM"
            " events ORDER BY notification_id DESC LIMIT 1) AS tail"
        ).fetchone()
        return Tail(row["position"], row["recorded_at"])


@contextmanager
def _relay(bench: Bench, *, awake: bool) -> Iterator[None]:
    """Hold what an awake relay holds, or listen as one that is asleep."""
    with psycopg.connect(bench.settings.database_url_of("ledger"), autocommit=True) as relay:
        relay.execute(f"LISTEN {bench.store.recorder.channel}")
        if awake:
            lock = (bench.store.recorder.awake,)
            relay.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", lock)
        yield


def _append_at_once(bench: Bench, recorder: PostgresRecorder) -> None:
    url = bench.settings.database_url_of("ledger")
    cause = Cause(new_id(), "staff:bench", "bench")
    ready = Barrier(CONNECTIONS)

    def append() -> None:
        with psycopg.connect(url, row_factory=dict_row, options="-c search_path=ledger") as made:
            cursor = made.cursor()
            ready.wait()
            for _ in range(EACH):
                recorder.append(cursor, [(new_id(), 1, "ledger.bench.1", b"{}")], [cause])
                made.commit()

    threads = [Thread(target=append) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
