"""A ledger, and files of a billing centre that are imported into it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from services.ledger.cli import app
from services.ledger.domain.book import BOOK_STREAMS
from services.ledger.replay.audit import audit
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database
from tests.integration.ledger.sealed_ledger import KEYS

HEADER = "account;period;due_on;effective_on;service;name;charged;recalculation;penalty\n"


def line(
    account: str,
    service: str = "heating",
    charged: str = "100,00",
    period: str = "2026-03",
    **more: str,
) -> str:
    days = f"{period};{period}-28;{period}-27"
    again, late = more.get("again", ""), more.get("penalty", "")
    return f"{account};{days};{service};{service};{charged};{again};{late}\n"


def events_of_accounts(database: Database) -> int:
    """Return how many events the log has without those of the book, as of imports."""
    with database.owner("ledger") as owner:
        query = "SELECT count(*) FROM events WHERE originator_id <> ALL (%s)"
        return int(owner.execute(query, (list(BOOK_STREAMS),)).fetchone()[0])  # type: ignore[index]


class ImportHarness:
    """A ledger, its command line, and a folder for files."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.store: PostgresStore = database.store("ledger")
        settings = database.settings
        self.environment = {
            "SALDO_AMQP_URL": "amqp://nobody:nothing@127.0.0.1:1/",
            "SALDO_SECRET": settings.secret.hex(),
            "SALDO_LEDGER_SEAL_VERIFIER": str(KEYS.signer.verifier),
            "SALDO_DATABASE_URL_LEDGER": settings.database_url_of("ledger"),
            "SALDO_STAFF_DATABASE_URL": settings.staff_database_url,
        }

    def file(self, name: str, *rows: str, header: str = HEADER, encoding: str = "utf-8") -> Path:
        path = self.folder / name
        path.write_bytes((header + "".join(rows)).encode(encoding))
        return path

    def run(self, path: Path, *options: str) -> Result:
        words = ["import", str(path), "--reason", "test", *options]
        return CliRunner().invoke(app, words, env=self.environment)

    def imports(self, path: Path, *options: str, code: int = 0) -> Any:
        result = self.run(path, "--json", *options)
        assert result.exit_code == code, result.output
        return json.loads(result.stdout.splitlines()[-1])

    def opens(self, *numbers: str) -> None:
        rows = (f"{number};household\n" for number in numbers)
        self.imports(self.file("registry.csv", *rows, header="account;payer_kind\n"))

    def balance(self, number: str) -> Mapping[str, Any]:
        row = self.store.query(lambda session: session.read.balance(number))
        assert row is not None
        return row  # type: ignore[no-any-return]

    def events(self) -> int:
        """Return how many events of accounts there are."""
        return events_of_accounts(self.database)

    def is_sound(self) -> None:
        assert audit(self.store).differences == []
