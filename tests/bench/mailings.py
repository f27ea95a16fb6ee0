"""Letters of a billing run: how fast they are queued, in how much memory, and what a code waits.

The job finds the persons and queues their letters as in an installation; the ledger and accounts
answer at once (``mailing_process.py``). The reference copies the rows that this leaves in the
database into tables with the same indexes: the least that a database must do for them. Meanwhile
a code is queued every half second, and claimed as delivery claims it.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from psycopg import sql

from services.discovery import migrations_of, open_store
from services.notifications.application import (
    ClaimLetters,
    MarkSent,
    claim_letters,
    mark_sent,
    queue_letters,
)
from services.notifications.requests import Lane, LetterRequest
from shared import context
from shared.config import Settings
from shared.contracts.notifications import LetterKind
from shared.eventstore.migrations import migrate
from shared.eventstore.postgres import PostgresStore
from tests.bench import raw_copy
from tests.bench.company import Bench
from tests.bench.measure import Result, compare, seconds

LETTERS = int(os.environ.get("SALDO_BENCH_LETTERS", "100000"))
"""Letters of a run; a million takes ten times as long, and as much memory."""
SMALL = 10_000
TABLES = ("events", "letters", "outbox")
CODE_EVERY_S = 0.5


def mailings(bench: Bench, progress: Callable[[str], None]) -> list[Result]:
    """Measure runs beside raw COPY of their rows, their memory, and the codes beside them."""
    peaks: list[float] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        notifications_database(bench.settings) as settings,
    ):
        codes = _Codes(settings)

        def ours() -> float:
            empty(settings)
            with codes.coming():
                took, peak = _mail(settings, LETTERS)
            peaks.append(peak)
            _dump(settings, Path(folder))
            return took

        queued = compare(
            f"{LETTERS:,} letters of a billing run found and queued, a code each half second",
            "letters/s",
            LETTERS,
            ours,
            "raw COPY of the rows that it leaves",
            lambda: _copied(settings, Path(folder)),
            runs=3 if LETTERS <= 100_000 else 1,
            progress=progress,
        )
        beside = max(codes.waited)
        empty(settings)
        small = _mail(settings, SMALL)[1]
        codes.waited.clear()
        with codes.coming():
            time.sleep(20 * CODE_EVERY_S)
        codes.close()
    return [
        queued,
        Result(
            name=f"peak memory of a mailing, {LETTERS:,} letters (flat: 1.00)",
            unit="MiB",
            ours=max(peaks),
            reference_name=f"the same, {SMALL:,}",
            reference=small,
            ratio=max(peaks) / small,
            target=None,
        ),
        Result(
            name="longest wait of a code from its request to its claim, beside the run",
            unit="ms",
            ours=beside * 1_000,
            reference_name="the same, nothing else queued",
            reference=max(codes.waited) * 1_000,
            ratio=beside / max(codes.waited),
            target=None,
        ),
    ]


class _Codes:
    """Codes that are asked for now and then, and how long each has waited to be claimed."""

    def __init__(self, settings: Settings) -> None:
        self._store: PostgresStore = open_store("notifications", settings)
        self._letter_id = uuid4()
        self.waited: list[float] = []

    @contextmanager
    def coming(self) -> Iterator[None]:
        """Ask for codes while the block runs."""
        stop = Event()

        def ask_for_codes() -> None:
            with context.bind(actor="service:notifications"):
                while not stop.wait(CODE_EVERY_S):
                    self.waited.append(seconds(self._claim_one))
                    self._send_it()

        asking = Thread(target=ask_for_codes)
        asking.start()
        try:
            yield
        finally:
            stop.set()
            asking.join()

    def _claim_one(self) -> None:
        request = LetterRequest(
            letter_id=self._letter_id,
            kind=LetterKind.REGISTRATION_CODE,
            refs={"registration_id": str(uuid4())},
        )
        self._store.transact(queue_letters, [request])
        command = ClaimLetters(claim=uuid4(), lowest=Lane.BULK, limit=10)
        [claimed] = self._store.transact(claim_letters, command)
        if claimed.letter_id != self._letter_id:
            raise RuntimeError("another letter came before the code")

    def _send_it(self) -> None:
        sent = MarkSent(letter_id=self._letter_id, message_id="<1@example.org>", attempts=1)
        self._store.transact(mark_sent, sent)
        self._letter_id = uuid4()

    def close(self) -> None:
        self._store.close()


@contextmanager
def notifications_database(base: Settings) -> Iterator[Settings]:
    """Make a database with the schema of notifications for the length of a block."""
    name = f"saldo_bench_{secrets.token_hex(4)}"
    parts = urlsplit(base.database_url)
    host = parts.netloc.rpartition("@")[2]
    settings = replace(
        base,
        database_url=urlunsplit(parts._replace(path=f"/{name}")),
        database_urls={
            "notifications": f"postgresql://saldo_bench_letters:bench@{host}/{name}",
        },
    )
    with psycopg.connect(base.database_url, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        migrate(
            settings.database_url,
            "notifications",
            settings.database_url_of("notifications"),
            migrations_of("notifications"),
        )
        yield settings
        owner.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _as_owner(settings: Settings) -> psycopg.Connection[Any]:
    return psycopg.connect(
        settings.database_url, autocommit=True, options="-c search_path=notifications"
    )


def empty(settings: Settings) -> None:
    with _as_owner(settings) as owner:
        owner.execute("ALTER TABLE events DISABLE TRIGGER USER")
        owner.execute(f"TRUNCATE {', '.join(TABLES)}, mailings, mailing_lines")
        owner.execute("UPDATE noted_imports SET position = 0")
        owner.execute("ALTER TABLE events ENABLE TRIGGER USER")


def _mail(settings: Settings, letters: int) -> tuple[float, float]:
    """Return the seconds of a mailing, and the peak MiB of its process."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.mailing_process", str(letters)],
        env={
            **os.environ,
            "SALDO_DATABASE_URL_NOTIFICATIONS": settings.database_url_of("notifications"),
            "SALDO_SECRET": settings.secret.hex(),
            "SALDO_REMIND_DAYS": "0",
            "SALDO_OVERDUE_DAYS": "0",
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    took, peak = done.stdout.splitlines()[-1].split()
    return float(took), int(peak) / 1024


def _dump(settings: Settings, folder: Path) -> None:
    with _as_owner(settings) as owner:
        raw_copy.dump(owner, TABLES, folder)


def _copied(settings: Settings, folder: Path) -> float:
    with _as_owner(settings) as owner:
        return raw_copy.copied(owner, TABLES, folder)
