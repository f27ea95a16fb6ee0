"""Freezing a schema: nobody writes into it, and whoever tries is told to try again.

A schema is frozen while it is copied to another database, and the copy is frozen until it takes
over. A trigger on each table refuses every write, that of the owner too, as a server does that may
only be read: so commands are answered as unavailable, and reactions wait. A schema that has moved
is closed: its tables are away, and whatever is read or written in their place is refused as by a
server that is shut down.

Each function takes the owner's connection, in autocommit mode, and may be repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import sql

from shared.ids import new_id

LOCK_TIMEOUT_S, ATTEMPTS = 1.0, 60
"""How long each lock of a table is waited for: who writes to it waits behind us. And how often."""
PAUSE_S = 0.2
OF_MIGRATOR = ("migration_progress", "migrations", "schema_levels")
"""The tables that say of which version a schema is; the migrator alone writes them."""

_TRIGGER, _FUNCTION = "a_frozen", "refuse_while_frozen"
_REFUSES = """
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log is being moved to another server: send it again'
        USING ERRCODE = 'read_only_sql_transaction';
END $$
"""
_LETS = """
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RETURN NULL;
END $$
"""
_ADD = """
CREATE OR REPLACE TRIGGER {trigger} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION {function}()
"""
_DROP = "DROP TRIGGER IF EXISTS {trigger} ON {table}"
_CLOSED = """
CREATE FUNCTION {view_function}() RETURNS SETOF {table} LANGUAGE plpgsql STABLE AS $$
BEGIN
    RAISE EXCEPTION 'the log has moved to another server'
        USING ERRCODE = 'cannot_connect_now';
END $$
"""
_TABLES = """
SELECT c.relname, EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = c.oid
                             AND t.tgname = %(trigger)s) AS has_trigger
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p') AND NOT c.relispartition
 ORDER BY c.relname
"""
_BODY = """
SELECT p.prosrc FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
 WHERE n.nspname = %s AND p.proname = %s
