"""Two small servers with archives, as an operator has them: the data, and the keys of persons."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row

from deploy.embedded.postgres_binaries import binaries
from deploy.embedded.surroundings import REPOSITORY
from deploy.embedded.system_user import system_user
from services.discovery import migrations_of, open_store
from services.ledger.seal.keys import seal_keys
from services.ledger.seal.sealer import seal_log
from services.ledger.seal.witnesses import DirectoryWitness
from shared.config import SEALER, SERVICES, Settings, load_settings
from shared.database import connection_info
from shared.eventstore.migrations import migrate, migrate_keys
from shared.eventstore.recorder import Cause
from shared.key_files import create_ring
from tests.integration.bus_ends import open_one, pay
from tests.integration.restorable_postgres import RestorablePostgres

SCRIPTS = REPOSITORY / "deploy" / "postgres"
_ARCHIVING = """
archive_mode = on
archive_command = 'PATH=/usr/bin:/bin {script} "%p" "%f" "{wal}"'
"""


@dataclass
class Archiving:
    """A server that archives its WAL, and the folder that its backups go to."""

    server: RestorablePostgres
    backups: Path

    def create(self) -> None:
        (self.backups / "wal").mkdir(parents=True)
        script = self.backups.parent / f"{self.backups.name}-archive_wal.sh"
        shutil.copy(SCRIPTS / "archive_wal.sh", script)
        system_user().own(self.backups)
        self.server.create()
        self.server.stop()
        with (self.server.data / "postgresql.conf").open("a") as settings:
            settings.write(_ARCHIVING.format(script=script, wal=self.backups / "wal"))
        self.server.start()

    def back_up(self) -> None:
        """Take a base backup, as the operator's timer does."""
        script = SCRIPTS / "base_backup.sh"
        done = subprocess.run(
            ["/bin/sh", str(script), self.server.url_of("postgres"), str(self.backups), "14"],
            env={**os.environ, "PATH": f"{binaries()}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "is complete" in done.stdout

    def base_backups(self) -> list[Path]:
        return sorted((self.backups / "base").iterdir())


@dataclass
class Origin:
    """The installation: its databases, its keys in files elsewhere, a witness of its seal."""

    folder: Path
    data: Archiving
    keys: Archiving

    @classmethod
    def below(cls, folder: Path) -> Self:
        """Return one whose servers and backups are in a folder; `create` makes them."""
        servers = (Archiving(RestorablePostgres(folder / name), folder / f"backup-{name}")
                   for name in ("data", "keys"))  # fmt: skip
        return cls(folder, *servers)

    @property
    def witness(self) -> Path:
        return self.folder / "witness"

    @property
    def rings(self) -> Path:
        return self.folder / "rings"

    @property
    def environ(self) -> dict[str, str]:
        """The settings of the whole installation."""
        data, keys = self.data.server.url, self.keys.server.url
        urls = {
            f"SALDO_{kind}_URL_{name.upper()}": url.replace("saldo@", f"saldo_{name}:of-the-test@")
            for kind, url in (("DATABASE", data), ("KEYS_DATABASE", keys))
            for name in (*SERVICES, SEALER)
        }
        return {
            **urls,
            "SALDO_DATABASE_URL": data,
            "SALDO_KEYS_DATABASE_URL": keys,
            "SALDO_SECRETS_DIR": str(self.rings),
            "SALDO_LEDGER_SEAL_KEY": str(self.folder / "seal.key"),
            "SALDO_LEDGER_SEAL_VERIFIER_FILE": str(self.folder / "verifiers"),
        }

    @property
    def settings(self) -> Settings:
        return load_settings(self.environ)

    def create(self) -> None:
        self.witness.mkdir()
        self.rings.mkdir()
        for service in SERVICES:
            create_ring(self.rings / f"SALDO_SECRET_{service.upper()}")
        (self.folder / "seal.key").write_text("AQ" * 21 + "A=", encoding="ascii")
        verifier = seal_keys({"SALDO_LEDGER_SEAL_KEY": str(self.folder / "seal.key")}).trusted[0]
        (self.folder / "verifiers").write_text(f"{verifier}\n", encoding="ascii")
        self.data.create()
        self.keys.create()
        settings = self.settings
        for service in SERVICES:
            runtime = settings.database_url_of(service)
            migrate(
                settings.database_url, service, runtime, migrations_of(service),
                sealer_url=settings.database_urls[SEALER],
            )  # fmt: skip
            migrate_keys(
                settings.keys_database_url, service, settings.keys_database_url_of(service)
            )
        with closing(open_store("ledger", settings)) as ledger:
            open_one(ledger)
        for service in set(SERVICES) - {"ledger"}:
            self.write_of_person(service)

    def write_of_person(self, service: str) -> UUID:
        """Record an event with something that is sealed under the key of a person."""
        subject = uuid4()
        with closing(open_store(service, self.settings)) as store, store.session() as session:
            sealed = session.vault.seal(subject, "Петрова Анна", "name")
            row = (subject, 1, f"{service}.made_up.v1", b'{"name":"%s"}' % sealed.encode())
            cause = Cause(uuid4(), "staff:ivanova", "drill")
            store.recorder.append(session.cursor, [row], [cause])
        return subject

    def pay(self, times: int) -> None:
        with closing(open_store("ledger", self.settings)) as ledger:
            pay(ledger, times)

    def seal(self) -> int:
        """Seal the log, give the checkpoint to the witness, and return its size."""
        info = connection_info(
            self.settings.database_url_of(SEALER), "ledger", statement_timeout_ms=0
        )
        with psycopg.connect(info, row_factory=dict_row) as connection:
            sealed = seal_log(connection.cursor(), seal_keys(self.environ))
        assert sealed is not None
        DirectoryWitness(self.witness).publish(sealed)
        return sealed.size

    def tamper(self, statement: str) -> None:
        """Change the log with its triggers off, as a superuser can."""
        with psycopg.connect(self.data.server.url, autocommit=True) as owner:
            owner.execute("ALTER TABLE ledger.events DISABLE TRIGGER USER")
            owner.execute(statement)
            owner.execute("ALTER TABLE ledger.events ENABLE TRIGGER USER")

    def stop(self) -> None:
        for one in (self.data, self.keys):
            one.server.stop()
