"""A PostgreSQL of its own in a folder that is kept, with the settings of production and an archive.

The settings are those of `deploy/postgres/postgresql.conf`, less places and TLS: what is measured
waits for the disk as an installation does. The archive gets what comes after the base backup alone.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from deploy.embedded.postgres_binaries import binaries
from deploy.embedded.surroundings import REPOSITORY
from deploy.embedded.system_user import system_user
from services.discovery import migrations_of
from services.ledger.seal.checkpoint import Signer
from services.ledger.seal.keys import DEFAULT_NAME
from shared.config import SEALER, SERVICES, Settings, load_settings
from shared.eventstore.migrations import migrate, migrate_keys
from tests.ports import free_port

OWNER, DATABASE = "saldo", "saldo"
SIGNER = Signer(DEFAULT_NAME, bytes(32))
SCRIPTS = REPOSITORY / "deploy" / "postgres"
START_S, STOP_S = 900, 300
_CGROUPS = Path("/sys/fs/cgroup")

# Places, TLS and rights are those of a container; sizes and durability are not.
_ELSEWHERE = re.compile(
    r"^(listen_addresses|hba_file|ssl\w*|password_encryption|wal_compression|archive_\w+|log_\w+)\b"
)
_OWN = """
# The wheel's server has no lz4.
wal_compression = pglz
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
dynamic_shared_memory_type = mmap
archive_mode = on
archive_command = '/bin/true'
track_io_timing = on
stats_fetch_consistency = none
"""
_HBA = "host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n"
_INITDB = ("--auth=trust", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8")


@dataclass
class ScaleServer:
    """One server in a folder: its data, its log, and the backups that are made of it."""

    folder: Path
    sizes: Mapping[str, str] = field(default_factory=dict)
    """Settings that replace those of production, such as ``shared_buffers``."""
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def backups(self) -> Path:
        return self.folder / "backup"

    @property
    def url(self) -> str:
        return f"postgresql://{OWNER}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def pid(self) -> int:
        """The process of which all others of the server are children."""
        if self._process is None:
            raise RuntimeError("the server does not run")
        return _postmaster(self.data)

    def create(self) -> None:
        """Make the cluster with the schemas of all services, and start it; what is there stays."""
        if not (self.folder / "created").exists():
            shutil.rmtree(self.data, ignore_errors=True)
            self.folder.mkdir(parents=True, exist_ok=True)
            system_user().own(self.folder)
            self._run("initdb", "-D", self.data, "-U", OWNER, *_INITDB)
            (self.data / "pg_hba.conf").write_text(_HBA, encoding="ascii")
        self._configure()
        self.start()
        if (self.folder / "created").exists():
            return
        with psycopg.connect(self._url_of("postgres"), autocommit=True) as owner:
            owner.execute(f"CREATE DATABASE {DATABASE}")
        settings = self.settings()
        for service in SERVICES:
            migrate(
                settings.database_url,
                service,
                settings.database_url_of(service),
                migrations_of(service),
                sealer_url=settings.database_urls[SEALER],
            )
            keys = settings.keys_database_url_of(service)
            migrate_keys(settings.keys_database_url, service, keys)
        (self.folder / "created").touch()

    def start(self) -> None:
        """Start the server, and wait until it has recovered."""
        self.port = self.port or free_port()
        server = binaries() / "postgres"
        command = [*system_user().prefix([server, self.folder]), str(server), "-D", str(self.data)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "-p", str(self.port)], stdout=log, stderr=log, cwd="/"
            )
        ends = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"PostgreSQL does not start: see {self.folder / 'log'}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop the server, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(STOP_S)
        self._process = None
        if self._cgroup.exists():
            self._cgroup.rmdir()

    @property
    def _cgroup(self) -> Path:
        unified = (_CGROUPS / "cgroup.controllers").exists()
        return _CGROUPS / ("" if unified else "memory") / f"saldo-scale-{self.port}"

    def _confine(self, memory: str) -> None:
        group = self._cgroup
        group.mkdir()
        limits = [group / name for name in ("memory.max", "memory.limit_in_bytes")]
        next(limit for limit in limits if limit.exists()).write_text(memory, encoding="ascii")
        for process in _family(self.pid):
            (group / "cgroup.procs").write_text(str(process), encoding="ascii")

    def evict(self, memory: str = "") -> None:
        """Have neither the server nor the system remember anything of the data: a restart, and
        the pages of these files alone leave the system's cache.

        ``memory``: how much the server has from now on, with the system's cache of its files.
        """
        self.stop()
        for path in self.data.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.fdatasync(file.fileno())
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        self.start()
        if memory:
            self._confine(memory)

    def settings(self) -> Settings:
        """Return the settings of an installation on this server."""
        return load_settings(self.environ())

    def environ(self) -> dict[str, str]:
        """Return the variables of an installation on this server."""
        of_services = {
            f"SALDO_{kind}_URL_{name.upper()}": self.url.replace(f"{OWNER}@", f"saldo_{name}@")
            for kind in ("DATABASE", "KEYS_DATABASE")
            for name in (*SERVICES, SEALER)
        }
        return {
            "SALDO_DATABASE_URL": self.url,
            "SALDO_KEYS_DATABASE_URL": self.url,
            "SALDO_SECRET": bytes(32).hex(),
            "SALDO_LEDGER_SEAL_VERIFIER": str(SIGNER.verifier),
            **{name: _with_password(url) for name, url in of_services.items()},
        }

    def as_owner(self) -> psycopg.Connection[Any]:
        """Connect as the owner, to the ledger's schema."""
        return psycopg.connect(self.url, autocommit=True, options="-c search_path=ledger")

    def back_up(self) -> None:
        """Take a base backup by the script of production, with the archive of the WAL after it."""
        shutil.rmtree(self.backups, ignore_errors=True)
        (self.backups / "wal").mkdir(parents=True)
        script = self.folder / "archive_wal.sh"
        shutil.copy(SCRIPTS / "archive_wal.sh", script)
        system_user().own(self.backups)
        system_user().own(script)
        self._archive_by(f'PATH=/usr/bin:/bin {script} "%p" "%f" "{self.backups / "wal"}"')
        try:
            self._base_backup()
        finally:
            self._archive_by("/bin/true")

    def _base_backup(self) -> None:
        script = SCRIPTS / "base_backup.sh"
        done = subprocess.run(
            ["/bin/sh", str(script), self._url_of("postgres"), str(self.backups), "14"],
            env={**os.environ, "PATH": f"{binaries()}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"there is no base backup: {done.stderr[-500:]}")

    def _archive_by(self, command: str) -> None:
        with psycopg.connect(self._url_of("postgres"), autocommit=True) as owner:
            quoted = command.replace("'", "''")
            owner.execute(f"ALTER SYSTEM SET archive_command = '{quoted}'")
            owner.execute("SELECT pg_reload_conf()")

    def _configure(self) -> None:
        of_production = [
            line
            for line in (SCRIPTS / "postgresql.conf").read_text(encoding="ascii").splitlines()
            if line and not line.startswith("#") and not _ELSEWHERE.match(line)
        ]
        own = [f"{name} = '{value}'" for name, value in self.sizes.items()]
        text = "\n".join([*of_production, *_OWN.splitlines(), *own, ""])
        (self.data / "postgresql.conf").write_text(text, encoding="ascii")

    def _url_of(self, database: str) -> str:
        return f"postgresql://{OWNER}@127.0.0.1:{self.port}/{database}"

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._url_of("postgres"), connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, tool: str, *arguments: object) -> None:
        program = binaries() / tool
        command = [*system_user().prefix([program, self.folder]), program, *arguments]
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, cwd="/", check=False
        )
        if done.returncode:
            raise RuntimeError(f"{tool} has failed: {done.stderr[-500:]}")


def _family(process: int) -> Iterator[int]:
    yield process
    children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
    for child in children.split():
        yield from _family(int(child))


def _postmaster(data: Path) -> int:
    return int((data / "postmaster.pid").read_text(encoding="ascii").split()[0])


def _with_password(url: str) -> str:
    # Nobody is asked for one: migrations make the role with it.
    return url.replace("@", ":of-the-bench@", 1)
