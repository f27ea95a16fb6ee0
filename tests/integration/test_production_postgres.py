"""The files of deploy/postgres on a real server, with the secrets that `deploy.secrets` makes.

Without TLS, which the server of the wheel was built without: what names it is left out here.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from deploy.embedded.postgres_binaries import binaries
from deploy.embedded.surroundings import REPOSITORY
from deploy.embedded.system_user import system_user
from deploy.restore_drill.backups import latest_backup
from deploy.secrets.__main__ import make_secrets
from deploy.secrets.places import AUTHORITY
from services.discovery import migrations_of
from shared.eventstore.migrations import migrate
from tests.ports import free_port
from tests.waiting import eventually

FILES = REPOSITORY / "deploy" / "postgres"


@dataclass
class Production:
    """A server as `deploy/compose` has it, its paths aside."""

    folder: Path
    port: int

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    def localised(self, name: str) -> Path:
        """Return a copy of a file of ours whose paths lead into the folder of the test."""
        text = (FILES / name).read_text(encoding="utf-8")
        for there, here in (
            ("/run/secrets/saldo", self.secrets / "postgres"),
            ("/etc/postgresql", self.folder),
            ("/usr/local/bin", FILES),
            ("/backup/", f"{self.folder}/backup/"),
            # The test is not the user postgres of the system.
            ("peer\n", "trust\n"),
            # What the wheel was built without.
            ("hostssl", "host"),
            ("ssl = on\n", "ssl = off\n"),
            ("= lz4", "= pglz"),
        ):
            text = text.replace(there, str(here))
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
        return path

    def url(self, holder: str, name: str) -> str:
        """Return a URL of the secrets, with where the server is here; it keeps its name."""
        text = (self.secrets / holder / name).read_text(encoding="ascii")
        assert f"@postgres:5432/saldo?sslmode=verify-full&sslrootcert={AUTHORITY}" in text
        address, _, _ = text.partition("?")
        return address.replace("@postgres:5432", f"@127.0.0.1:{self.port}")

    def program(self, *command: object, **environ: str) -> subprocess.CompletedProcess[str]:
        own = {**os.environ, "PATH": f"{binaries()}:/usr/bin:/bin", **environ}
        words = [str(word) for word in command]
        return subprocess.run(words, env=own, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    made = Production(tmp_path_factory.mktemp("production"), free_port())
    make_secrets(made.secrets, "compose", "lk.example.org")
    (made.folder / "backup").mkdir()  # what docs/production.md has the operator make
    for name in ("pg_hba.conf", "advisory_locks.sql", "make_owner.sh"):
        made.localised(name)
    config, data = made.localised("postgresql.conf"), made.folder / "data"
    user = system_user()
    user.own(made.folder)
    tools = binaries()
    prefix = user.prefix([tools / "initdb", made.folder])
    initdb = ("-U", "postgres", "--encoding=UTF8", "--locale-provider=builtin",
              "--locale=C.UTF-8", "--data-checksums", "--no-sync")  # fmt: skip
    done = made.program(*prefix, tools / "initdb", "-D", data, *initdb)
    assert done.returncode == 0, done.stderr
    less = ("-c", "shared_buffers=32MB", "-c", "fsync=off")
    options = ("-c", f"config_file={config}", "-c", f"unix_socket_directories={made.folder}",
               "-c", f"port={made.port}", *less)  # fmt: skip
    command = [*prefix, tools / "postgres", "-D", data, *options]
    with (made.folder / "log").open("wb") as log:
        server = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log, cwd="/")
    try:
        reached = ("pg_isready", f"--host={made.folder}", f"--port={made.port}")
        eventually(lambda: made.program(*reached).returncode == 0, "it answers", seconds=30)
        place = {"PGHOST": str(made.folder), "PGPORT": str(made.port), "PGUSER": "postgres"}
        done = made.program(
            *user.prefix([tools / "psql", made.folder]),
            "/bin/bash", made.folder / "make_owner.sh", **place, SALDO_DATABASE="saldo",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        yield made
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


def test_owner_migrates_and_service_and_sealer_sign_in(production: Production) -> None:
    owner = production.url("migrate", "SALDO_DATABASE_URL")
    runtime = production.url("ledger", "SALDO_DATABASE_URL_LEDGER")
    sealer = production.url("sealer", "SALDO_DATABASE_URL_SEALER")
    migrate(owner, "ledger", runtime, migrations_of("ledger"), sealer_url=sealer)
    for url in (runtime, sealer):
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM ledger.events").fetchone() == (0,)


def test_owner_is_no_superuser_and_has_what_migrating_takes(production: Production) -> None:
    with psycopg.connect(production.url("administrator", "SALDO_DATABASE_URL")) as owner:
        row = owner.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert row == (False, True, False)


def test_nobody_takes_an_advisory_lock_who_was_not_given_it(production: Production) -> None:
    with psycopg.connect(production.url("administrator", "SALDO_DATABASE_URL")) as owner:
        row = owner.execute(
            "SELECT has_function_privilege('saldo_backup', 'pg_advisory_lock(bigint)', 'EXECUTE')"
        ).fetchone()
        assert row == (False,)
        owner.execute("SELECT pg_advisory_xact_lock(1)")


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (("//saldo:", "//saldo:x"), "password authentication failed"),
        (("//saldo:", "//postgres:"), "pg_hba.conf rejects"),
        (("//saldo:", "//saldo_backup:"), "password authentication failed"),
    ],
)
def test_nobody_signs_in_otherwise(
    production: Production, change: tuple[str, str], refusal: str
) -> None:
    url = production.url("migrate", "SALDO_DATABASE_URL").replace(*change)
    with pytest.raises(psycopg.OperationalError, match=refusal):
        psycopg.connect(url)


def test_base_backup_is_taken_by_its_own_role(production: Production) -> None:
    backups = production.folder / "backup"
    passfile = production.secrets / "postgres" / "pgpass"
    text = passfile.read_text().replace("*:5432:", f"*:{production.port}:")
    own = production.folder / "pgpass"
    own.write_text(text)
    own.chmod(0o600)
    url = f"postgresql://saldo_backup@127.0.0.1:{production.port}/?passfile={own}"
    done = production.program("/bin/sh", FILES / "base_backup.sh", url, backups, "14")
    assert done.returncode == 0, done.stderr
    made = latest_backup(backups)
    assert (made.path / "backup_manifest").is_file()
    assert made.wal is not None
    assert any(made.wal.iterdir())
    assert not (backups / "base" / ".draft").exists()


def test_drill_restores_it_as_the_owner_who_is_no_superuser(production: Production) -> None:
    """All that it finds is what was not put there: one service alone is migrated here."""
    done = production.program(
        sys.executable, "-m", "deploy.restore_drill", "--without-keys", "--json",
        "--data", production.folder / "backup", PYTHONPATH=str(REPOSITORY),
        SALDO_LEDGER_SEAL_VERIFIER_FILE=str(production.secrets / "public" / "verifiers"),
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    others = "identity, accounts, payments, notifications, helpdesk"
    assert report["findings"] == [
        f"no log of {others} is in the backup",
        "the backup has no event at all",
    ]
    assert report["audit"]["differences"] == 0
