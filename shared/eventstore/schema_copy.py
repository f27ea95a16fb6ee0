"""Copying the rows of a schema into one of the same version in another database.

By COPY, in the snapshot of one moment, and in one transaction there: a copy that breaks off leaves
nothing. Both schemas are made by the same migrations, so that only rows are copied, and where
sequences stand. The log, which only grows, can be copied ahead, while others append to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import psycopg
from psycopg import IsolationLevel, sql

from shared.eventstore.freezing import tables_of

Progress = Callable[[int], None]
"""Called with numbers of bytes that were copied."""

LOG, POSITION = "events", "notification_id"
"""The table that rows are only added to, and the column that says which were added later."""
LITTLE = 5_000
"""How many events may be left to be copied when nobody appends any more."""
PIECE = 500_000
"""How many are copied ahead in one transaction: what breaks off begins again there."""
ROUNDS = 10
"""How often what was appended meanwhile is copied ahead, too."""

_COLUMNS = """
SELECT attname FROM pg_attribute
 WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
 ORDER BY attnum
"""
_REFERENCES = """
SELECT c.relname, r.relname FROM pg_constraint AS k
  JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_class AS r ON r.oid = k.confrelid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE k.contype = 'f' AND n.nspname = %s AND c.oid <> r.oid
"""
_SEQUENCES = "SELECT sequencename FROM pg_sequences WHERE schemaname = %s ORDER BY 1"
_MIGRATIONS = "SELECT name FROM {} ORDER BY name"
# What a row is, as text, does not depend on where it lies.
_DIGEST = """
SELECT count(*), coalesce(sum(hashtextextended(one::text, 0)::numeric), 0)::text
  FROM {table} AS one WHERE {which}
