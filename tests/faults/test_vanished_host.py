"""A host that vanishes from the network without a word frees its locks within seconds."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from deploy.embedded.surroundings import REPOSITORY
from tests.faults.private_postgres import PrivatePostgres
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

LOCK = "ledger.relay"
FREED_WITHIN_S = 20.0
"""Five seconds of silence, three probes, and some for a busy machine; not two hours."""
_TRY = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@dataclass(frozen=True)
class Host:
    """A host of its own: a network namespace, its link, and the address of this machine there."""

    name: str
    link: str
    server_address: str


@pytest.fixture
def host() -> Iterator[Host]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("a network namespace needs root and iproute2")
    tail = secrets.token_hex(3)
    net = f"10.{200 + secrets.randbelow(50)}.{secrets.randbelow(250)}"
    made = Host(f"saldo-{tail}", f"sal{tail}", f"{net}.1")
    try:
        ip("netns", "add", made.name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespace can be made here: {error.stderr.strip()}")
    try:
        ip("link", "add", made.link, "type", "veth", "peer", "name", "inside", "netns", made.name)
        ip("addr", "add", f"{made.server_address}/24", "dev", made.link)
        ip("link", "set", made.link, "up")
        ip("-n", made.name, "addr", "add", f"{net}.2/24", "dev", "inside")
        ip("-n", made.name, "link", "set", "inside", "up")
        yield made
    finally:
        ip("netns", "del", made.name)


def is_free(server: PrivatePostgres) -> bool:
    with psycopg.connect(server.url, autocommit=True) as connection:
        row = connection.execute(_TRY, (LOCK,)).fetchone()
        return bool(row and row[0])


def test_lock_of_a_vanished_host_is_free_within_seconds(host: Host, tmp_path: Path) -> None:
    server = PrivatePostgres(tmp_path / "state", address=host.server_address)
    server.start()
    try:
        with subprocess.Popen(
            ["ip", "netns", "exec", host.name, sys.executable,
             "-m", "tests.faults.vanishing_holder", server.url_at(host.server_address), LOCK],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as holder:  # fmt: skip
            try:
                assert holder.stdout is not None
                assert holder.stdout.readline() == "holding\n"
                assert not is_free(server)
                ip("-n", host.name, "link", "set", "inside", "down")
                eventually(lambda: is_free(server), "the lock is free", FREED_WITHIN_S)
            finally:
                holder.kill()
    finally:
        server.stop()
