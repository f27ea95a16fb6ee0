"""A new migration keeps nobody from a table for long: each way to do that is refused."""

from __future__ import annotations

from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest

from services.discovery import migrations_of
from shared import database
from shared.config import SERVICES
from shared.eventstore.migration_steps import Kind, Step, step_of
from shared.eventstore.migrations import KEYS, steps_in
from tests.architecture.migration_rules import findings

BEFORE_KINDS = frozenset(
    Path(__file__).with_name("migrations_before_kinds.txt").read_text(encoding="utf-8").split()
)
"""The files of before there were kinds. They are applied everywhere, and the list never grows."""


def _keys() -> list[Step]:
    here = files("shared.eventstore")
    return [step_of(name, here.joinpath(name).read_text(encoding="utf-8")) for name in KEYS]


def _named(service: str, step: Step) -> str:
    base = step.name.removeprefix("0000_")
    return f"eventstore/{base}" if step.name != base else f"{service}/{step.name}"


ALL = {service: steps_in(migrations_of(service)) for service in SERVICES}


@pytest.mark.parametrize("service", SERVICES)
def test_migrations_leave_tables_to_those_who_use_them(service: str) -> None:
    steps = ALL[service]
    for place, step in enumerate(steps):
        if _named(service, step) not in BEFORE_KINDS:
            assert findings(step, steps[:place]) == [], _named(service, step)


def test_only_files_of_before_have_no_kind() -> None:
    whole = {
        _named(service, step)
        for service, steps in ALL.items()
        for step in steps
        if step.kind is Kind.WHOLE
    }
    whole |= {f"eventstore/{step.name}" for step in _keys() if step.kind is Kind.WHOLE}
    assert whole == BEFORE_KINDS


def test_the_level_of_this_version_is_that_of_the_last_contract_step() -> None:
    levels = sorted({step.level for steps in ALL.values() for step in steps if step.level})
    assert [database.LEVEL, *levels][-1] == database.LEVEL == max(levels, default=0)
    assert all(after - before == 1 for before, after in pairwise([0, *levels]))


REFUSED = {
    "ALTER TABLE houses ADD COLUMN floors integer NOT NULL": "a DEFAULT",
    "ALTER TABLE houses ADD COLUMN key uuid DEFAULT gen_random_uuid()": "computed for each row",
    "ALTER TABLE houses ADD floors integer, ADD at timestamptz DEFAULT clock_timestamp()": (
        "computed for each row"
    ),
    "ALTER TABLE houses ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY": "rewrites the table",
    "ALTER TABLE houses ADD COLUMN id bigserial": "rewrites the table",
    "ALTER TABLE houses ADD COLUMN b int GENERATED ALWAYS AS (a + 1) STORED": "rewrites the table",
    "ALTER TABLE houses ADD COLUMN lane int NOT NULL DEFAULT 1 CHECK (lane > 0)": "add it apart",
    "ALTER TABLE houses ADD COLUMN street text REFERENCES streets": "add it apart",
    "ALTER TABLE houses ALTER COLUMN floors TYPE bigint": "change of type",
    "ALTER TABLE houses ALTER floors SET DATA TYPE bigint": "change of type",
    "ALTER TABLE houses ALTER COLUMN floors SET NOT NULL": "first CHECK (floors IS NOT NULL)",
    "ALTER TABLE houses ALTER COLUMN floors DROP DEFAULT": "contract step",
    "ALTER TABLE houses ADD CONSTRAINT c CHECK (floors > 0)": "NOT VALID",
    "ALTER TABLE houses ADD FOREIGN KEY (street) REFERENCES streets": "NOT VALID",
    "ALTER TABLE houses ADD CONSTRAINT c UNIQUE (street)": "USING INDEX",
    "ALTER TABLE houses ADD PRIMARY KEY (id)": "USING INDEX",
    "ALTER TABLE houses ADD CONSTRAINT c EXCLUDE USING gist (a WITH &&)": "no other way",
    "ALTER TABLE houses VALIDATE CONSTRAINT c": "a concurrent step",
    "ALTER TABLE houses RENAME TO buildings": "older versions use the name",
    "ALTER TABLE houses RENAME COLUMN a TO b": "older versions use the name",
    "ALTER TABLE houses DROP COLUMN street": "a contract step drops it",
    "ALTER TABLE houses DROP street": "a contract step drops it",
    "ALTER TABLE houses SET UNLOGGED": "it rewrites",
    "DROP TABLE houses": "a contract step drops it",
    "CREATE INDEX houses_by_street ON houses (street)": "a concurrent step",
    "CREATE UNIQUE INDEX ON houses (street)": "a concurrent step",
    "CREATE INDEX CONCURRENTLY a ON houses (street)": "cannot run in a transaction",
    "DROP INDEX houses_by_street": "DROP INDEX CONCURRENTLY",
    "UPDATE houses SET floors = 1": "by a backfill",
    "DELETE FROM houses WHERE floors = 0": "by a backfill",
    "INSERT INTO houses SELECT * FROM buildings": "by a backfill",
    "WITH a AS (SELECT 1) UPDATE houses SET floors = 1 FROM a": "by a backfill",
    "TRUNCATE houses": "from everybody",
    "LOCK TABLE houses": "from everybody",
    "VACUUM FULL houses": "for long",
    "REFRESH MATERIALIZED VIEW sums": "for long",
    "DO $$ BEGIN ALTER TABLE houses DROP COLUMN street; END $$": "hides",
    "ALTER TABLE houses ADD COLUMN a int; ALTER TABLE streets ADD COLUMN b int": "at once",
    "ALTER TABLE houses ADD COLUMN a int; CREATE TRIGGER t AFTER INSERT ON streets "
    "FOR EACH ROW EXECUTE FUNCTION f()": "at once",
}