"""
_LAST = "SELECT coalesce(max({position}), 0) FROM {log}"
_SIZE = """
SELECT coalesce(sum(pg_table_size(c.oid)), 0)::bigint FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind = 'r'
"""
_SAME_TEXT = (
    "SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; "
    "SET bytea_output = 'hex'; SET extra_float_digits = 1; SET statement_timeout = 0"
)


class Digest(NamedTuple):
    """How many rows a table has, and a sum over them that does not depend on their order."""

    rows: int
    sum: str


class SchemaCopyError(Exception):
    """The rows cannot be copied; the text says why."""


def size_of(connection: psycopg.Connection[Any], schema: str) -> int:
    """Return the bytes of the tables of a schema."""
    row = connection.execute(_SIZE, (schema,)).fetchone()
    return int(row[0]) if row else 0


def digests(
    connection: psycopg.Connection[Any], schema: str, after: int = 0
) -> Mapping[str, Digest]:
    """Return what the tables of a schema hold, for a comparison with a copy.

    Of the log what comes after a position.
    """
    connection.execute(_SAME_TEXT)
    return {
        table: _digest(connection, schema, table, _since(after) if table == LOG else _ALL)
        for table in tables_of(connection, schema)
    }


def digest_of_log(connection: psycopg.Connection[Any], schema: str, through: int) -> Digest:
    """Return what the log holds up to a position: it never changes."""
    connection.execute(_SAME_TEXT)
    which = sql.SQL("{} <= {}").format(sql.Identifier(POSITION), sql.Literal(through))
    return _digest(connection, schema, LOG, which)


_ALL = sql.SQL("true")


def _since(after: int) -> sql.Composed:
    return sql.SQL("{} > {}").format(sql.Identifier(POSITION), sql.Literal(after))


def _digest(
    connection: psycopg.Connection[Any], schema: str, table: str, which: sql.Composable
) -> Digest:
    statement = sql.SQL(_DIGEST).format(table=sql.Identifier(schema, table), which=which)
    row = connection.execute(statement).fetchone()
    return Digest(*row) if row else Digest(0, "")


def last_position(connection: psycopg.Connection[Any], schema: str) -> int:
    """Return the last position of the log; 0 without one."""
    names = {"position": sql.Identifier(POSITION), "log": sql.Identifier(schema, LOG)}
    row = connection.execute(sql.SQL(_LAST).format(**names)).fetchone()
    return int(row[0]) if row else 0


def copy_ahead(
    source: psycopg.Connection[Any],
    target: psycopg.Connection[Any],
    schema: str,
    progress: Progress = lambda _: None,
) -> None:
    """Copy the log but for little of it, while others append to it."""
    source.execute("SET statement_timeout = 0")
    for _ in range(ROUNDS):
        done, end = last_position(target, schema), last_position(source, schema)
        if end - done <= LITTLE:
            return
        for begin in range(done, end, PIECE):
            through = min(begin + PIECE, end)
            which = sql.SQL("{} > {} AND {} <= {}").format(
                sql.Identifier(POSITION),
                sql.Literal(begin),
                sql.Identifier(POSITION),
                sql.Literal(through),
            )
            with target.transaction():
                _alter(target, schema, LOG, "DISABLE TRIGGER USER")
                _copy_table(source, target, schema, LOG, progress, which)
                _alter(target, schema, LOG, "ENABLE TRIGGER USER")


def copy_schema(
    source: psycopg.Connection[Any],
    target: psycopg.Connection[Any],
    schema: str,
    progress: Progress = lambda _: None,
) -> None:
    """Replace the rows of a schema by those of another database; both connections are the owner's.

    To the log are added those that were not copied ahead. Raises SchemaCopyError where the two are
    of different versions.
    """
    tables = _in_order(source, schema)
    check_same_version(source, target, schema)
    for connection in (source, target):
        connection.execute(_SAME_TEXT)
    source.isolation_level, source.read_only = IsolationLevel.REPEATABLE_READ, True
    try:
        with source.transaction(), target.transaction():
            for table in tables:
                _alter(target, schema, table, "DISABLE TRIGGER USER")
            for table in reversed(tables):
                if table != LOG:
                    target.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(schema, table)))
            ahead = _since(last_position(target, schema))
            for table in tables:
                which = ahead if table == LOG else _ALL
                _copy_table(source, target, schema, table, progress, which)
            for table in tables:
                _alter(target, schema, table, "ENABLE TRIGGER USER")
            _set_sequences(source, target, schema)
    finally:
        source.isolation_level, source.read_only = None, None


def _alter(connection: psycopg.Connection[Any], schema: str, table: str, what: str) -> None:
    connection.execute(
        sql.SQL("ALTER TABLE {} {}").format(sql.Identifier(schema, table), sql.SQL(what))
    )


def _copy_table(
    source: psycopg.Connection[Any],
    target: psycopg.Connection[Any],
    schema: str,
    table: str,
    progress: Progress,
    which: sql.Composable,
) -> None:
    names = {
        "which": which,
        "table": sql.Identifier(schema, table),
        "columns": sql.SQL(", ").join(map(sql.Identifier, _columns(source, schema, table))),
    }
    out = sql.SQL("COPY (SELECT {columns} FROM {table} WHERE {which}) TO STDOUT").format(**names)
    into = sql.SQL("COPY {table} ({columns}) FROM STDIN").format(**names)
    with (
        source.cursor() as reading,
        target.cursor() as writing,
        reading.copy(out) as read,
        writing.copy(into) as written,
    ):
        for block in read:
            written.write(block)
            progress(len(block))


def _columns(connection: psycopg.Connection[Any], schema: str, table: str) -> list[str]:
    name = sql.Identifier(schema, table).as_string(connection)
    return [row[0] for row in connection.execute(_COLUMNS, (name,)).fetchall()]


def check_same_version(
    source: psycopg.Connection[Any], target: psycopg.Connection[Any], schema: str
) -> None:
    """Raise SchemaCopyError where the tables are of different versions here and there."""
    migrations = sql.SQL(_MIGRATIONS).format(sql.Identifier(schema, "migrations"))
    there = [connection.execute(migrations).fetchall() for connection in (source, target)]
    if there[0] != there[1] or tables_of(source, schema) != tables_of(target, schema):
        raise SchemaCopyError(
            f"the tables of {schema} are of different versions here and there: bring those that "
            "are to be moved up to date first, `python -m services migrate --contract`"
        )


def _in_order(connection: psycopg.Connection[Any], schema: str) -> list[str]:
    """Return the tables, each after those that it refers to."""
    refers: dict[str, set[str]] = {table: set() for table in tables_of(connection, schema)}
    for table, to in connection.execute(_REFERENCES, (schema,)).fetchall():
        refers[table].add(to)
    order: list[str] = []
    while refers:
        free = sorted(table for table, to in refers.items() if to <= set(order))
        if not free:
            raise SchemaCopyError(f"the tables {', '.join(sorted(refers))} refer to each other")
        order += free
        for table in free:
            del refers[table]
    return order


def _set_sequences(
    source: psycopg.Connection[Any], target: psycopg.Connection[Any], schema: str
) -> None:
    for (name,) in source.execute(_SEQUENCES, (schema,)).fetchall():
        sequence = sql.Identifier(schema, name)
        row = source.execute(
            sql.SQL("SELECT last_value, is_called FROM {}").format(sequence)
        ).fetchone()
        if row is not None:
            full = sequence.as_string(target)
            target.execute("SELECT setval(%s::regclass, %s, %s)", (full, *row))
