"""Sealing a log on PostgreSQL: the sealer, its keys and its rights."""

from __future__ import annotations

import threading
from dataclasses import replace

import psycopg
import pytest
from psycopg.rows import dict_row

from services.ledger.seal import leaf
from services.ledger.seal.checkpoint import Signer
from services.ledger.seal.inspection import SealReport, inspect_seal
from services.ledger.seal.keys import SealKeys
from services.ledger.seal.merkle import CompactRange, leaf_hash
from services.ledger.seal.reading import rows_between
from services.ledger.seal.sealer import last_checkpoint, seal_log
from services.ledger.seal.tiles import SealBrokenError
from tests.conftest import Database
from tests.integration.ledger.sealed_ledger import KEYS, SealedLedger, sealing

pytestmark = pytest.mark.nodes

SEALER_LOCK = "ledger.sealer"


def test_untouched_log_has_no_findings(ledger: SealedLedger) -> None:
    report = ledger.inspect()
    assert report == SealReport(600, 590, 10, 4, 0, [])
    sealed = ledger.seal()
    assert (sealed.number, sealed.size, sealed.added) == (5, 600, 10)
    assert ledger.inspect(sealed.note) == SealReport(600, 600, 0, 5, 1, [])
    again = ledger.seal()
    assert (again.number, again.added) == (5, 0)


def test_stored_root_is_that_of_the_rows(shared_ledger: SealedLedger) -> None:
    tree = CompactRange()
    for row in shared_ledger.read(lambda cursor: list(rows_between(cursor, 0, 590))):
        tree.append(leaf_hash(leaf.encode(row)))
    last = shared_ledger.read(last_checkpoint)
    assert (last.size, bytes(last.root)) == (590, tree.root())


def test_leaf_has_every_column_as_stored(shared_ledger: SealedLedger) -> None:
    with shared_ledger.database.owner("ledger") as owner:
        cursor = owner.cursor(row_factory=dict_row)
        stored = cursor.execute("SELECT * FROM events WHERE notification_id = 42").fetchone()
    assert stored is not None
    (row,) = shared_ledger.read(lambda cursor: list(rows_between(cursor, 41, 42)))
    fields = leaf.to_json(row)
    # The login follows from the actor, which is sealed: a CHECK ties the two.
    assert set(fields) == set(stored) - {"recorded_by"}
    assert fields["recorded_at"] == stored["recorded_at"].isoformat(
        timespec="microseconds"
    ).replace("+00:00", "Z")
    del fields["recorded_at"], stored["recorded_at"], stored["recorded_by"]
    stored["state"] = stored["state"].decode()
    assert fields == {name: v if isinstance(v, int) else str(v) for name, v in stored.items()}


def test_empty_log_has_nothing_to_seal(database: Database) -> None:
    store = database.store("ledger")
    with sealing(database) as cursor:
        assert seal_log(cursor, KEYS) is None
    report = store.query(lambda session: inspect_seal(session.cursor, KEYS.trusted))
    assert report == SealReport(0, 0, 0, 0, 0, [])


def test_broken_seal_is_not_extended(shared_ledger: SealedLedger) -> None:
    note = shared_ledger.read(last_checkpoint).note
    for statement in (
        "UPDATE events SET state = '{}' WHERE notification_id = 590",
        "DELETE FROM events WHERE notification_id = 590",
        "DELETE FROM events WHERE notification_id = 595",
        "UPDATE tiles SET hashes = overlay(hashes PLACING sha256('x') FROM 1) WHERE start = 512",
        "DELETE FROM tiles WHERE level = 1 AND start = 1",
        "UPDATE checkpoints SET note = replace(note, size::text, '0') WHERE number = 4",
        "TRUNCATE checkpoints",
    ):
        with shared_ledger.tampered(statement) as cursor, pytest.raises(SealBrokenError):
            seal_log(cursor, shared_ledger.keys)
    assert shared_ledger.read(last_checkpoint).note == note
    assert shared_ledger.found() == set()


def test_old_key_stays_trusted_after_a_key_change(ledger: SealedLedger) -> None:
    new = Signer(ledger.keys.origin, bytes(range(1, 33)))
    ledger.keys = SealKeys(new, (new.verifier,))
    with pytest.raises(SealBrokenError, match="SALDO_LEDGER_SEAL_VERIFIER"):
        ledger.seal()
    size = ledger.read(last_checkpoint).size
    old = replace(KEYS.signer.verifier, until=size)
    ledger.keys = SealKeys(new, (new.verifier, replace(old, until=size - 1)))
    with pytest.raises(SealBrokenError, match="retired before"):
        ledger.seal()
    ledger.keys = SealKeys(new, (new.verifier, old))
    assert ledger.seal().size == 600
    assert ledger.found() == set()


def test_only_one_sealer_runs_at_a_time(ledger: SealedLedger) -> None:
    with ledger.database.owner("ledger") as other:
        with other.transaction():
            other.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (SEALER_LOCK,))
            with ledger.sealer() as cursor:
                assert seal_log(cursor, ledger.keys, wait=False) is None
        assert ledger.seal().added == 10


def test_concurrent_sealers_and_writers_leave_one_valid_seal(ledger: SealedLedger) -> None:
    def seal_repeatedly() -> None:
        for _ in range(10):
            with ledger.sealer() as cursor:
                seal_log(cursor, ledger.keys, limit=7, wait=False)

    threads = [threading.Thread(target=seal_repeatedly) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        ledger.write(3)
    for thread in threads:
        thread.join()
    while ledger.seal(limit=7).added:
        pass
    report = ledger.inspect()
    assert (report.sealed, report.findings) == (660, [])


def test_runtime_role_cannot_change_the_seal(shared_ledger: SealedLedger) -> None:
    for table in ("checkpoints", "publications", "tiles"):
        for statement in (
            f"INSERT INTO {table} DEFAULT VALUES",
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
            f"ALTER TABLE {table} DISABLE TRIGGER USER",
        ):
            with (
                pytest.raises(psycopg.errors.InsufficientPrivilege),
                shared_ledger.store.session() as session,
            ):
                session.cursor.execute(statement)
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        shared_ledger.store.session() as session,
    ):
        session.cursor.execute("UPDATE checkpoints SET note = ''")
    with shared_ledger.database.owner("ledger") as owner:
        for statement in ("DELETE FROM tiles", "TRUNCATE checkpoints"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                owner.execute(statement)
