"""A complete installation on the nodes of the test run, with the demo company loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from deploy.demo.loading import load
from deploy.embedded import process
from deploy.embedded.installation import Installation
from shared.config import Settings
from tests.nodes import ANY_PORTS, broker_environment

PROCESSES = ("serve", "work", "seal", "gateway", "acquirer", "yookassa", "ofd", "mailcatcher")


@contextmanager
def demo_installation(settings: Settings, folder: Path, **overrides: str) -> Iterator[Installation]:
    """Run all processes on a fresh database; the environment is that of `.saldo/env`.

    Two simulated banks take payments, unless SALDO_ACQUIRERS names the first one alone.
    """
    given = {
        **overrides,
        "SALDO_DATABASE_URL": settings.database_url,
        "SALDO_KEYS_DATABASE_URL": settings.keys_database_url,
        **broker_environment(settings),
        "SALDO_STAFF_DATABASE_URL": settings.staff_database_url,
        "SALDO_STAFF_KEYS_DATABASE_URL": settings.staff_keys_database_url,
        "SALDO_STAFF_AMQP_URL": settings.staff_amqp_url,
    }
    for service, url in settings.database_urls.items():
        given[f"SALDO_DATABASE_URL_{service.upper()}"] = url
    for service, url in settings.keys_database_urls.items():
        given[f"SALDO_KEYS_DATABASE_URL_{service.upper()}"] = url
    # A machine that runs tests may be busy: what a page does without a read has tests of its own.
    given.setdefault("SALDO_PAGE_READ_SECONDS", "10")
    documents = folder / "documents"
    documents.mkdir(parents=True)
    given["SALDO_DOCUMENTS"] = str(documents)
    installation = Installation(folder, given, owner=process.myself(), ports=ANY_PORTS)
    with pytest.MonkeyPatch.context() as patched:
        try:
            one_bank = "SALDO_ACQUIRERS" in overrides
            installation.up([name for name in PROCESSES if name != "yookassa" or not one_bank])
            for name, value in installation.environment.items():
                patched.setenv(name, value)
            assert load(settings.database_url, Console(quiet=True))
            yield installation
        finally:
            installation.down()
