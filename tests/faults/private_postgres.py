"""A PostgreSQL of one test, which may be stopped, paused, and started otherwise."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg

from deploy.embedded.postgres import DATABASE, OWNER, initialise
from deploy.embedded.postgres_binaries import binaries
from deploy.embedded.state import StateDir
from deploy.embedded.surroundings import PLAIN_ENVIRONMENT
from deploy.embedded.system_user import system_user
from services.discovery import migrations_of
from shared.config import SERVICES, Settings
from shared.eventstore.migrations import migrate, migrate_keys
from tests.ports import free_port
from tests.waiting import eventually

START_SECONDS = 60.0


class PrivatePostgres:
    """A server on a free port of 127.0.0.1, and of another address where one is given."""

    def __init__(self, folder: Path, *, address: str = "") -> None:
        self._state = StateDir(folder)
        self._state.create()
        self._user = system_user()
        self._address = address
        initialise(self._state, self._user)
        if address:
            with (self.data / "pg_hba.conf").open("a") as hba:
                hba.write("host all all 0.0.0.0/0 scram-sha-256\n")
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self._state.root / "postgres" / "data"

    @property
    def url(self) -> str:
        """The URL of the owner of the database."""
        return self.url_at("127.0.0.1")

    def url_at(self, address: str) -> str:
        password = self._state.secrets()["database"]
        return f"postgresql://{OWNER}:{password}@{address}:{self.port}/{DATABASE}"

    @property
    def pid(self) -> int:
        """The process that accepts connections."""
        assert self._process is not None
        return self._process.pid

    def start(
        self,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        *,
        wait: bool = True,
    ) -> None:
        """Start the server with settings and variables of this start alone."""
        server = binaries() / "postgres"
        addresses = f"127.0.0.1,{self._address}" if self._address else "127.0.0.1"
        chosen = {"fsync": "off", "listen_addresses": addresses, **(settings or {})}
        command: Sequence[str] = (
            *self._user.prefix([server, self._state.root / "postgres"]),
            # For the server alone, not for what changes the user before it.
            "/usr/bin/env", *(f"{name}={value}" for name, value in (environment or {}).items()),
            str(server), "-D", str(self.data), "-p", str(self.port),
            *(word for name, value in chosen.items() for word in ("-c", f"{name}={value}")),
        )  # fmt: skip
        with (self._state.root / "log" / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd="/",
                env=PLAIN_ENVIRONMENT,
                stdout=log,
                stderr=log,
            )
        if wait:
            eventually(self.answers, "PostgreSQL answers", START_SECONDS)

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def answers(self) -> bool:
        try:
            with psycopg.connect(self.url, connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: by default it ends its connections and stops."""
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait(timeout=30)
        self._process = None

    def backends(self) -> list[int]:
        """Return the processes of the server, the first one last."""
        assert self._process is not None
        listed = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [*map(int, listed), self.pid]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop all processes of the server for the block, as a frozen machine would."""
        stopped = self.backends()
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)

    def settings(self, base: Settings | None = None, *, address: str = "127.0.0.1") -> Settings:
        """Return the settings of services in this server, with data and keys in one database."""
        owner = self.url_at(address)
        roles = {name: _as_role(owner, f"saldo_{name}") for name in (*SERVICES, "sealer")}
        return replace(
            base or Settings(secret=bytes(range(32))),
            database_url=owner,
            keys_database_url=owner,
            database_urls=roles,
            keys_database_urls={name: roles[name] for name in SERVICES},
        )

    def migrate(self, settings: Settings, services: Sequence[str]) -> None:
        """Make the schemas of services."""
        for name in services:
            migrate(
                settings.database_url,
                name,
                settings.database_url_of(name),
                migrations_of(name),
                sealer_url=settings.database_urls["sealer"],
            )
            migrate_keys(settings.keys_database_url, name, settings.keys_database_url_of(name))


_ROLE_PASSWORD = secrets.token_hex(8)


def _as_role(url: str, role: str) -> str:
    return f"postgresql://{role}:{_ROLE_PASSWORD}@{url.rpartition('@')[2]}"
