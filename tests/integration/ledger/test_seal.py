"""The seal on a real PostgreSQL: whatever is done behind the ledger's back is found."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row
from typer.testing import CliRunner, Result

from services.ledger.cli import app
from services.ledger.seal import leaf, proofs, verifier
from services.ledger.seal.checkpoint import Checkpoint, NoteError, Signer
from services.ledger.seal.inspection import Finding, SealReport, inspect_seal
from services.ledger.seal.keys import SealKeys, seal_keys
from services.ledger.seal.merkle import CompactRange, leaf_hash
from services.ledger.seal.reading import rows_between
from services.ledger.seal.sealer import LOCK, Sealed, last_checkpoint, seal, seal_log
from services.ledger.seal.tiles import SealBrokenError
from services.ledger.seal.verifier import verify_consistency, verify_export, verify_inclusion
from shared.errors import NotFound
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.recorder import Cause
from tests.conftest import Database


@dataclass
class Ledger:
    """The log under test, with the hands of its users, of its owner, and of an auditor."""

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
        with self.store.session() as session:
            sealed = seal_log(session.cursor, self.keys, limit=limit)
        assert sealed is not None
        return sealed

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
        """Do what a superuser can: switch the triggers off, write, switch them on again."""
        with self.database.owner("ledger") as owner, owner.transaction():
            _without_triggers(owner, statements)

    @contextmanager
    def tampered(self, *statements: str) -> Iterator[Any]:
        """Tamper for the length of a block, and give a cursor that sees what it has made."""
        with self.database.owner("ledger") as owner, owner.transaction(force_rollback=True):
            _without_triggers(owner, statements)
            yield owner.cursor(row_factory=dict_row)

    def reseal(self, keys: SealKeys | None = None) -> None:
        """Forge the whole seal so that it fits the log as it stands now."""
        sizes = self.read(
            lambda cursor: cursor.execute("SELECT size FROM checkpoints ORDER BY size").fetchall()
        )
        self.tamper("TRUNCATE tiles, checkpoints")
        genuine, self.keys = self.keys, keys or self.keys
        for row in sizes:
            last = self.read(last_checkpoint)
            self.seal(limit=row["size"] - (last.size if last else 0))
        self.keys = genuine


def _without_triggers(owner: psycopg.Connection[Any], statements: Sequence[str]) -> None:
    tables = ("events", "checkpoints", "tiles")
    for table in tables:
        owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    for statement in statements:
        owner.execute(statement)
    for table in tables:
        owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def sealed_ledger(database: Database) -> Ledger:
    """A log of 600 events: sealed at 100, 300, 512, 590, and ten events not sealed yet."""
    made = Ledger(database, database.store("ledger"), seal_keys(database.settings, {}))
    for count in (100, 200, 212, 78):
        made.write(count)
        made.seal()
    made.write(10)
    return made


@pytest.fixture
def ledger(database: Database) -> Ledger:
    """A sealed log of the test's own."""
    return sealed_ledger(database)


@pytest.fixture(scope="module")
def standing(module_database: Database) -> Ledger:
    """A sealed log for all tests that leave it as it is."""
    return sealed_ledger(module_database)


def test_an_untouched_log_is_as_it_was_sealed(ledger: Ledger) -> None:
    report = ledger.inspect()
    assert report == SealReport(600, 590, 10, 4, 0, [])
    sealed = ledger.seal()
    assert (sealed.number, sealed.size, sealed.added) == (5, 600, 10)
    assert ledger.inspect(sealed.note) == SealReport(600, 600, 0, 5, 1, [])
    again = ledger.seal()
    assert (again.number, again.added) == (5, 0)


def test_the_root_is_that_of_the_rows(standing: Ledger) -> None:
    tree = CompactRange()
    for row in standing.read(lambda cursor: list(rows_between(cursor, 0, 590))):
        tree.append(leaf_hash(leaf.encode(row)))
    last = standing.read(last_checkpoint)
    assert (last.size, bytes(last.root)) == (590, tree.root())


