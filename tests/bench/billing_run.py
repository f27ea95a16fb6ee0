"""A billing run: a bill of eight lines for every account, into the log and the read model.

Beside raw COPY of the same events into a table with the same indexes, and beside the library's
`save`, one bill after another. The import from a file is in :mod:`tests.bench.billing_file`.
"""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate as LibraryAggregate
from eventsourcing.domain import event as library_event

from services.ledger.domain import Account, account_id
from services.ledger.domain.events import ChargesPosted
from services.ledger.importing.charges import Bill, Charges
from services.ledger.importing.chunks import Chunk
from services.ledger.importing.journal import ResumePoint
from services.ledger.importing.kinds import open_source
from services.ledger.importing.repeats import Repeats
from services.ledger.importing.run import Run
from services.ledger.tables.bulk_copy import write_balances
from shared.eventstore.copy_encoder import CopyEncoder
from shared.eventstore.recorder import _COLUMNS, Cause
from shared.ids import new_id
from tests.bench.company import LINES, Bench, encoded_rows
from tests.bench.measure import Result, compare, seconds

BILLS = 200_000
BILLS_BESIDE_SAVE = 50_000
ONE_BY_ONE = 500
OPENED_AT_ONCE = 20_000
DAY = date(2025, 1, 28)
HEADER = "account;period;due_on;effective_on;service;name;unit;tariff;volume;charged\n"


class LibraryAccount(LibraryAggregate):
    """An account with its bills, written as in the library's documentation."""

    @library_event("Opened")
    def __init__(self, number: str) -> None:
        self.number = number
        self.bills: dict[str, list[dict[str, Any]]] = {}

    @library_event("Charged")
    def charge(self, period: str, lines: list[dict[str, Any]]) -> None:
        """Post a bill."""
        self.bills[period] = lines


class _FromMemory(Run[Bill]):
    """An import run whose bills are already in memory."""

    bills: Sequence[Bill]

    def _chunks(
        self, resume: ResumePoint | None, at_once: int | None = None
    ) -> Iterator[Chunk[Bill]]:
        size = at_once or Charges.at_once
        for number, first in enumerate(range(0, len(self.bills), size)):
            chunk = Chunk[Bill](number, first, first)
            for bill in self.bills[first : first + size]:
                chunk.add(bill)
            yield chunk


