"""A billing run: a bill of eight lines for every account, into the log and the read model.

Beside a raw COPY of the same events into a table with the same indexes, and beside the library's
`save`, one bill after another; and from a file, with the peak of memory for a small and a large
one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate as LibraryAggregate
from eventsourcing.domain import event as library_event

from services.ledger.bulk import write_balances
from services.ledger.domain import Account, account_id
from services.ledger.importing.charges import Bill, Charges
from services.ledger.importing.chunks import Chunk
from services.ledger.importing.journal import Past
from services.ledger.importing.run import Run
from services.ledger.importing.source import open_source
from shared.eventstore.recorder import _COLUMNS, Cause, _CopyEncoder
from shared.ids import new_id
from tests.bench.company import LINES, SERVICES_OF_A_BILL, Bench
from tests.bench.company import billing_run as events_of_a_billing_run
from tests.bench.measure import Result, compare, seconds

BILLS = 200_000
BILLS_BESIDE_SAVE = 50_000
ONE_BY_ONE = 300
SMALL_FILE, LARGE_FILE = 12_500, 125_000
"""Bills of the two files: a hundred thousand lines, and a million."""
DAY = date(2025, 1, 28)
HEADER = "account;period;due_on;effective_on;service;name;unit;tariff;volume;charged\n"


class LibraryAccount(LibraryAggregate):
    """An account with its bills, as the library's documentation would write it."""

    @library_event("Opened")
    def __init__(self, number: str) -> None:
        self.number = number
        self.bills: dict[str, list[dict[str, Any]]] = {}

    @library_event("Charged")
    def charge(self, period: str, lines: list[dict[str, Any]]) -> None:
        """Post a bill."""
        self.bills[period] = lines


class _FromMemory(Run[Bill]):
    """The run of an import whose bills have been read already."""

    bills: list[Bill]

    def _chunks(self, past: Past | None) -> Iterator[Chunk[Bill]]:
        for number, first in enumerate(range(0, len(self.bills), Charges.at_once)):
            chunk = Chunk[Bill](number, first, first)
            for bill in self.bills[first : first + Charges.at_once]:
                chunk.add(bill)
            yield chunk


def billing_run(bench: Bench, progress: Callable[[str], None]) -> Result:
    """From bills to a committed log, read model and journal, beside the bytes of the log alone."""
    cause, encode = Cause(new_id(), "staff:bench", "bench"), bench.store.events.encode
    with bench.as_owner() as owner:
        owner.execute("CREATE TABLE IF NOT EXISTS raw_events (LIKE events INCLUDING ALL)")
        owner.execute("GRANT SELECT, INSERT, TRUNCATE ON raw_events TO saldo_bench")
    blocks = list(
        _CopyEncoder(0, datetime.now(UTC), cause).blocks(
            (id_, version, event.topic, encode(event))
            for id_, version, event in events_of_a_billing_run(BILLS)
        )
    )
    bills = [_bill(index) for index in range(BILLS)]

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

    return compare(
        "billing run, bills of 8 lines, with the read model",
        "bills/s",
        BILLS,
        lambda: _post(bench, bills),
        "raw COPY of the same events",
        raw,
        wanted=0.35,
        progress=progress,
    )


def beside_save(bench: Bench, progress: Callable[[str], None]) -> Result:
    """The same beside the library's save of one bill after another, event alone."""
    bills = [_bill(index) for index in range(BILLS_BESIDE_SAVE)]
    library, lines = _library(bench), [_as_dict(line) for line in LINES]
    accounts = [LibraryAccount(f"{index:010}") for index in range(ONE_BY_ONE)]
    library.save(*accounts)

    def one_by_one() -> None:
        for account in accounts:
            account.charge("2025-01", lines)
            library.save(account)

    result = compare(
        "billing run, bills of 8 lines, with the read model",
        "bills/s",
        BILLS_BESIDE_SAVE,
        lambda: _post(bench, bills),
        "the library's save, one by one, event alone",
        lambda: seconds(one_by_one),
        reference_count=ONE_BY_ONE,
        wanted=20.0,
        progress=progress,
    )
    library.close()
    return result


