"""A service's server process, as it is deployed, on the nodes of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.books import book_of, with_books
from shared.config import SERVICES
from tests.conftest import Database
from tests.waiting import eventually


def environment_of(database: Database, *services: str) -> dict[str, str]:
    """Return the environment of the process that serves some services, or books of the ledger."""
    settings = database.settings
    names = with_books(SERVICES, settings.books)
    return {
        **os.environ,
        **{
            f"SALDO_AMQP_URL_{service.upper()}": settings.amqp_url_of(service)
            for service in services
        },
        "SALDO_LEDGER_BOOKS": ",".join(map(book_of, settings.books)),
        "SALDO_SECRET": settings.secret.hex(),
        **{f"SALDO_DATABASE_URL_{name.upper()}": settings.database_url_of(name) for name in names},
        **{
            f"SALDO_KEYS_DATABASE_URL_{name.upper()}": settings.keys_database_url_of(name)
            for name in names
        },
    }


@dataclass
class ServiceProcess:
    """A running server; ``log`` is the file that it logs to."""

    process: subprocess.Popen[bytes]
    log: Path

    def has_logged(self, text: str) -> bool:
        """Return whether the log has a text."""
        return text in self.log.read_text(encoding="utf-8")


@contextmanager
def service_process(
    database: Database, service: str, log: Path, folder: Path | None = None, verb: str = "serve"
) -> Iterator[ServiceProcess]:
    """Run a server of a service, or a worker, for the length of a block; it must end well.

    ``service`` may name several, with spaces. It runs the code in a folder, if one is given.
    """
    ready = {"serve": "server_ready", "work": "worker_ready"}[verb]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "services", verb, *service.split()],
            env=environment_of(database, *service.split()),
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    running = ServiceProcess(process, log)
    try:
        eventually(
            lambda: process.poll() is not None or running.has_logged(ready),
            "the process is ready",
        )
        assert process.poll() is None, log.read_text(encoding="utf-8")
        yield running
    finally:
        process.terminate()
        code = process.wait(timeout=20)
    assert code == 0
