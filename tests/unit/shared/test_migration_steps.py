"""Migration files: kinds, options and statements."""

from __future__ import annotations

import pytest

from shared.eventstore.migration_steps import (
    BATCH,
    Kind,
    MigrationError,
    index_made_by,
    split,
    step_of,
    with_parameters,
)

BACKFILL = "UPDATE t SET a = 1 WHERE id > :after ORDER BY id LIMIT :limit"


def test_a_file_without_a_kind_is_one_transaction() -> None:
    step = step_of("0001_tables.sql", "-- Tables.\n\nCREATE TABLE t (a int);")
    assert (step.kind, dict(step.options)) == (Kind.WHOLE, {})


def test_a_file_says_its_kind_in_a_comment_at_its_top() -> None:
    text = "-- What it is for.\n-- migrate: expand\n\nSELECT 1;"
    assert step_of("0002_more.sql", text).kind is Kind.EXPAND


def test_a_concurrent_step_has_statements_that_may_be_repeated() -> None:
    text = (
        "-- migrate: concurrent level=2\n"
        "create unique index concurrently if not exists a_b on a (b);\n"
        "DROP INDEX CONCURRENTLY IF EXISTS a_c;\nALTER TABLE a VALIDATE CONSTRAINT d;"
    )
    step = step_of("0002_more.sql", text)
    assert (step.kind, step.level) == (Kind.CONCURRENT, 2)
    assert [index_made_by(one) for one in step.statements] == ["a_b", None, None]


def test_a_comment_below_the_first_statement_says_no_kind() -> None:
    assert step_of("0002_more.sql", "SELECT 1;\n-- migrate: expand").kind is Kind.WHOLE


def test_a_backfill_has_a_batch_and_a_pause() -> None:
    step = step_of("0003_fill.sql", f"-- migrate: backfill batch=200 pause=0.5\n{BACKFILL}")
    assert (step.kind, step.batch, step.pause_s) == (Kind.BACKFILL, 200, 0.5)
    assert step_of("0003_fill.sql", f"-- migrate: backfill\n{BACKFILL}").batch == BATCH


def test_a_contract_step_has_a_level() -> None:
    text = "-- migrate: contract level=3\nALTER TABLE t DROP COLUMN a;"
    assert step_of("0004_drop.sql", text).level == 3


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("-- migrate: grow\nSELECT 1", "'grow' is no kind"),
        ("-- migrate:\nSELECT 1", "'' is no kind"),
        ("-- migrate: whole\nSELECT 1", "'whole' is no kind"),
        ("-- migrate: expand\n-- migrate: contract level=1\nSELECT 1", "twice"),
        ("-- migrate: expand batch=10\nSELECT 1", "'batch=10' is no option"),
        (f"-- migrate: backfill batch=many\n{BACKFILL}", "'batch=many' is no option"),
        ("-- migrate: expand level=1\nSELECT 1", "'level=1' is no option"),
        ("-- migrate: concurrent\nCREATE INDEX CONCURRENTLY ON a (b)", "with a name"),
        ("-- migrate: concurrent\nCREATE INDEX a_b ON a (b)", "with a name"),
        ("-- migrate: concurrent\nDROP INDEX CONCURRENTLY a_b", "IF EXISTS"),
        ("-- migrate: concurrent\nUPDATE a SET b = 1", "may be repeated"),
        ("-- migrate: contract\nSELECT 1", "names its level"),
        ("-- migrate: contract level=0\nSELECT 1", "names its level"),
        (f"-- migrate: backfill\n{BACKFILL}; SELECT 1", "one statement"),
        ("-- migrate: backfill\nUPDATE t SET a = 1 WHERE id > :after", "one statement"),
        ("-- migrate: backfill\nUPDATE t SET a = '1'::after LIMIT :limit", "one statement"),
    ],
)
def test_a_file_that_says_something_else_is_refused(text: str, why: str) -> None:
    with pytest.raises(MigrationError, match=why):
        step_of("0005_wrong.sql", text)


def test_statements_end_at_semicolons_that_are_not_quoted() -> None:
    text = """
    -- one; two
    CREATE FUNCTION f() RETURNS text AS $$ BEGIN; $a$ ; $a$ END $$;
    /* a ; b */ SELECT 'it''s; here', "odd;name" ;
    ALTER TABLE t - 1
    """
    assert list(split(text)) == [
        "CREATE FUNCTION f() RETURNS text AS $$ BEGIN; $a$ ; $a$ END $$",
        "SELECT 'it''s; here', \"odd;name\"",
        "ALTER TABLE t - 1",
    ]
    assert list(split("SELECT 'DROP TABLE', $x$;$x$, \"a\"", quoted=False)) == [
        "SELECT '', '', \"a\""
    ]


def test_a_backfill_gets_its_point_and_its_limit() -> None:
    statement = "SELECT a::text, 5 % 2 FROM t WHERE id > coalesce(:after, '')::uuid LIMIT :limit"
    assert with_parameters(statement) == (
        "SELECT a::text, 5 %% 2 FROM t WHERE id > coalesce(%(after)s::text, '')::uuid "
        "LIMIT %(limit)s::bigint"
    )
