"""A small PostgreSQL that a test stops, copies, puts back, dumps, and replaces by its standby."""

from __future__ import annotations

import shutil
import signal
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg

from deploy.embedded.postgres_binaries import binaries
from deploy.embedded.system_user import system_user
from services.discovery import migrations_of
from shared.config import Settings
from shared.eventstore.migrations import migrate, migrate_keys
from tests.ports import free_port
from tests.waiting import eventually

OWNER = "saldo"
_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
max_connections = 60
shared_buffers = 16MB
wal_level = replica
max_wal_senders = 4
hot_standby = on
"""
_HBA = "host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n"


@dataclass
class RestorablePostgres:
    """One server in a folder; ``data`` is its folder of data, which a test may replace."""

    folder: Path
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> str:
        return self.url_of("saldo")

    def url_of(self, database: str) -> str:
        return f"postgresql://{OWNER}@127.0.0.1:{self.port}/{database}"

    def create(self) -> None:
        """Make the cluster and its database, and start it."""
        self.folder.mkdir(parents=True)
        system_user().own(self.folder)
        self._run("initdb", "-D", self.data, "-U", OWNER, "--auth=trust", "--encoding=UTF8",
                  "--locale-provider=builtin", "--locale=C.UTF-8", "--no-sync")  # fmt: skip
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS)
        (self.data / "pg_hba.conf").write_text(_HBA)
        self.start()
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as owner:
            owner.execute("CREATE DATABASE saldo")

    def start(self) -> None:
        self.port = self.port or free_port()
        server = binaries() / "postgres"
        command = (*system_user().prefix([server, self.folder]), str(server), "-D", str(self.data))
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                (*command, "-p", str(self.port)), stdout=log, stderr=log, cwd="/"
            )
        eventually(self._answers, "the server answers", seconds=30)

    def stop(self, number: int = signal.SIGINT) -> None:
        """Stop the server: by SIGINT cleanly, by SIGQUIT as if its host had failed."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(30)
        self._process = None

    def copy(self, name: str) -> Path:
        """Copy the data of the stopped server away."""
        away = self.folder / name
        shutil.copytree(self.data, away, symlinks=True)
        return away

    def put_back(self, copy: Path) -> None:
        """Replace the data of the stopped server by a copy."""
        shutil.rmtree(self.data)
        shutil.copytree(copy, self.data, symlinks=True)
        system_user().own(self.data)
        self.data.chmod(0o700)

    def standby(self, folder: Path) -> RestorablePostgres:
        """Return a standby that follows this server, started."""
        folder.mkdir(parents=True)
        system_user().own(folder)
        other = RestorablePostgres(folder)
        source = self.url_of("postgres")
        self._run("pg_basebackup", "-d", source, "-D", other.data, "-R", "--checkpoint=fast")
        other.start()
        return other

    def dump(self, file: Path, *options: str) -> None:
        self._run_as_us("pg_dump", "-d", self.url, "-Fc", "-f", file, *options)

    def restore(self, file: Path, database: str = "saldo", *options: str) -> None:
        self._run_as_us("pg_restore", "-d", self.url_of(database), *options, file)

    def settings(self, base: Settings, database: str = "saldo") -> Settings:
        """Return settings with the ledger's data and keys in a database of this server."""
        owner = self.url_of(database)
        service = owner.replace(f"{OWNER}@", "saldo_ledger:of-the-test@")
        return replace(
            base,
            database_url=owner,
            keys_database_url=owner,
            database_urls={"ledger": service},
            keys_database_urls={"ledger": service},
        )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url_of("postgres"), connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, tool: str, *arguments: object) -> None:
        _call(
            *system_user().prefix([binaries() / tool, self.folder]), binaries() / tool, *arguments
        )

    def _run_as_us(self, tool: str, *arguments: object) -> None:
        _call(binaries() / tool, *arguments)


def _call(*command: object) -> None:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd="/", check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def migrate_ledger(settings: Settings) -> None:
    """Create the ledger's schema and its keys."""
    migrate(
        settings.database_url, "ledger", settings.database_url_of("ledger"), migrations_of("ledger")
    )
    migrate_keys(settings.keys_database_url, "ledger", settings.keys_database_url_of("ledger"))
