"""Migrations of an installation that works: they stop nobody, and go on where they were stopped."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from services.__main__ import main
from shared import database as database_module
from shared.config import ConfigurationError
from shared.eventstore.migration_runner import Patience
from shared.eventstore.migration_status import status_of
from shared.eventstore.migration_steps import MigrationError, step_of
from shared.eventstore.migrations import migrate
from shared.eventstore.schema_level import check_levels
from tests.architecture.migration_rules import findings
from tests.conftest import Database
from tests.service_process import environment_of
from tests.waiting import eventually

READING = "BEGIN; SELECT count(*) FROM houses"
INDEX = "CREATE INDEX CONCURRENTLY houses_by_street ON houses (street);"
FILL = """
WITH batch AS (
    SELECT id FROM houses WHERE id > coalesce(:after::bigint, 0) ORDER BY id LIMIT :limit
), filled AS (
    UPDATE houses AS h SET filled = h.filled + 1 FROM batch WHERE h.id = batch.id
)
SELECT max(id)::text AS point, count(*) AS done FROM batch
"""
HOUSES = 20


class Trial:
    """The schema of the ledger with a table of ours, and files that migrate it."""

    def __init__(self, database: Database, folder: Path, pool: ThreadPoolExecutor) -> None:
        self.database = database
        self.folder = folder
        self.told: list[str] = []
        self._pool = pool
        with self.connect() as owner:
            owner.execute(
                "CREATE TABLE houses (id bigint PRIMARY KEY, street text NOT NULL DEFAULT '', "
                "filled integer NOT NULL DEFAULT 0)"
            )
            owner.execute("INSERT INTO houses SELECT generate_series(1, %s)", (HOUSES,))

    def add(self, name: str, kind: str, sql: str) -> None:
        """Write a file of a kind; an empty one: of before there were kinds."""
        header = f"-- migrate: {kind}\n" if kind else ""
        (self.folder / name).write_text(header + sql, encoding="utf-8")

    def migrate(self, **options: Any) -> list[str]:
        """Migrate; return the names of the applied files."""
        settings = self.database.settings
        url = settings.database_url_of("ledger")
        return migrate(
            settings.database_url, "ledger", url, self.folder, self.told.append, **options
        )

    def begin(self, **options: Any) -> Future[list[str]]:
        """Migrate in a thread."""
        return self._pool.submit(self.migrate, **options)

    def end_migrator(self) -> None:
        """End the connection of the migrator, and what it does on the server."""
        with self.connect() as owner:
            owner.execute(
                "SELECT pg_terminate_backend(a.pid, 5000) FROM pg_locks AS l "
                "JOIN pg_stat_activity AS a USING (pid), "
                "(SELECT hashtextextended('saldo.migrate', 0) AS key) AS wanted "
                "WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database() "
                "AND l.classid = ((wanted.key >> 32) & 4294967295)::oid "
                "AND l.objid = (wanted.key & 4294967295)::oid"
            )

    def progress(self, name: str) -> dict[str, Any]:
        """Return what whoever looks is told of a step; nothing if nothing is told."""
        with self.connect() as owner, owner.cursor(row_factory=dict_row) as cursor:
            cursor.execute("SELECT * FROM migration_progress WHERE name = %s", (name,))
            return cursor.fetchone() or {}

    def connect(self) -> psycopg.Connection[Any]:
        """Connect as the owner, with the patience of a service."""
        connection = self.database.owner("ledger")
        connection.execute("SET lock_timeout = '2s'")
        return connection

    def one(self, query: str) -> Any:
        """Return the first value of a query."""
        with self.connect() as connection:
            row = connection.execute(query).fetchone()
            return row[0] if row else None

    def waits(self) -> bool:
        """Return whether anybody waits for a lock on a table of the schema."""
        return bool(self.one("SELECT count(*) FROM pg_locks WHERE NOT granted"))


@pytest.fixture
def trial(database: Database, tmp_path: Path) -> Iterator[Trial]:
    with ThreadPoolExecutor() as pool:
        yield Trial(database, tmp_path, pool)


@pytest.fixture
def others(trial: Trial) -> Iterator[Callable[[], psycopg.Connection[Any]]]:
    """Open connections of other processes: closed before the migrations are waited for."""
    opened: list[psycopg.Connection[Any]] = []

    def open_one() -> psycopg.Connection[Any]:
        opened.append(trial.connect())
        return opened[-1]

    yield open_one
    for connection in opened:
        connection.close()


@pytest.mark.parametrize("kind", ["", "expand"])
def test_whoever_comes_behind_a_waiting_migration_is_not_kept(
    trial: Trial, others: Callable[[], psycopg.Connection[Any]], kind: str
) -> None:
    reader, writer = others(), others()
    reader.execute(READING)
    trial.add("0901_floors.sql", kind, "ALTER TABLE houses ADD COLUMN floors integer;")
    migrating = trial.begin()
    eventually(trial.waits, "the migration waits for its lock")
    for _ in range(5):  # each would be ended by its lock_timeout, as a service's would
        writer.execute("UPDATE houses SET street = 'Main' WHERE id = 1")
    assert not migrating.done()
    reader.execute("COMMIT")
    assert migrating.result(30) == ["0901_floors.sql"]
    assert trial.one("SELECT count(floors) FROM houses") == 0


def test_two_migrators_at_once_apply_each_step_once(trial: Trial) -> None:
    trial.add("0901_street.sql", "concurrent", INDEX)
    trial.add("0902_fill.sql", "backfill batch=3 pause=0", FILL)
    begun = [trial.begin() for _ in range(3)]
    applied = [name for each in begun for name in each.result(60)]
    assert sorted(applied) == ["0901_street.sql", "0902_fill.sql"]
    assert trial.one("SELECT count(*) FROM houses WHERE filled = 1") == HOUSES


def test_a_backfill_that_was_interrupted_goes_on_from_its_point(
    trial: Trial, others: Callable[[], psycopg.Connection[Any]]
) -> None:
    writer = others()
    writer.execute("BEGIN; UPDATE houses SET street = 'Main' WHERE id = 8")
    trial.add("0901_fill.sql", "backfill batch=3 pause=0", FILL)
    migrating = trial.begin()
    eventually(trial.waits, "the backfill waits for the row of somebody else")
    trial.end_migrator()
    with pytest.raises(psycopg.OperationalError):
        migrating.result(30)
    assert trial.progress("0901_fill.sql")["point"] == "6"
    assert trial.one("SELECT count(*) FROM houses WHERE filled = 1") == 6
    writer.execute("COMMIT")
    assert trial.migrate() == ["0901_fill.sql"]
    assert trial.one("SELECT count(*) FROM houses WHERE filled = 1") == HOUSES
    found = trial.progress("0901_fill.sql")
    assert (found["state"], found["rows"]) == ("done", HOUSES)
    assert trial.migrate() == []


def test_a_backfill_waits_for_a_row_and_keeps_no_others(
    trial: Trial, others: Callable[[], psycopg.Connection[Any]]
) -> None:
    holder, writer = others(), others()
    holder.execute("BEGIN; UPDATE houses SET street = 'Main' WHERE id = 6")
    trial.add("0901_fill.sql", "backfill batch=3 pause=0", FILL)
    migrating = trial.begin(patience=Patience(row_lock_ms=200))
    eventually(
        lambda: trial.progress("0901_fill.sql").get("state") == "waiting", "the backfill waits"
    )
    assert "saldo-" not in trial.progress("0901_fill.sql")["detail"]  # the holder has no name
    writer.execute("UPDATE houses SET street = 'Main' WHERE id IN (1, 2, 3, 4, 5)")
    holder.execute("COMMIT")
    assert migrating.result(30) == ["0901_fill.sql"]
    assert trial.one("SELECT min(filled) FROM houses") == 1


def test_a_backfill_that_does_not_move_on_is_refused(trial: Trial) -> None:
    same = "SELECT '1' AS point, 1 AS done WHERE :after::text IS NULL OR :limit > 0"
    trial.add("0901_fill.sql", "backfill", same)
    with pytest.raises(MigrationError, match="does not move on"):
        trial.migrate()
    assert trial.progress("0901_fill.sql")["state"] == "failed"


def test_an_index_that_was_left_half_built_is_built_anew(
    trial: Trial, others: Callable[[], psycopg.Connection[Any]]
) -> None:
    reader = others()
    reader.execute("BEGIN; UPDATE houses SET street = 'Main' WHERE id = 1")
    trial.add("0901_street.sql", "concurrent", INDEX)
    migrating = trial.begin()
    eventually(trial.waits, "the index waits for a transaction that began before it")
    writer = others()
    writer.execute("UPDATE houses SET street = 'Side' WHERE id = 2")  # others work meanwhile
    trial.end_migrator()
    with pytest.raises(psycopg.OperationalError):
        migrating.result(30)
    assert not trial.one("SELECT indisvalid FROM pg_index JOIN pg_class AS c ON c.oid = indexrelid"
                         " WHERE relname = 'houses_by_street'")  # fmt: skip
    reader.execute("COMMIT")
    assert trial.migrate() == ["0901_street.sql"]
    assert trial.one("SELECT indisvalid FROM pg_index JOIN pg_class AS c ON c.oid = indexrelid"
                     " WHERE relname = 'houses_by_street'")  # fmt: skip
    assert any("half built" in line for line in trial.told)


def test_steps_of_which_only_the_record_is_missing_are_recorded(trial: Trial) -> None:
    """An index was built, and the migrator ended before it could say so."""
    with trial.connect() as owner:
        owner.execute(INDEX)
    trial.add("0901_street.sql", "concurrent", INDEX)
    assert trial.migrate() == ["0901_street.sql"]


def test_an_index_of_values_that_are_not_unique_leaves_nothing(trial: Trial) -> None:
    trial.add("0901_street.sql", "concurrent", INDEX.replace("CREATE", "CREATE UNIQUE"))
    with pytest.raises(MigrationError, match="houses_by_street cannot be built: some rows"):
        trial.migrate()
    assert trial.one("SELECT to_regclass('houses_by_street')") is None


def test_a_constraint_is_validated_while_others_work(
    trial: Trial, others: Callable[[], psycopg.Connection[Any]]
) -> None:
    check = "ALTER TABLE houses ADD CONSTRAINT streets CHECK (street <> 'x') NOT VALID;"
    trial.add("0901_check.sql", "expand", check)
    trial.add("0902_check.sql", "concurrent", "ALTER TABLE houses VALIDATE CONSTRAINT streets;")
    assert trial.migrate() == ["0901_check.sql", "0902_check.sql"]
    assert trial.one("SELECT convalidated FROM pg_constraint WHERE conname = 'streets'")


def test_a_short_step_that_takes_long_is_given_up_and_leaves_nothing(trial: Trial) -> None:
    slow = "ALTER TABLE houses ADD COLUMN floors integer; SELECT pg_sleep(60);"
    trial.add("0901_floors.sql", "expand", slow)
    with pytest.raises(MigrationError, match=r"could not be applied .*QueryCanceled"):
        trial.migrate(patience=Patience(statement_ms=200, give_up_s=0))
    columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'houses'::regclass AND attnum > 0"
    assert trial.one(columns) == 3
    assert trial.progress("0901_floors.sql")["state"] == "failed"


def test_whoever_looks_sees_what_a_migration_waits_for(
    trial: Trial, others: Callable[[], psycopg.Connection[Any]]
) -> None:
    reader = others()
    reader.execute("SET application_name = 'saldo-ledger'")
    reader.execute(READING)
    trial.add("0901_floors.sql", "expand", "ALTER TABLE houses ADD COLUMN floors integer;")
    migrating = trial.begin()
    found = eventually(lambda: trial.progress("0901_floors.sql"), "the migration waits")
    assert found["state"] == "waiting"
    assert f"saldo-ledger (pid {reader.info.backend_pid}, idle in transaction" in found["detail"]
    assert any("0901_floors.sql waits for saldo-ledger" in line for line in trial.told)
    reader.execute("COMMIT")
    migrating.result(30)
    assert trial.progress("0901_floors.sql")["state"] == "done"


def test_contract_step_waits_until_no_older_version_runs(
    trial: Trial,
    others: Callable[[], psycopg.Connection[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trial.add("0901_floors.sql", "expand", "ALTER TABLE houses ADD COLUMN floors integer;")
    trial.add("0902_street.sql", "contract level=2", "ALTER TABLE houses DROP COLUMN street;")
    trial.add("0903_fill.sql", "backfill level=1", FILL)
    trial.add("0904_doors.sql", "expand", "ALTER TABLE houses ADD COLUMN doors integer;")
    assert trial.migrate() == ["0901_floors.sql", "0904_doors.sql"]
    assert any("0902_street.sql waits until the roll-out is over" in line for line in trial.told)
    older, newer, other = others(), others(), others()
    older.execute("SET application_name = 'saldo-ledger'")
    newer.execute("SET application_name = 'saldo-ledger/2'")
    other.execute("SET application_name = 'saldo-payments'")  # another schema is none of its
    with pytest.raises(MigrationError, match=r"level 2 take away: saldo-ledger \(1 connections\)"):
        trial.migrate(contract=True)
    older.execute("SET application_name = 'saldo-ledger/1'")
    with pytest.raises(MigrationError, match=r"saldo-ledger/1 \(1 connections\)"):
        trial.migrate(contract=True)
    older.close()
    gone = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'saldo-ledger/1'"
    eventually(lambda: trial.one(f"{gone} AND datname = current_database()"), "it is gone")
    settings = trial.database.settings
    check_levels(settings, ["ledger", "payments"])
    assert trial.migrate(contract=True) == ["0902_street.sql", "0903_fill.sql"]
    with pytest.raises(ConfigurationError, match=r"ledger are those of a newer version \(level 2"):
        check_levels(settings, ["payments", "ledger"])
    monkeypatch.setattr(database_module, "LEVEL", 2)
    check_levels(settings, ["payments", "ledger"])


def test_a_process_starts_without_a_database_that_could_tell(database: Database) -> None:
    away = replace(database.settings, database_urls={"ledger": "postgresql://a@127.0.0.1:1/b"})
    check_levels(away, ["ledger"])


def test_file_applied_before_there_were_kinds_is_not_applied_again(trial: Trial) -> None:
    trial.add("0901_floors.sql", "", "ALTER TABLE houses ADD COLUMN floors integer;")
    assert trial.migrate() == ["0901_floors.sql"]
    digest = sha256((trial.folder / "0901_floors.sql").read_bytes()).hexdigest()
    stored = trial.one("SELECT digest FROM migrations WHERE name = '0901_floors.sql'")
    assert stored == digest
    trial.add("0901_floors.sql", "expand", "ALTER TABLE houses ADD COLUMN floors integer;")
    with pytest.raises(MigrationError, match="was applied with other content"):
        trial.migrate()


def test_a_new_schema_gets_all_steps_at_once(trial: Trial) -> None:
    trial.add("0901_houses.sql", "expand", "CREATE TABLE houses (id bigint, street text);")
    trial.add("0902_street.sql", "contract level=2", "ALTER TABLE houses DROP COLUMN street;")
    with trial.connect() as owner:
        owner.execute("DROP SCHEMA ledger CASCADE")
    assert trial.migrate()[-2:] == ["0901_houses.sql", "0902_street.sql"]


def test_the_example_of_the_documents_works(trial: Trial) -> None:
    text = (Path(__file__).parents[2] / "docs" / "upgrading.md").read_text(encoding="utf-8")
    files = re.findall(r"```sql\n-- (\d+_\w+\.sql)\n(.*?)```", text, re.DOTALL)
    for name, sql in files:
        trial.add(name, "", sql)
    steps = [step_of(name, sql) for name, sql in files]
    for place, step in enumerate(steps):
        assert findings(step, steps[:place]) == []
    insert = (
        "INSERT INTO imports (digest, kind, file_name, size, actor, reason, attempt, started_at) "
        "SELECT n::text, 'charges', 'a.b.csv', 1, 'x', 'x', 1, now() FROM generate_series({}) n"
    )
    with trial.connect() as older:
        older.execute(insert.format("1, 2500"))
        assert trial.migrate() == [step.name for step in steps[:3]]
        older.execute(insert.format("2501, 2502"))
        assert trial.migrate(contract=True) == [steps[3].name]
        with pytest.raises(psycopg.errors.NotNullViolation):
            older.execute(insert.format("2503, 2503"))
    assert trial.one("SELECT count(*) FROM imports WHERE suffix = 'csv'") == 2502


def test_the_status_names_what_is_not_applied(
    trial: Trial, others: Callable[[], psycopg.Connection[Any]]
) -> None:
    reader = others()
    reader.execute("BEGIN; UPDATE houses SET street = 'Main' WHERE id = 1")
    trial.add("0901_street.sql", "concurrent", INDEX)
    trial.add("0902_street.sql", "contract level=2", "ALTER TABLE houses DROP COLUMN street;")
    trial.add("0903_doors.sql", "expand", "ALTER TABLE houses ADD COLUMN doors integer;")

    def status() -> list[tuple[str, str]]:
        found = status_of(trial.database.settings.database_url, "ledger", trial.folder)
        return [(one.name, f"{one.state} {one.detail}".strip()) for one in found]

    later = [("0902_street.sql", "after the roll-out"), ("0903_doors.sql", "next")]
    assert status() == [("0901_street.sql", "next"), *later]
    migrating = trial.begin()
    eventually(trial.waits, "the index waits for a transaction that began before it")
    building, *rest = status()
    assert building[1].startswith("running CREATE INDEX CONCURRENTLY houses_by_street ON houses: ")
    assert rest == later
    reader.execute("COMMIT")
    migrating.result(30)
    assert status() == later[:1]


@pytest.fixture
def as_operator(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of whoever migrates."""
    for name, value in environment_of(database, "ledger").items():
        monkeypatch.setenv(name, value)
    settings = database.settings
    monkeypatch.setenv("SALDO_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("SALDO_KEYS_DATABASE_URL", settings.keys_database_url)


@pytest.mark.usefixtures("as_operator")
def test_the_operator_is_told_how_far_the_migrations_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["migrate", "--status", "ledger", "accounts"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ledger: all migrations are applied",
        "accounts: all migrations are applied",
    ]


@pytest.mark.usefixtures("as_operator")
def test_a_migration_that_cannot_be_applied_ends_the_migrator_with_two(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", "--contract", "ledger"]) == 0
    with database.owner("ledger") as owner:
        owner.execute("UPDATE migrations SET digest = 'x' WHERE name = '0001_tables.sql'")
    assert main(["migrate", "ledger"]) == 2
    assert "ledger/0001_tables.sql was applied with other content" in capsys.readouterr().err
    assert main(["migrate", "ledger", "--status"]) == 2