def billing_run(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Measure bills to a committed log, read model and journal, beside raw COPY of the log.

    The reference table has the log's indexes but starts empty; ours already has the accounts.
    """
    with bench.as_owner() as owner:
        owner.execute("CREATE TABLE IF NOT EXISTS raw_events (LIKE events INCLUDING ALL)")
        owner.execute("GRANT SELECT, INSERT ON raw_events TO saldo_bench")
    bills = bills_of(BILLS)
    blocks = _copied(bench, bills)

    def raw() -> float:
        with bench.as_owner() as owner:
            owner.execute("TRUNCATE raw_events")

        def copy() -> None:
            with (
                bench.store.pool.connection() as connection,
                connection.cursor() as cursor,
                cursor.copy(f"COPY raw_events ({_COLUMNS}) FROM STDIN (FORMAT BINARY)") as writing,
            ):
                for block in blocks:
                    writing.write(block)

        return seconds(copy)

    with _inputs_frozen():
        return compare(
            "billing run, bills of 8 lines, with the read model",
            "bills/s",
            BILLS,
            lambda: post(bench, bills),
            "raw COPY of the same events",
            raw,
            target=0.35,
            progress=progress,
        )


def beside_save(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Measure the same beside the library's save, one bill after another, event alone."""
    bills = bills_of(BILLS_BESIDE_SAVE)
    library = _library(bench)
    accounts = [LibraryAccount(bill.account) for bill in bills[:ONE_BY_ONE]]
    lines = [[msgspec.structs.asdict(line) for line in bill.lines] for bill in bills[:ONE_BY_ONE]]
    library.save(*accounts)

    def one_by_one() -> None:
        for account, of_a_bill in zip(accounts, lines, strict=True):
            account.charge("2025-01", of_a_bill)
            library.save(account)

    with _inputs_frozen():
        result = compare(
            "billing run, bills of 8 lines, with the read model",
            "bills/s",
            BILLS_BESIDE_SAVE,
            lambda: post(bench, bills),
            "the library's save, one by one, event alone",
            lambda: seconds(one_by_one),
            reference_count=ONE_BY_ONE,
            target=20.0,
            progress=progress,
        )
    library.close()
    return result


def bills_of(count: int) -> list[Bill]:
    """Return a bill for each of a number of accounts, with differing sums."""
    return [_bill(index) for index in range(count)]


def post(bench: Bench, bills: Sequence[Bill]) -> float:
    """Return the seconds that posting these bills takes; their accounts are opened before."""
    open_accounts(bench, len(bills))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bills.csv"
        file.write_text(HEADER, encoding="utf-8")
        source, charges = open_source(file), Charges(bench.store.clock.today)
        repeats = Repeats(source, charges.name_by_key)
        run = _FromMemory(bench.store, source, charges, Path(folder) / "refused.csv", repeats)
        run.bills = bills
        run.journal.begin("staff:bench", "bench")

        def posting() -> None:
            posted = run.post(None, "staff:bench", lambda _: None).entries
            if posted != len(bills):
                raise RuntimeError(f"{posted} of {len(bills)} bills were posted")

        return seconds(posting)


def open_accounts(bench: Bench, count: int) -> None:
    """Empty the log and open a number of accounts; repeated calls restore them from a copy."""
    bench.reset()
    names = {table: f"opened_{table}_{count}" for table in ("events", "balances")}
    with bench.as_owner() as owner:
        row = owner.execute("SELECT to_regclass(%s)", (names["balances"],)).fetchone()
        is_copied = row is not None and row[0] is not None
        if not is_copied:
            _open(bench, count)
        for table, copy in names.items():
            owner.execute(
                f"INSERT INTO {table} TABLE {copy}"
                if is_copied
                else f"CREATE TABLE {copy} AS TABLE {table}"
            )
        owner.execute("VACUUM ANALYZE events, balances")


def _open(bench: Bench, count: int) -> None:
    for first in range(0, count, OPENED_AT_ONCE):
        with bench.store.session(Cause(new_id(), "staff:bench", "bench")) as session:
            accounts = []
            for index in range(first, min(first + OPENED_AT_ONCE, count)):
                account = Account(account_id(f"{index:010}"))
                account.open(f"{index:010}", "household", date(2025, 1, 1))
                accounts.append(account)
            rows = ((a.id, 1, a.take_pending()[0]) for a in accounts)
            session.copy_states(encoded_rows(bench.store, rows))
            write_balances(session.cursor, accounts)


def _copied(bench: Bench, bills: Sequence[Bill]) -> list[bytes]:
    """Return the bytes that posting these bills copies into the log."""
    cause, encode = Cause(new_id(), "staff:bench", "bench"), bench.store.events.encode
    events = (
        ChargesPosted(
            account=bill.account,
            period=bill.period,
            effective_on=bill.effective_on,
            due_on=bill.due_on,
            lines=bill.lines,
        )
        for bill in bills
    )
    rows = ((account_id(event.account), 2, event.topic, encode(event)) for event in events)
    encoder = CopyEncoder(0, datetime.now(UTC), cause.command_id, cause.actor, cause.correlation_id)
    return list(encoder.blocks(rows))


def _bill(index: int) -> Bill:
    lines = tuple(
        msgspec.structs.replace(line, payable=amount, charged=amount)
        for line in LINES
        for amount in (line.charged + index % 10_000,)
    )
    return Bill(
        bill_number="",
        row=index,
        last=index,
        start=index,
        end=index + 1,
        rows=len(lines),
        account=f"{index:010}",
        amount=sum(line.payable for line in lines),
        period="2025-01",
        due_on=DAY,
        effective_on=DAY,
        lines=lines,
        penalty=0,
    )


@contextmanager
def _inputs_frozen() -> Iterator[None]:
    """Exclude the benchmark's own inputs, a million objects, from garbage collection."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _library(bench: Bench) -> Application[Any]:
    parts = urlsplit(bench.settings.database_url)
    return Application(
        env={
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": parts.path[1:],
            "POSTGRES_HOST": str(parts.hostname),
            "POSTGRES_PORT": str(parts.port),
            "POSTGRES_USER": str(parts.username),
            "POSTGRES_PASSWORD": str(parts.password),
            "POSTGRES_SCHEMA": "public",
        }
    )
