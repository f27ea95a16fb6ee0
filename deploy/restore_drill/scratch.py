"""A scratch server that a backup is restored into: on a socket of its own, and gone afterwards."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from deploy.embedded.postgres_binaries import PostgresError, binaries
from deploy.embedded.surroundings import PLAIN_ENVIRONMENT
from deploy.embedded.system_user import SystemUser, system_user
from deploy.restore_drill.backups import Backup, BackupError
from deploy.restore_drill.manifest import verify_manifest

Advance = Callable[[int], None]

_HBA = "local all all trust\n"
"""Nobody else enters the folder of the socket."""
_INITDB = ("--auth=trust", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8")
_OFF: Mapping[str, str] = {
    # What the origin's own settings say of places and passwords is not for here.
    "listen_addresses": "",
    "archive_mode": "off",
    "primary_conninfo": "",
    "primary_slot_name": "",
    "shared_preload_libraries": "",
    "ssl": "off",
    "synchronous_standby_names": "",
    "logging_collector": "off",
    "log_destination": "stderr",
    # Nothing here is kept. Nobody reads before the end: no limit must be as large as the origin's.
    "fsync": "off",
    "hot_standby": "off",
}


@dataclass
class Scratch:
    """A server in a folder of its own, which holds what was restored."""

    folder: Path
    owner: str
    tools: Path
    user: SystemUser = field(default_factory=system_user)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def url_of(self, database: str) -> str:
        """Return the URL of one of its databases, as the owner."""
        place = quote(str(self.folder / "socket"), safe="")
        return f"postgresql://{quote(self.owner)}@/{quote(database)}?host={place}"

    def restore(self, backup: Backup, until: datetime | None, advance: Advance) -> None:
        """Put a backup here and start it; ``advance`` is told of bytes. Raises BackupError."""
        (self.folder / "socket").mkdir(mode=0o700)
        (self.folder / "hba").write_text(_HBA, encoding="ascii")
        (self.folder / "postgresql.conf").touch()
        if backup.wal is None:
            self._restore_dump(backup.path, advance)
        else:
            self._restore_base(backup, backup.wal, until, advance)

    def databases_with(self, schema: str) -> list[str]:
        """Return the databases that have a schema."""
        return [name for name in self.databases() if self._has(name, schema)]

    def databases(self) -> list[str]:
        """Return the names of its databases."""
        with psycopg.connect(self.url_of("template1")) as connection:
            rows = connection.execute(
                "SELECT datname FROM pg_database "
                "WHERE datallowconn AND has_database_privilege(oid, 'CONNECT')"
            ).fetchall()
        return [name for (name,) in rows]

    def recovered_to(self) -> datetime | None:
        """Return when the last transaction was committed that the archive had; None for a dump."""
        with psycopg.connect(self.url_of("template1")) as connection:
            row = connection.execute("SELECT pg_last_xact_replay_timestamp()").fetchone()
        return row[0] if row else None

    def stop(self) -> None:
        """Stop the server, if it runs."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _has(self, database: str, schema: str) -> bool:
        with psycopg.connect(self.url_of(database)) as connection:
            query = "SELECT FROM pg_namespace WHERE nspname = %s"
            return connection.execute(query, (schema,)).fetchone() is not None

    def _restore_dump(self, dump: Path, advance: Advance) -> None:
        self.user.own(self.folder)
        self._run("initdb", "-D", self.data, "-U", self.owner, *_INITDB, "--no-sync", as_owner=True)
        self._start({})
        arguments = ("--create", "--exit-on-error", "--no-owner", "--no-privileges")
        self._run("pg_restore", f"--dbname={self.url_of('template1')}", *arguments, dump)
        advance(dump.stat().st_size)

    def _restore_base(
        self, backup: Backup, wal: Path, until: datetime | None, advance: Advance
    ) -> None:
        version = (backup.path / "PG_VERSION").read_text(encoding="ascii").strip()
        if not self._version().startswith(f"{version}."):
            raise BackupError(
                f"{backup.path} is of PostgreSQL {version}, {self.tools} of {self._version()}: "
                "name the programs of its version by --postgres"
            )
        if (backup.path / "tablespace_map").exists():
            raise BackupError(f"{backup.path} has table spaces, which Saldo does not use")
        _copy(backup.path, self.data, advance)
        verify_manifest(self.data, advance)  # what was copied, not what is there for others
        (self.data / "recovery.signal").touch()
        self.data.chmod(0o700)
        self.user.own(self.folder)
        command = f"cp {shlex.quote(str(wal))}/%f %p"
        if "%" in str(wal):
            raise BackupError(f"{wal}: restore_command cannot name a folder with a % in it")
        settings = {"restore_command": command, "recovery_target_timeline": "latest"}
        if until is not None:
            settings |= {
                "recovery_target_time": until.isoformat(),
                "recovery_target_action": "promote",
            }
        files = sorted(wal.iterdir())[:1]  # may it read these, it may read all
        self._start(settings, [wal, *files])

    def _start(self, settings: Mapping[str, str], reads: Sequence[Path] = ()) -> None:
        """Start the server, and wait for the end of its recovery; it also ``reads`` elsewhere."""
        given = {
            **_OFF,
            **settings,
            "config_file": str(self.folder / "postgresql.conf"),
            "hba_file": str(self.folder / "hba"),
            "unix_socket_directories": str(self.folder / "socket"),
        }
        options = [word for name, value in given.items() for word in ("-c", f"{name}={value}")]
        server = self.tools / "postgres"
        command = (
            *self.user.prefix([server, self.folder, *reads]),
            server,
            "-D",
            self.data,
            *options,
        )
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdout=log, stderr=log, cwd="/", env=PLAIN_ENVIRONMENT,
            )  # fmt: skip
        while not self._answers():
            if self._process.poll() is not None:
                raise BackupError(f"PostgreSQL cannot recover from it: {self._last_failure()}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url_of("template1"), connect_timeout=3).close()
        except psycopg.OperationalError as error:
            # Anything but "not yet" does not pass by waiting.
            if self._process is not None and "does not exist" in str(error):
                raise BackupError(str(error).strip().splitlines()[-1]) from None
            return False
        return True

    def _last_failure(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        failures = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
        return re.split("FATAL:|PANIC:", (failures or lines or ["it says nothing"])[-1])[-1].strip()

    def _version(self) -> str:
        shown = subprocess.run(
            [str(self.tools / "postgres"), "--version"], capture_output=True, text=True, check=True
        ).stdout
        return shown.split()[2]

    def _run(self, program: str, *arguments: object, as_owner: bool = False) -> None:
        path = self.tools / program
        prefix = self.user.prefix([path, self.folder]) if as_owner else ()
        command = [*prefix, str(path), *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd="/", env=PLAIN_ENVIRONMENT
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["without a word"]
            raise BackupError(f"{program} refuses it: {lines[0]}")


@contextmanager
def scratch_server(
    folder: Path | None, owner: str, tools: Path | None, *, keep: bool
) -> Iterator[Scratch]:
    """Yield an empty scratch server, and delete it at the end.

    ``folder`` is where it is put; without one among the temporary files.
    """
    root = Path(tempfile.mkdtemp(prefix="saldo-drill-", dir=folder))
    scratch = Scratch(root, owner, programs(tools))
    try:
        yield scratch
    finally:
        scratch.stop()
        if not keep:
            shutil.rmtree(root)


def programs(given: Path | None) -> Path:
    """Return the folder of PostgreSQL's programs; raises BackupError where there is none."""
    if given is not None:
        if not os.access(given / "postgres", os.X_OK):
            raise BackupError(f"{given} has no program postgres")
        return given
    try:
        return binaries()
    except PostgresError:
        pass  # the wheel is for development: a server's package will do
    found = shutil.which("postgres") or next(
        iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)), None
    )
    if found is None:
        raise BackupError("there is no PostgreSQL server here: name its programs by --postgres")
    return Path(found).parent


def _copy(source: Path, target: Path, advance: Advance) -> None:
    def copied(name: Any, to: Any) -> Any:
        done = shutil.copy2(name, to)
        advance(Path(name).stat().st_size)
        return done

    try:
        shutil.copytree(source, target, copy_function=copied)
    except (OSError, shutil.Error) as error:
        raise BackupError(f"{source} cannot be copied: {type(error).__name__}") from None