def from_a_file(bench: Bench, progress: Callable[[str], None]) -> Result:
    """``saldo ledger import`` of a million lines: lines per second, beside a raw COPY of the file.

    The reference takes the very bytes of the file, a row for each line, into one text column.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = _write_file(Path(folder), LARGE_FILE)
        with bench.as_owner() as owner:
            owner.execute("CREATE TABLE IF NOT EXISTS raw_lines (line text)")

        def raw() -> float:
            with bench.as_owner() as owner:
                owner.execute("TRUNCATE raw_lines")
                return seconds(lambda: _copy_lines(owner, file))

        return compare(
            "import of a million lines from a file",
            "lines/s",
            LARGE_FILE * len(LINES),
            lambda: _import(bench, file, LARGE_FILE)[0],
            "raw COPY of the file's lines",
            raw,
            runs=3,
            progress=progress,
        )


def memory(bench: Bench, progress: Callable[[str], None]) -> Result:
    """The peak of memory of an import of a million lines, beside one of a hundred thousand."""
    with tempfile.TemporaryDirectory() as folder:
        peaks = []
        for bills in (SMALL_FILE, LARGE_FILE):
            progress(f"memory: a file of {bills} bills")
            peaks.append(_import(bench, _write_file(Path(folder), bills), bills)[1])
    small, large = peaks
    return Result(
        name="peak memory of an import, a million lines",
        unit="MiB",
        ours=large,
        reference_name="the same, a hundred thousand lines",
        reference=small,
        ratio=large / small,
        wanted=None,
    )


def _post(bench: Bench, bills: list[Bill]) -> float:
    _open_accounts(bench, len(bills))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bills.csv"
        file.write_text(HEADER, encoding="utf-8")
        run = _FromMemory(bench.store, open_source(file), Charges(), Path(folder) / "refused.csv")
        run.bills = bills
        run.journal.begin("staff:bench", "bench")

        def post() -> None:
            posted = run.post(None, "staff:bench", lambda _: None).entries
            if posted != len(bills):
                raise RuntimeError(f"{posted} of {len(bills)} bills were posted")

        return seconds(post)


def _import(bench: Bench, file: Path, accounts: int) -> tuple[float, float]:
    """Answer the seconds and the MiB that the command takes, from its start to its end."""
    _open_accounts(bench, accounts)
    command = [sys.executable, "-m", "services.cli", "ledger", "import", str(file)]
    environment = {
        **os.environ,
        "SALDO_DATABASE_URL": bench.settings.database_url,
        "SALDO_DATABASE_URL_LEDGER": bench.settings.database_url_of("ledger"),
        "SALDO_AMQP_URL": bench.settings.amqp_url,
        "SALDO_SECRET": bench.settings.secret.hex(),
    }
    usage: list[Any] = []

    def run() -> None:
        process = subprocess.Popen(
            [*command, "--actor", "bench", "--reason", "bench"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"the import ended with exit code {process.returncode}")
        usage.append(used)

    took = seconds(run)
    return took, usage[0].ru_maxrss / 1024


def _open_accounts(bench: Bench, count: int) -> None:
    bench.reset()
    with bench.store.session(Cause(new_id(), "staff:bench", "bench")) as session:
        accounts = []
        for index in range(count):
            account = Account(account_id(f"{index:010}"))
            account.open(f"{index:010}", "household", date(2025, 1, 1))
            accounts.append(account)
        session.copy_events((a.id, 1, a.take_pending()[0]) for a in accounts)
        write_balances(session.cursor, accounts)
    with bench.as_owner() as owner:
        owner.execute("VACUUM ANALYZE events, balances")


def _bill(index: int) -> Bill:
    return Bill(
        row=index,
        last=index,
        start=index,
        end=index + 1,
        rows=len(LINES),
        account=f"{index:010}",
        amount=sum(line.payable for line in LINES),
        period="2025-01",
        due_on=DAY,
        effective_on=DAY,
        lines=LINES,
        penalty=0,
    )


def _write_file(folder: Path, bills: int) -> Path:
    file = folder / f"{bills}.csv"
    with file.open("w", encoding="utf-8") as writing:
        writing.write(HEADER)
        for index in range(bills):
            for code, name, amount, unit, tariff, volume in SERVICES_OF_A_BILL:
                charged = amount + index % 10_000
                writing.write(
                    f"{index:010};2025-01;{DAY};{DAY};{code};{name};{unit};{tariff};{volume};"
                    f"{charged // 100},{charged % 100:02}\n"
                )
    return file


def _copy_lines(owner: Any, file: Path) -> None:
    with (
        owner.cursor() as cursor,
        file.open("rb") as reading,
        cursor.copy("COPY raw_lines FROM STDIN") as copy,
    ):
        while block := reading.read(1 << 16):
            copy.write(block)


def _as_dict(line: Any) -> dict[str, Any]:
    return {name: getattr(line, name) for name in line.__struct_fields__}


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
