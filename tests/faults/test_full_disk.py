"""A database without room left is unavailable, and goes on by itself once there is some."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.discovery import open_store
from services.ledger.application import (
    OpenAccount,
    PaidLine,
    PostPayment,
    open_account,
    post_payment,
)
from services.ledger.domain.events import ServiceAmount
from shared import context
from shared.errors import Unavailable
from shared.eventstore.postgres import PostgresStore
from tests.faults.private_postgres import PrivatePostgres
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

NUMBER = "0100000001"
DISK = "160m"
MOST_COMMANDS = 20_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("a small disk of its own needs root and mount")
    folder = tmp_path / "disk"
    folder.mkdir(mode=0o755)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0755", "saldo", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def server(disk: Path) -> Iterator[PrivatePostgres]:
    made = PrivatePostgres(disk)
    made.start({"max_wal_size": "32MB", "wal_recycle": "off"})
    made.migrate(made.settings(), ["ledger"])
    yield made
    made.stop()


def pay(store: PostgresStore, command_id: UUID) -> Any:
    line = PaidLine(account=NUMBER, amount=100, penalty=0)
    command = PostPayment(payment_id=command_id, paid_on=date(2026, 11, 1), lines=(line,))
    with context.bind(command_id=command_id):
        return store.execute(post_payment, command)


def fill(disk: Path) -> Path:
    """Leave no room on the disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as handle:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    handle.write(bytes(size))
            except OSError:
                continue
    return filler


def goes_on(server: PrivatePostgres) -> bool:
    """Return whether the server answers; started again, as a supervisor does, if it has ended."""
    if not server.is_running():  # it could not write its WAL
        server.start(wait=False)
    return server.answers()


def test_full_disk_is_unavailable_until_there_is_room(disk: Path, server: PrivatePostgres) -> None:
    store = open_store("ledger", server.settings(), pool_size=2)
    opening = (ServiceAmount("heating", 450_000_00),)
    store.execute(open_account, OpenAccount(number=NUMBER, payer_kind="household", opening=opening))
    filler = fill(disk)
    refused: dict[UUID, str] = {}
    posted = []
    for _ in range(MOST_COMMANDS):
        command_id = uuid4()
        try:
            pay(store, command_id)
        except Unavailable as error:
            refused[command_id] = error.code
            break
        posted.append(command_id)
    assert set(refused.values()) == {"database_unavailable"}
    filler.unlink()
    eventually(lambda: goes_on(server), "it goes on", 60)
    for command_id in refused:
        pay(store, command_id)
    with store.transaction() as cursor:
        cursor.execute("SELECT command_id FROM events")
        found = [row["command_id"] for row in cursor.fetchall()]
    for command_id in [*posted, *refused]:
        assert found.count(command_id) == 1
    store.close()