def test_the_leaf_holds_every_column_as_it_is_kept(standing: Ledger) -> None:
    with standing.database.owner("ledger") as owner:
        cursor = owner.cursor(row_factory=dict_row)
        kept = cursor.execute("SELECT * FROM events WHERE notification_id = 42").fetchone()
    assert kept is not None
    (row,) = standing.read(lambda cursor: list(rows_between(cursor, 41, 42)))
    told = leaf.to_json(row)
    assert set(told) == set(kept)
    assert told["recorded_at"] == kept["recorded_at"].isoformat(timespec="microseconds").replace(
        "+00:00", "Z"
    )
    del told["recorded_at"], kept["recorded_at"]
    kept["state"] = kept["state"].decode()
    assert told == {name: v if isinstance(v, int) else str(v) for name, v in kept.items()}


def test_an_empty_log_has_nothing_to_seal(database: Database) -> None:
    store, keys = database.store("ledger"), seal_keys(database.settings, {})
    with store.session() as session:
        assert seal_log(session.cursor, keys) is None
    report = store.query(lambda session: inspect_seal(session.cursor, keys.trusted))
    assert report == SealReport(0, 0, 0, 0, 0, [])


COPY_ROW = (
    "INSERT INTO events SELECT gen_random_uuid(), 1, topic, state, {1}, recorded_at, command_id, "
    "actor, correlation_id FROM events WHERE notification_id = {0}"
)

