"""Appends: one by one beside the library's save, in bulk beside raw COPY of the same bytes."""

from __future__ import annotations

from collections.abc import Callable

from eventsourcing.domain import Aggregate as LibraryAggregate
from eventsourcing.domain import event as library_event

from services.ledger.application import OpenAccount, open_account
from shared import context
from shared.eventstore.copy_encoder import CopyEncoder
from shared.eventstore.recorder import _COLUMNS, Cause
from shared.ids import new_id
from tests.bench.company import Bench, billing_run, encoded_rows, library
from tests.bench.measure import Result, compare, seconds

ONE_BY_ONE = 400
BULK = 50_000


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
