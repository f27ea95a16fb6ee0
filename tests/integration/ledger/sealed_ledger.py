"""A sealed log of 600 synthetic events, and ways to use it, tamper with it and inspect it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from services.ledger.seal import proofs
from services.ledger.seal.checkpoint import Signer
from services.ledger.seal.inspection import SealReport, inspect_seal
from services.ledger.seal.keys import DEFAULT_NAME, SealKeys
from services.ledger.seal.sealer import Sealed, last_checkpoint, seal_log
from shared.config import SEALER
from shared.database import connection_info
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.recorder import Cause
from tests.conftest import Database

SEED = bytes(range(32))
SIGNER = Signer(DEFAULT_NAME, SEED)
KEYS = SealKeys(SIGNER, (SIGNER.verifier,))
"""The keys of the sealer in these tests."""


@dataclass
class SealedLedger:
    """The log under test, as its writers, the sealer, a tamperer and an auditor use it."""

    database: Database
    store: PostgresStore
    keys: SealKeys
    written: int = 0

    def write(self, count: int) -> None:
        rows = []
        for number in range(self.written + 1, self.written + count + 1):
            stream, version = UUID(int=number % 10), (number - 1) // 10 + 1
            state = b'{"amount":%d}' % number
            rows.append((stream, version, "ledger.payment_posted.v1", state))
        cause = Cause(UUID(int=self.written + 1), "staff:ivanova", f"journey-{self.written}")
        with self.store.session() as session:
            self.store.recorder.append(session.cursor, rows, [cause] * len(rows))
        self.written += count

    def seal(self, limit: int = 1_000_000) -> Sealed:
        with self.sealer() as cursor:
            sealed = seal_log(cursor, self.keys, limit=limit)
        assert sealed is not None
        return sealed

    @contextmanager
    def sealer(self) -> Iterator[Any]:
        """Yield a cursor of the sealer's login, in a transaction."""
        with sealing(self.database) as cursor:
            yield cursor

    def read(self, read: Callable[[Any], Any]) -> Any:
        return self.store.query(lambda session: read(session.cursor))

    def inspect(self, *outside: str) -> SealReport:
        report = self.read(lambda cursor: inspect_seal(cursor, self.keys.trusted, outside))
        assert isinstance(report, SealReport)
        return report

    def inclusion(self, position: int, size: int | None = None) -> dict[str, Any]:
        proof = self.read(lambda cursor: proofs.inclusion(cursor, position, size))
        return dict(json.loads(json.dumps(proof)))

    def consistency(self, old: int, new: int | None = None) -> dict[str, Any]:
        return dict(self.read(lambda cursor: proofs.consistency(cursor, old, new)))

    def found(self, *outside: str) -> set[tuple[str, int | None, int | None]]:
        findings = self.inspect(*outside).findings
        return {(found.kind, found.first, found.last) for found in findings}

    def tamper(self, *statements: str) -> None:
        """Run statements with the triggers off, as a superuser can."""
        with self.database.owner("ledger") as owner, owner.transaction():
            _without_triggers(owner, statements)

    @contextmanager
    def tampered(self, *statements: str) -> Iterator[Any]:
        """Tamper for the length of a block, and yield a cursor that sees the changes."""
        with self.database.owner("ledger") as owner, owner.transaction(force_rollback=True):
            _without_triggers(owner, statements)
            yield owner.cursor(row_factory=dict_row)

    def reseal(self, keys: SealKeys | None = None) -> None:
        """Forge the whole seal to fit the log as it is now."""
        sizes = self.read(
            lambda cursor: cursor.execute("SELECT size FROM checkpoints ORDER BY size").fetchall()
        )
        self.tamper("TRUNCATE tiles, checkpoints")
        genuine, self.keys = self.keys, keys or self.keys
        for row in sizes:
            last = self.read(last_checkpoint)
            self.seal(limit=row["size"] - (last.size if last else 0))
        self.keys = genuine


@contextmanager
def sealing(database: Database) -> Iterator[Any]:
    """Yield a cursor of the sealer's login, in a transaction."""
    info = connection_info(
        database.settings.database_url_of(SEALER), "ledger", statement_timeout_ms=0
    )
    with psycopg.connect(info, row_factory=dict_row) as connection:
        yield connection.cursor()


def _without_triggers(owner: psycopg.Connection[Any], statements: Sequence[str]) -> None:
    tables = ("events", "checkpoints", "tiles")
    for table in tables:
        owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    for statement in statements:
        owner.execute(statement)
    for table in tables:
        owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def build_sealed_ledger(database: Database) -> SealedLedger:
    """Return a log of 600 events: checkpoints at 100, 300, 512 and 590, and ten unsealed events."""
    made = SealedLedger(database, database.store("ledger"), KEYS)
    for count in (100, 200, 212, 78):
        made.write(count)
        made.seal()
    made.write(10)
    return made


COPY_ROW = (
    "INSERT INTO events SELECT gen_random_uuid(), 1, topic, state, {1}, recorded_at, command_id, "
    "actor, correlation_id, recorded_by FROM events WHERE notification_id = {0}"
)
"""A statement that copies the row at position {0} to position {1}."""
