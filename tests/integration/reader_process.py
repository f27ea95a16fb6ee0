"""Processes of payments that read the ledger, to be killed and stopped by tests."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from services.discovery import open_store
from shared.bus.listen import Listener
from shared.bus.worker import Worker
from shared.config import Settings
from tests.conftest import Database, role_of
from tests.integration.bus_ends import Calls

DEADLY = 666
"""The amount in kopecks of a payment that ends the process of its reader."""
SLOW = 777
"""The amount of a payment whose first reader does not come to an end of its transaction."""


def _read(settings: Settings, busy: Path) -> None:
    def note_process(session: Any, message: Any, services: Any) -> None:
        if message.data["amount"] == DEADLY:
            os._exit(9)
        session.cursor.execute(
            "INSERT INTO seen (position, process) VALUES (%s, %s)", (message.position, os.getpid())
        )
        if message.data["amount"] == SLOW and not busy.exists():
            busy.touch()
            threading.Event().wait()

    payments, ledger = open_store("payments", settings), open_store("ledger", settings)
    worker, calls = Worker(), Calls(settings, payments, ledger)
    listener = Listener(calls, payments, "ledger", {"payment_posted": note_process}, worker.stop)
    worker.start("listener", listener.run)
    worker.wait()


@contextmanager
def reader_process(database: Database, busy: Path) -> Iterator[BaseProcess]:
    """Run a reader in a process of its own for the length of a block.

    The file ``busy`` is made once it is in the middle of a reaction to a slow payment.
    """
    spawning = multiprocessing.get_context("spawn")
    process = spawning.Process(target=_read, args=(database.settings, busy))
    process.start()
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.kill(process.pid or 0, signal.SIGKILL)
        process.join()


def with_processes(database: Database) -> None:
    """Make the table of which process has handled what."""
    with database.owner("payments") as owner:
        owner.execute("CREATE TABLE seen (id bigserial, position bigint, process bigint)")
        owner.execute(f"GRANT SELECT, INSERT ON seen TO {role_of('payments')}")
        owner.execute(f"GRANT USAGE ON seen_id_seq TO {role_of('payments')}")


def handled_by(database: Database) -> dict[int, int]:
    """Return which process has handled which position; fails for one that was handled twice."""
    with database.owner("payments") as owner:
        rows = owner.execute("SELECT position, process FROM seen ORDER BY id").fetchall()
    found = {row[0]: row[1] for row in rows}
    assert len(found) == len(rows), "an event was handled twice"
    return found