@pytest.mark.parametrize("sql", REFUSED)
def test_statement_that_keeps_others_from_a_table_is_refused(sql: str) -> None:
    found = findings(step_of("0901_x.sql", f"-- migrate: expand\n{sql};"), [])
    assert any(REFUSED[sql] in one for one in found), found


ALLOWED = [
    (
        "CREATE TABLE houses (id bigint PRIMARY KEY); CREATE INDEX a ON houses (id); "
        "INSERT INTO houses SELECT * FROM streets; ALTER TABLE houses ADD PRIMARY KEY (id)"
    ),
    "ALTER TABLE houses ADD COLUMN floors integer, ADD COLUMN lane text NOT NULL DEFAULT 'a b'",
    "ALTER TABLE houses ADD COLUMN at timestamptz NOT NULL DEFAULT now()",
    "ALTER TABLE houses ADD COLUMN types jsonb NOT NULL DEFAULT '{}'::jsonb",
    "ALTER TABLE houses DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (floors > 0) NOT VALID",
    "ALTER TABLE houses ADD CONSTRAINT c UNIQUE USING INDEX houses_by_street",
    "ALTER TABLE houses SET (fillfactor = 50)",
    "ALTER TABLE houses ALTER COLUMN floors DROP NOT NULL, ALTER COLUMN a SET DEFAULT 1",
    "INSERT INTO houses VALUES (1); INSERT INTO streets (name) VALUES ('update t set a')",
    (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE houses SET a = 1; "
        "END $$; CREATE TRIGGER t BEFORE INSERT ON houses FOR EACH ROW EXECUTE FUNCTION f()"
    ),
    "COMMENT ON COLUMN houses.floors IS 'DROP TABLE houses'",
]


@pytest.mark.parametrize("sql", ALLOWED)
def test_statement_that_locks_for_an_instant_is_allowed(sql: str) -> None:
    assert findings(step_of("0901_x.sql", f"-- migrate: expand\n{sql};"), []) == []


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE houses DROP COLUMN street",
        "DROP TABLE houses",
        "ALTER TABLE houses ALTER COLUMN floors DROP DEFAULT",
    ],
)
def test_a_contract_step_takes_away(sql: str) -> None:
    assert findings(step_of("0901_x.sql", f"-- migrate: contract level=1\n{sql};"), []) == []


def test_not_null_is_set_where_a_validated_check_says_so() -> None:
    check = "ALTER TABLE houses ADD CONSTRAINT has_floors CHECK (floors IS NOT NULL) NOT VALID;"
    valid = "ALTER TABLE houses VALIDATE CONSTRAINT has_floors;"
    added = step_of("0901_x.sql", f"-- migrate: expand\n{check}")
    validated = step_of("0902_x.sql", f"-- migrate: concurrent\n{valid}")
    last = step_of(
        "0903_x.sql", "-- migrate: expand\nALTER TABLE houses ALTER COLUMN floors SET NOT NULL;"
    )
    assert findings(last, [added, validated]) == []
    assert findings(last, [added]) != []
    assert findings(last, [validated]) != []


def test_a_file_says_its_kind() -> None:
    [found] = findings(step_of("0901_x.sql", "SELECT 1;"), [])
    assert "say its kind" in found