# Each: what the superuser does, and what must be found (kind, first, last position).
TAMPERINGS: dict[str, tuple[list[str], set[tuple[str, int | None, int | None]]]] = {
    "a state edited": (
        ["UPDATE events SET state = '{\"amount\":1}' WHERE notification_id = 250"],
        {("edited", 250, 250), ("checkpoint_mismatch", 101, 300)},
    ),
    "a time edited by a microsecond": (
        ["UPDATE events SET recorded_at = recorded_at + interval '1us' WHERE notification_id = 1"],
        {("edited", 1, 1), ("checkpoint_mismatch", 1, 100)},
    ),
    "a time that is none": (
        ["UPDATE events SET recorded_at = 'infinity' WHERE notification_id = 590"],
        {("edited", 590, 590), ("checkpoint_mismatch", 513, 590)},
    ),
    "an actor edited": (
        ["UPDATE events SET actor = 'staff:petrova' WHERE notification_id IN (7, 8, 400)"],
        {("edited", 7, 8), ("edited", 400, 400), ("checkpoint_mismatch", 1, 100)},
    ),
    "a correlation id, a command id, a topic, a version, a stream edited": (
        [
            "UPDATE events SET correlation_id = 'x' WHERE notification_id = 10",
            "UPDATE events SET command_id = gen_random_uuid() WHERE notification_id = 20",
            "UPDATE events SET topic = 'ledger.other.v1' WHERE notification_id = 30",
            "UPDATE events SET originator_version = 999 WHERE notification_id = 40",
            "UPDATE events SET originator_id = gen_random_uuid() WHERE notification_id = 50",
        ],
        {("edited", at, at) for at in (10, 20, 30, 40, 50)} | {("checkpoint_mismatch", 1, 100)},
    ),
    "the last sealed rows deleted": (
        ["DELETE FROM events WHERE notification_id >= 590"],
        {("truncated", 590, 590), ("checkpoint_mismatch", 513, 590)},
    ),
    "half of the log deleted": (
        ["DELETE FROM events WHERE notification_id > 300"],
        {("truncated", 301, 590), ("checkpoint_mismatch", 301, 512)},
    ),
    "everything deleted": (
        ["TRUNCATE events"],
        {("truncated", 1, 590), ("checkpoint_mismatch", 1, 100)},
    ),
    "middle rows deleted": (
        ["DELETE FROM events WHERE notification_id IN (150, 151, 400)"],
        {("deleted", 150, 151), ("deleted", 400, 400), ("checkpoint_mismatch", 101, 300)},
    ),
    "a middle row deleted and the rest moved up": (
        [
            "DELETE FROM events WHERE notification_id = 550",
            "DROP INDEX events_notification_id",
            "UPDATE events SET notification_id = notification_id - 1 WHERE notification_id > 550",
            "CREATE UNIQUE INDEX events_notification_id ON events (notification_id)",
        ],
        {
            ("deleted", 550, 550),
            ("moved", 550, 589),
            ("inserted", 590, 590),
            ("checkpoint_mismatch", 513, 590),
        },
    ),
    "two rows swapped": (
        [
            "UPDATE events SET notification_id = 10000 WHERE notification_id = 120",
            "UPDATE events SET notification_id = 120 WHERE notification_id = 280",
            "UPDATE events SET notification_id = 280 WHERE notification_id = 10000",
        ],
        {("moved", 120, 120), ("moved", 280, 280), ("checkpoint_mismatch", 101, 300)},
    ),
    "a row put in, and the rest moved down": (
        [
            "DROP INDEX events_notification_id",
            "UPDATE events SET notification_id = notification_id + 1 WHERE notification_id >= 560",
            "CREATE UNIQUE INDEX events_notification_id ON events (notification_id)",
            COPY_ROW.format(561, 560),
        ],
        {("inserted", 560, 560), ("moved", 561, 591), ("checkpoint_mismatch", 513, 590)},
    ),
    "the last checkpoint deleted": (
        ["DELETE FROM checkpoints WHERE number = 4"],
        {("checkpoint_missing", 513, 590)},
    ),
    "a middle checkpoint deleted": (
        ["DELETE FROM checkpoints WHERE number = 2"],
        {("checkpoint_missing", None, 512), ("checkpoint_missing", None, 300)},
    ),
    "a middle checkpoint deleted and the numbers closed": (
        [
            "DELETE FROM checkpoints WHERE number = 2",
            "UPDATE checkpoints SET number = number - 1 WHERE number = 3",
            "UPDATE checkpoints SET number = number - 1 WHERE number = 4",
        ],
        {("checkpoint_missing", None, 300)},
    ),
    "the text of a checkpoint changed": (
        ["UPDATE checkpoints SET note = replace(note, '300', '301') WHERE number = 2"],
        {("checkpoint_forged", None, 300)},
    ),
    "the root beside a checkpoint changed": (
        ["UPDATE checkpoints SET root = sha256('x') WHERE number = 2"],
        {("checkpoint_forged", None, 300)},
    ),
    "nonsense in place of a checkpoint": (
        ["UPDATE checkpoints SET note = 'nonsense' WHERE number = 1"],
        {("checkpoint_forged", None, 100)},
    ),
    "a stored hash of an event changed": (
        ["UPDATE tiles SET hashes = overlay(hashes PLACING sha256('x') FROM 65) WHERE start = 100"],
        {("stored_hashes", 103, 103)},
    ),
    "a stored inner hash changed": (
        ["UPDATE tiles SET hashes = sha256('x') WHERE level = 1 AND start = 0"],
        {("stored_hashes", 1, 256)},
    ),
    "stored hashes deleted": (
        ["DELETE FROM tiles WHERE level = 0 AND start = 300"],
        {("stored_hashes", 301, None)},
    ),
    "all stored hashes deleted": (
        ["TRUNCATE tiles"],
        {("stored_hashes", 1, None), ("stored_hashes", 1, 256)},
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_a_superuser_does_is_found(standing: Ledger, name: str) -> None:
    statements, expected = TAMPERINGS[name]
    with standing.tampered(*statements) as cursor:
        findings = inspect_seal(cursor, standing.keys.trusted).findings
    assert {(found.kind, found.first, found.last) for found in findings} == expected
    assert standing.found() == set()


def test_a_position_that_stands_twice_is_found(ledger: Ledger) -> None:
    ledger.tamper("DROP INDEX events_notification_id", COPY_ROW.format(12, 90))
    # Which of the two comes first is chance: the other findings depend on it.
    assert ("repeated", 90, 90) in ledger.found()


def test_an_event_rewritten_together_with_its_stored_hash_is_bounded(ledger: Ledger) -> None:
    ledger.tamper("UPDATE events SET state = '{}' WHERE notification_id = 350")
    (row,) = ledger.read(lambda cursor: list(rows_between(cursor, 349, 350)))
    forged = leaf_hash(leaf.encode(row)).hex()
    ledger.tamper(
        f"UPDATE tiles SET hashes = overlay(hashes PLACING '\\x{forged}' FROM {49 * 32 + 1}) "
        "WHERE level = 0 AND start = 300"
    )
    assert ledger.found() == {
        ("checkpoint_mismatch", 301, 512),
        ("rewritten", 301, 512),
        ("stored_hashes", 257, 512),  # the level above, which was not adjusted
    }


def test_a_seal_forged_with_another_key_is_found(ledger: Ledger) -> None:
    stranger = Signer(ledger.keys.origin, bytes(32))
    ledger.tamper("UPDATE events SET state = '{}' WHERE notification_id = 250")
    ledger.reseal(SealKeys(stranger, (stranger.verifier,)))
    sizes = (100, 300, 512, 590)
    assert ledger.found() == {("checkpoint_forged", None, size) for size in sizes}


def test_a_seal_forged_with_our_own_key_is_found_by_whoever_kept_a_checkpoint(
    ledger: Ledger,
) -> None:
    kept = ledger.read(last_checkpoint).note
    ledger.tamper("UPDATE events SET state = '{}' WHERE notification_id = 250")
    ledger.reseal()
    assert ledger.found() == set()
    assert ledger.found(kept) == {
        ("checkpoint_missing", None, 590),
        ("outside", 1, 590),
        ("rewritten", 1, 590),
    }


def test_a_log_cut_off_together_with_its_seal_is_found_by_whoever_kept_a_checkpoint(
    ledger: Ledger,
) -> None:
    kept = ledger.read(last_checkpoint).note
    ledger.tamper(
        "DELETE FROM events WHERE notification_id > 512",
        "DELETE FROM checkpoints WHERE size > 512",
        "DELETE FROM tiles WHERE level = 0 AND start >= 512",
    )
    assert ledger.found() == set()
    assert ledger.found(kept) == {
        ("truncated", 513, 590),
        ("checkpoint_missing", None, 590),
        ("outside", 1, 590),
    }


def test_outside_checkpoints_that_prove_nothing(standing: Ledger) -> None:
    stranger = Signer(standing.keys.origin, bytes(32))
    note = stranger.sign(Checkpoint(standing.keys.origin, 590, bytes(32)).text())
    assert standing.found(note) == {("outside", None, None)}
    with pytest.raises(NoteError):
        standing.inspect("nonsense")


def test_many_changes_are_counted_and_the_first_are_named(standing: Ledger) -> None:
    with standing.tampered("UPDATE events SET actor = 'x' WHERE notification_id <= 590") as cursor:
        findings = inspect_seal(cursor, standing.keys.trusted).findings
    assert ("edited", 1, 500) in {(found.kind, found.first, found.last) for found in findings}
    text = "90 more events, up to position 590, are not those that were sealed there"
    assert Finding("edited", 501, 590, text) in findings


def test_nobody_seals_upon_a_broken_seal(standing: Ledger) -> None:
    note = standing.read(last_checkpoint).note
    for statement in (
        "UPDATE events SET state = '{}' WHERE notification_id = 590",
        "DELETE FROM events WHERE notification_id = 590",
        "DELETE FROM events WHERE notification_id = 595",
        "UPDATE tiles SET hashes = overlay(hashes PLACING sha256('x') FROM 1) WHERE start = 512",
        "DELETE FROM tiles WHERE level = 1 AND start = 1",
        "UPDATE checkpoints SET note = replace(note, size::text, '0') WHERE number = 4",
        "TRUNCATE checkpoints",
    ):
        with standing.tampered(statement) as cursor, pytest.raises(SealBrokenError):
            seal_log(cursor, standing.keys)
    assert standing.read(last_checkpoint).note == note
    assert standing.found() == set()


def test_after_a_change_of_the_key_the_old_one_still_counts(ledger: Ledger) -> None:
    new = Signer(ledger.keys.origin, bytes(range(1, 33)))
    ledger.keys = SealKeys(new, (new.verifier,))
    with pytest.raises(SealBrokenError, match="SALDO_LEDGER_SEAL_OLD_KEYS"):
        ledger.seal()
    old = seal_keys(ledger.database.settings, {}).signer.verifier
    ledger.keys = SealKeys(new, (new.verifier, old))
    assert ledger.seal().size == 600
    assert ledger.found() == set()


def test_every_event_can_be_proven_without_us(standing: Ledger) -> None:
    keys = standing.keys.trusted
    for position in (1, 100, 101, 256, 257, 512, 513, 590):
        row, checkpoint = verify_inclusion(standing.inclusion(position), keys)
        assert (row.notification_id, row.state) == (position, b'{"amount":%d}' % position)
        assert checkpoint.size == next(size for size in (100, 300, 512, 590) if size >= position)
    assert verify_inclusion(standing.inclusion(42, 590), keys)[1].size == 590


def test_every_checkpoint_continues_every_older_one(standing: Ledger) -> None:
    for old, new in ((100, 300), (100, 590), (512, 590), (300, None), (590, 590)):
        proof = standing.consistency(old, new)
        checkpoints = verify_consistency(
            proof["old_checkpoint"], proof["new_checkpoint"], proof, standing.keys.trusted
        )
        assert [checkpoint.size for checkpoint in checkpoints] == [old, new or 590]


def test_an_export_of_the_log_is_verified_offline(standing: Ledger) -> None:
    rows = standing.read(lambda cursor: list(rows_between(cursor, 0, 600)))
    lines = [json.dumps(leaf.to_json(row)) for row in rows]
    note = standing.read(last_checkpoint).note
    assert verify_export(lines, note, standing.keys.trusted).size == 590


@pytest.mark.parametrize(
    ("position", "size", "code"),
    [
        (0, None, "event_not_found"),
        (601, None, "event_not_found"),
        (595, None, "not_sealed_yet"),
        (42, 41, "checkpoint_not_found"),
        (101, 100, "event_not_found"),
    ],
)
def test_what_cannot_be_proven_is_said(
    standing: Ledger, position: int, size: int | None, code: str
) -> None:
    with pytest.raises(NotFound) as refused:
        standing.inclusion(position, size)
    assert refused.value.code == code


def test_sizes_without_a_checkpoint_are_refused(standing: Ledger) -> None:
    for old, new in ((99, 590), (100, 599), (300, 100)):
        with pytest.raises(NotFound) as refused:
            standing.consistency(old, new)
        assert refused.value.code == "checkpoint_not_found"


def test_no_proof_is_given_of_a_changed_log(ledger: Ledger) -> None:
    ledger.tamper("UPDATE events SET state = '{}' WHERE notification_id = 250")
    with pytest.raises(SealBrokenError):
        ledger.inclusion(250)
    ledger.tamper("DELETE FROM events WHERE notification_id = 250")
    with pytest.raises(SealBrokenError):
        ledger.inclusion(250)
    ledger.tamper("UPDATE checkpoints SET root = sha256('x') WHERE size = 300")
    with pytest.raises(SealBrokenError):
        ledger.consistency(300)


def test_one_seals_at_a_time(ledger: Ledger) -> None:
    with ledger.database.owner("ledger") as other:
        with other.transaction():
            other.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (LOCK,))
            with ledger.store.session() as session:
                assert seal_log(session.cursor, ledger.keys, wait=False) is None
        assert ledger.seal().added == 10


def test_sealers_and_writers_at_the_same_time(ledger: Ledger) -> None:
    def keep_sealing() -> None:
        for _ in range(10):
            with ledger.store.session() as session:
                seal_log(session.cursor, ledger.keys, limit=7, wait=False)

    threads = [threading.Thread(target=keep_sealing) for _ in range(3)]
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


def test_the_job_seals_and_tells_when_it_cannot(
    ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    @dataclass
    class Services:
        store: PostgresStore
        settings: Any

        def call(self, *_: Any, **__: Any) -> Any:
            raise AssertionError("the sealer calls nobody")

    services = Services(ledger.store, ledger.database.settings)
    assert seal(services) == 10
    assert seal(services) == 0
    ledger.write(1)
    ledger.tamper("UPDATE events SET state = '{}' WHERE notification_id = 600")
    assert seal(services) == 0
    assert "position 600 is not the one that was sealed" in capsys.readouterr().out


def test_the_runtime_role_cannot_change_the_seal(standing: Ledger) -> None:
    for table in ("checkpoints", "tiles"):
        for statement in (
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
            f"ALTER TABLE {table} DISABLE TRIGGER USER",
        ):
            with (
                pytest.raises(psycopg.errors.InsufficientPrivilege),
                standing.store.session() as session,
            ):
                session.cursor.execute(statement)
    with pytest.raises(psycopg.errors.InsufficientPrivilege), standing.store.session() as session:
        session.cursor.execute("UPDATE checkpoints SET note = ''")
    with standing.database.owner("ledger") as owner:
        for statement in ("DELETE FROM tiles", "TRUNCATE checkpoints"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                owner.execute(statement)


@pytest.fixture
def command(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run ``saldo ledger ...`` with the seal's verbs upon the log of the test."""
    settings = ledger.database.settings
    monkeypatch.setenv("SALDO_AMQP_URL", settings.amqp_url)
    monkeypatch.setenv("SALDO_SECRET", settings.secret.hex())
    monkeypatch.setenv("SALDO_DATABASE_URL_LEDGER", settings.database_url_of("ledger"))
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_staff_seal_prove_and_verify(
    ledger: Ledger, command: Callable[..., Result], tmp_path: Path
) -> None:
    assert "10 events are not sealed yet" in command("checkpoint", "--dry-run").stderr
    kept, proof, key = (tmp_path / name for name in ("kept.txt", "proof.json", "key.txt"))
    kept.write_text(command("checkpoint").stdout, encoding="utf-8")
    assert json.loads(command("checkpoint", "--json").stdout)["size"] == 600
    key.write_text(command("key").stdout, encoding="utf-8")
    assert json.loads(command("key", "--json").stdout)["key"] == key.read_text().strip()
    proof.write_text(command("prove", 595, "--json").stdout, encoding="utf-8")
    assert verifier.main([str(proof), "--key", str(key)]) == 0
    assert 'state: {"amount":595}' in command("prove", 595).stdout
    proof.write_text(command("consistency", 300).stdout, encoding="utf-8")
    assert command("consistency", 300, "--json").stdout == proof.read_text(encoding="utf-8")
    assert verifier.main([str(proof), "--key", str(key)]) == 0
    good = command("verify", "--against", kept, "--key", key.read_text().strip())
    assert (good.exit_code, good.stdout.count("0 findings")) == (0, 1)
    ledger.tamper("UPDATE events SET state = '{}' WHERE notification_id = 595")
    bad = command("verify", "--json")
    assert (bad.exit_code, json.loads(bad.stdout)["findings"][-1]["first"]) == (1, 595)
    assert "edited: the event at position 595" in command("verify").stdout
    assert command("prove", 595).exit_code == 1


def test_staff_are_told_what_is_wrong_with_their_input(
    command: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "kept.txt").write_text("nonsense", encoding="utf-8")
    for arguments in (
        ("prove", 601),
        ("prove", 595),
        ("prove", 0),
        ("consistency", 99),
        ("verify", "--key", "nonsense"),
        ("verify", "--against", tmp_path / "kept.txt"),
        ("verify", "--against", tmp_path / "nowhere"),
    ):
        assert command(*arguments).exit_code == 2