"""
_HAS_SCHEMA = "SELECT FROM pg_namespace WHERE nspname = %s"
_COMMENT = "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s"
_COPY = "saldo copy "
_WAITS = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)


def tables_of(connection: psycopg.Connection[Any], schema: str) -> list[str]:
    """Return the tables of a schema, but for those of the migrator."""
    return [name for name, _ in _found(connection, schema)]


def is_frozen(connection: psycopg.Connection[Any], schema: str) -> bool:
    """Return whether nobody can write into a schema."""
    body = connection.execute(_BODY, (schema, _FUNCTION)).fetchone()
    refuses = body is not None and "RAISE" in body[0]
    found = _found(connection, schema)
    return refuses and bool(found) and all(has_trigger for _, has_trigger in found)


def is_closed(connection: psycopg.Connection[Any], schema: str) -> bool:
    """Return whether a schema has moved away."""
    return connection.execute(_HAS_SCHEMA, (moved_name(schema),)).fetchone() is not None


def moved_name(schema: str) -> str:
    """Return under which name the tables of a schema are kept that has moved away."""
    return f"{schema}_moved"


def freeze(connection: psycopg.Connection[Any], schema: str) -> None:
    """Let nobody write into a schema any more; what is being written is waited for.

    Raises psycopg.errors.LockNotAvailable where somebody does not end what he writes.
    """
    _execute(connection, _REFUSES, schema)
    # First the log: what is decided from here on cannot be appended. One table at a time, so that
    # we hold none while we wait for another. Those with a trigger, too: one that is left of a run
    # before may have refused nothing until now, so somebody may be writing there.
    for name in sorted(tables_of(connection, schema), key=lambda name: name != "events"):
        _change_patiently(connection, _ADD, schema, name)


def thaw(
    connection: psycopg.Connection[Any], schema: str, first: Callable[[], None] = lambda: None
) -> None:
    """Let everybody write into a schema again, from one moment on, and do ``first`` just then."""
    with connection.transaction():
        _execute(connection, _LETS, schema)
        first()
    for name, has_trigger in _found(connection, schema):
        if has_trigger:
            _change_patiently(connection, _DROP, schema, name)
    _execute(connection, "DROP FUNCTION IF EXISTS {function}()", schema)


def name_copy(connection: psycopg.Connection[Any], schema: str) -> str:
    """Return the name of this one copy of a schema, which it is given once."""
    name = copy_name(connection, schema)
    if not name:
        name = str(new_id())
        _comment(connection, schema, name)
    return name


def copy_name(connection: psycopg.Connection[Any], schema: str) -> str:
    """Return the name of a copy of a schema, of one that has moved that of its copy; "" for none.

    Several may be begun, in several databases. Only the one that the schema has moved to takes
    over.
    """
    row = connection.execute(_COMMENT, (schema,)).fetchone()
    text = str(row[0] or "") if row else ""
    return text.removeprefix(_COPY) if text.startswith(_COPY) else ""


def _comment(connection: psycopg.Connection[Any], schema: str, name: str) -> None:
    connection.execute(
        sql.SQL("COMMENT ON SCHEMA {} IS {}").format(
            sql.Identifier(schema), sql.Literal(f"{_COPY}{name}" if name else None)
        )
    )


def close(connection: psycopg.Connection[Any], schema: str, roles: list[str], copy: str) -> None:
    """Let nobody read a schema any more, or write into it: its copy takes over from now on.

    Its tables are kept under another name. ``roles`` are those of whoever is to be told so.
    """
    tables = tables_of(connection, schema)
    moved = moved_name(schema)
    with connection.transaction():
        connection.execute(
            sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(
                sql.Identifier(schema), sql.Identifier(moved)
            )
        )
        _comment(connection, moved, copy)
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        for table in (*tables, *OF_MIGRATOR):
            names = {
                "view_function": sql.Identifier(schema, f"moved_{table}"),
                "view": sql.Identifier(schema, table),
                "table": sql.Identifier(moved, table),
            }
            connection.execute(sql.SQL(_CLOSED).format(**names))
            connection.execute(
                sql.SQL("CREATE VIEW {view} AS SELECT * FROM {view_function}()").format(**names)
            )
        for role in roles:
            who = {"schema": sql.Identifier(schema), "role": sql.Identifier(role)}
            for statement in (
                "GRANT USAGE ON SCHEMA {schema} TO {role}",
                "GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {role}",
            ):
                connection.execute(sql.SQL(statement).format(**who))


def reopen(connection: psycopg.Connection[Any], schema: str) -> None:
    """Undo `close`: the schema is as it was before, still frozen."""
    with connection.transaction():
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
        connection.execute(
            sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(
                sql.Identifier(moved_name(schema)), sql.Identifier(schema)
            )
        )
        _comment(connection, schema, "")


def _found(connection: psycopg.Connection[Any], schema: str) -> list[tuple[str, bool]]:
    rows = connection.execute(_TABLES, {"schema": schema, "trigger": _TRIGGER}).fetchall()
    return [(name, has_trigger) for name, has_trigger in rows if name not in OF_MIGRATOR]


def _execute(
    connection: psycopg.Connection[Any], statement: str, schema: str, table: str = ""
) -> None:
    connection.execute(
        sql.SQL(statement).format(
            function=sql.Identifier(schema, _FUNCTION),
            trigger=sql.Identifier(_TRIGGER),
            table=sql.Identifier(schema, table) if table else sql.SQL(""),
        )
    )


def _change_patiently(
    connection: psycopg.Connection[Any], statement: str, schema: str, table: str
) -> None:
    """Change a table, trying again and again, so that nobody waits long behind us for its lock."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with connection.transaction():
                connection.execute(f"SET LOCAL lock_timeout = '{int(LOCK_TIMEOUT_S * 1000)}ms'")
                _execute(connection, statement, schema, table)
        except _WAITS:
            if attempt == ATTEMPTS:
                raise
            time.sleep(PAUSE_S)
        else:
            return
