"""A real server recovers from what `restore_base.sh` puts back, to the moment, and takes writes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from deploy.embedded.system_user import system_user
from tests.integration.restorable_postgres import RestorablePostgres, binaries
from tests.waiting import eventually

SCRIPTS = Path(__file__).parents[2] / "deploy" / "postgres"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RestorablePostgres]:
    made = RestorablePostgres(tmp_path / "server")
    made.create()
    yield made
    made.stop()


@pytest.fixture
def backup(server: RestorablePostgres) -> Path:
    """The folder to which the server archives its log from now on, by the script of production."""
    folder = server.folder.parent / "backup"
    (folder / "wal").mkdir(parents=True)
    system_user().own(folder)
    system_user().own(folder / "wal")
    with psycopg.connect(server.url, autocommit=True) as owner:
        command = f"sh {SCRIPTS}/archive_wal.sh %p %f {folder}/wal"
        owner.execute("ALTER SYSTEM SET archive_mode = on")
        owner.execute(psycopg.sql.SQL("ALTER SYSTEM SET archive_command = {}").format(command))
        owner.execute("CREATE TABLE noted (what text)")
    server.stop()
    server.start()
    return folder


def note(server: RestorablePostgres, what: str) -> datetime:
    """Write something down; return the time at which it was there."""
    with psycopg.connect(server.url, autocommit=True) as owner:
        owner.execute("INSERT INTO noted VALUES (%s)", (what,))
        row = owner.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    return datetime.fromisoformat(str(row[0]))


def noted(server: RestorablePostgres) -> list[str]:
    with psycopg.connect(server.url) as reader:
        return [row[0] for row in reader.execute("SELECT what FROM noted")]


def run(script: str, *arguments: object) -> None:
    done = subprocess.run(
        ["sh", str(SCRIPTS / script), *map(str, arguments)],
        env=os.environ | {"PATH": f"{binaries()}:{os.environ['PATH']}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def archived(server: RestorablePostgres) -> None:
    """Wait until all that is written is in the archive."""
    with psycopg.connect(server.url, autocommit=True) as owner:
        row = owner.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
        assert row is not None

        def is_there() -> bool:
            last = owner.execute("SELECT last_archived_wal FROM pg_stat_archiver").fetchone()
            return last is not None and last[0] is not None and last[0] >= row[0]

        eventually(is_there, "the log is in the archive")


@pytest.mark.parametrize("to_the_moment", [True, False])
def test_server_recovers_from_what_was_put_back_and_takes_writes(
    server: RestorablePostgres, backup: Path, to_the_moment: bool
) -> None:
    note(server, "in the base backup")
    run("base_backup.sh", server.url, backup, 14)
    moment = note(server, "before the mistake")
    note(server, "the mistake")
    archived(server)
    server.stop()
    shutil.rmtree(server.data)
    run("restore_base.sh", backup, server.data, *([moment.isoformat(" ")] if to_the_moment else []))
    for path in (server.data, *server.data.rglob("*")):
        system_user().own(path)
    server.start()

    def is_writable() -> bool:
        with psycopg.connect(server.url) as reader:
            return reader.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)

    eventually(is_writable, "the server has recovered")
    found = ["in the base backup", "before the mistake"]
    assert noted(server) == (found if to_the_moment else [*found, "the mistake"])
    note(server, "life goes on")
    assert noted(server)[-1] == "life goes on"
