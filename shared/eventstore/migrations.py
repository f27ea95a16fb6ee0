"""Migrations: the owner creates schemas, roles and tables before any service runs.

Each service has a schema of its name and a runtime role that may read and write its tables, with
only SELECT and INSERT on append-only ones. The base tables (``BASE``) come first, then the
service's own numbered SQL files, each once and in a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

BASE = ("base.sql", "live.sql", "live_types.sql")
"""The scripts that every service's schema begins with, in their order."""


class MigrationError(Exception):
    """An applied migration was changed afterwards, or a file name is invalid."""


def migrate(
    owner_url: str,
    service: str,
    runtime_url: str,
    directory: Traversable,
    report: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Bring the schema of a service up to date; return the names of the applied migrations.

    Safe to run from several processes at once, and again at any time. ``runtime_url`` names the
    runtime role and its password; the role is created if it is missing.
    """
    role = conninfo_to_dict(runtime_url)
    with psycopg.connect(owner_url, autocommit=True, connect_timeout=3) as connection:
        connection.execute("SET client_min_messages = warning")
        # One lock for all services: roles belong to the whole cluster.
        connection.execute("SELECT pg_advisory_lock(hashtextextended('saldo.migrate', 0))")
        with connection.transaction():
            _make_role(connection, str(role["user"]), str(role.get("password") or ""))
            _make_schema(connection, service)
        applied = [
            name
            for name, text in _scripts(directory)
            if _apply(connection, service, name, text, report)
        ]
        with connection.transaction():
            _grant(connection, service, str(role["user"]))
    return applied


def _make_role(connection: psycopg.Connection[Any], user: str, password: str) -> None:
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (user,)).fetchone()
    # A role gets LOGIN and nothing else. For an existing one only the password is set: naming any
    # other attribute takes a superuser, which the owner need not be.
    verb = "ALTER" if known else "CREATE"
    connection.execute(
        sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
            sql.SQL(verb), sql.Identifier(user), sql.Literal(password)
        )
    )


def _make_schema(connection: psycopg.Connection[Any], service: str) -> None:
    schema = sql.Identifier(service)
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
    connection.execute(sql.SQL("SET search_path = {}").format(schema))
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, digest text NOT NULL, "
        "applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
    )


def _scripts(directory: Traversable) -> list[tuple[str, str]]:
    here = files("shared.eventstore")
    base = [(f"0000_{name}", here.joinpath(name).read_text(encoding="utf-8")) for name in BASE]
    own = sorted(
        (entry.name, entry.read_text(encoding="utf-8"))
        for entry in (directory.iterdir() if directory.is_dir() else ())
        if entry.name.endswith(".sql")
    )
    for name, _ in own:
        if not name[:4].isdigit():
            raise MigrationError(f"{name}: a migration starts with four digits, as 0001_tables.sql")
    return [*base, *own]


def _apply(
    connection: psycopg.Connection[Any],
    service: str,
    name: str,
    text: str,
    report: Callable[[str], None],
) -> bool:
    digest = sha256(text.encode()).hexdigest()
    known = connection.execute("SELECT digest FROM migrations WHERE name = %s", (name,)).fetchone()
    if known is not None:
        if known[0] != digest:
            raise MigrationError(
                f"{service}/{name} was applied with other content: add a new migration instead"
            )
        return False
    with connection.transaction():
        connection.execute(text)
        connection.execute("INSERT INTO migrations (name, digest) VALUES (%s, %s)", (name, digest))
    report(f"{service}: {name}")
    return True


def _grant(connection: psycopg.Connection[Any], service: str, user: str) -> None:
    names = {"schema": sql.Identifier(service), "role": sql.Identifier(user)}
    for statement in (
        "GRANT USAGE ON SCHEMA {schema} TO {role}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
        "REVOKE INSERT, UPDATE, DELETE ON {schema}.migrations FROM {role}",
    ):
        connection.execute(sql.SQL(statement).format(**names))
    for table in _append_only(connection, service):
        connection.execute(
            sql.SQL("REVOKE UPDATE, DELETE, TRUNCATE ON {schema}.{table} FROM {role}").format(
                table=sql.Identifier(table), **names
            )
        )


def _append_only(connection: psycopg.Connection[Any], service: str) -> list[str]:
    """Return the tables that have the trigger of base.sql."""
    rows = connection.execute(
        "SELECT DISTINCT c.relname FROM pg_trigger AS t "
        "JOIN pg_class AS c ON c.oid = t.tgrelid "
        "JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        "JOIN pg_proc AS p ON p.oid = t.tgfoid "
        "WHERE n.nspname = %s AND p.proname = 'refuse_change'",
        (service,),
    ).fetchall()
    return sorted(row[0] for row in rows)
