"""Codes that go out while the letters of a billing run wait, over SMTP to a process of its own.

The outbox is filled with bulk letters; the delivery of a worker sends them over its connections, as
in an installation, while a code is asked for every quarter of a second. The owners of addresses and
facts answer at once. Measured is the time from the request of a code to the mail server's reply.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from services.discovery import open_store
from services.notifications.application import queue_letters
from services.notifications.requests import LetterRequest
from services.notifications.tasks import tasks
from shared import context
from shared.config import Settings
from shared.contracts.notifications import LetterKind
from shared.eventstore.postgres import PostgresStore
from tests.bench.company import Bench
from tests.bench.mailings import LETTERS, notifications_database
from tests.bench.measure import Result, seconds
from tests.mail_catcher import running_mail_catcher

AT_ONCE = 1000
CODES = 40
CODE_EVERY_S = 0.25
POLL_S = 0.005


@dataclass
class _Services:
    """What the tasks get of their worker: the real store, and owners that answer at once."""

    settings: Settings
    store: PostgresStore
    stop: threading.Event = field(default_factory=threading.Event)
    appended: threading.Event = field(default_factory=threading.Event)

    def call(self, service: str, method: str, *, deadline: float = 5.0, **asked: Any) -> Any:
        match method:
            case "contacts":
                anybody = {"email": "somebody@example.org", "language": "ru"}
                return {"contacts": dict.fromkeys(asked["person_ids"], anybody)}
            case "readers":
                return {"readers": {one: [str(UUID(int=int(one)))] for one in asked["accounts"]}}
            case "open_debts":
                debt = {"period": "2026-03", "due_on": "2026-04-10", "amount": 450_000}
                return {"accounts": {account: [debt] for account in asked["accounts"]}}
        code = {"code": "493027", "valid_minutes": 15, "language": "ru"}
        return {"kind": "code", "email": "somebody@example.org", **code}

    @contextmanager
    def delivering(self) -> Iterator[None]:
        """Let the tasks of a worker process run during a block."""
        self.stop.clear()
        threads = [
            threading.Thread(target=task.run, args=(self,), name=task.name)
            for task in tasks(self.settings)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()

    def fill(self, letters: int) -> None:
        """Queue the letters of a billing run."""
        for first in range(1, letters + 1, AT_ONCE):
            places = range(first, min(first + AT_ONCE, letters + 1))
            self.store.transact(queue_letters, [_bill(place) for place in places])

    def waits(self) -> list[float]:
        """Return how long each of some codes took to the mail server's reply."""
        waits = []
        for _ in range(CODES):
            waits.append(seconds(self._one_code))
            time.sleep(CODE_EVERY_S)
        return waits

    def _one_code(self) -> None:
        letter_id = uuid4()
        code = LetterRequest(
            letter_id=letter_id,
            kind=LetterKind.REGISTRATION_CODE,
            refs={"registration_id": str(letter_id)},
        )
        self.store.transact(queue_letters, [code])
        while self._count("WHERE letter_id = %s", letter_id):
            time.sleep(POLL_S)

    def waiting(self) -> int:
        """Return how many letters wait."""
        return self._count("")

    def _count(self, condition: str, *values: Any) -> int:
        with self.store.transaction() as cursor:
            query = f"SELECT count(*) AS n FROM outbox {condition}"
            return int(cursor.execute(query, values).fetchone()["n"])


def letters(bench: Bench, progress: Callable[[str], None]) -> list[Result]:
    """Measure codes with nothing else queued, and beside the letters of a billing run."""
    with (
        tempfile.TemporaryDirectory() as folder,
        notifications_database(bench.settings) as base,
        running_mail_catcher(Path(folder)) as catcher,
        context.bind(actor="service:notifications"),
    ):
        settings = replace(base, smtp_url=catcher.url)
        services = _Services(settings, open_store("notifications", settings, pool_size=16))
        progress("codes, nothing else queued")
        with services.delivering():
            alone = services.waits()
        progress(f"queueing {LETTERS:,} letters")
        services.fill(LETTERS)
        progress(f"codes, {LETTERS:,} letters queued")
        began = time.perf_counter()
        with services.delivering():
            beside = services.waits()
            sent = LETTERS - services.waiting()
            took = time.perf_counter() - began
        services.store.close()
    return [
        _waited(
            f"a code beside {LETTERS:,} bulk letters, median", statistics.median, beside, alone
        ),
        _waited(f"a code beside {LETTERS:,} bulk letters, longest", max, beside, alone),
        Result(
            name="bulk letters sent meanwhile, by one worker process",
            unit="letters/s",
            ours=sent / took,
            reference_name="codes asked for",
            reference=CODES / took,
            ratio=sent / CODES,
            target=None,
        ),
    ]


def _waited(
    name: str, of: Callable[[list[float]], float], beside: list[float], alone: list[float]
) -> Result:
    return Result(
        name=f"{name}: from its request to the mail server's reply",
        unit="ms",
        ours=of(beside) * 1_000,
        reference_name="the same, nothing else queued",
        reference=of(alone) * 1_000,
        ratio=of(beside) / of(alone),
        target=None,
    )


def _bill(place: int) -> LetterRequest:
    return LetterRequest(
        letter_id=uuid4(),
        kind=LetterKind.BILL_READY,
        person_id=UUID(int=place),
        refs={"mailing_id": "bench", "period": "2026-03", "accounts": [f"{place:010}"]},
    )
