"""Migrations: the owner creates schemas, roles and tables before any service runs.

Each service has a schema of its name. The base tables (``BASE``) come first, then the service's own
numbered SQL files, each once and in a transaction of its own. The roles and what they may do
(:mod:`shared.eventstore.privileges`) follow the tables that there are.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from shared.database import connect_as_owner
from shared.eventstore.data_keys import keys_schema
from shared.eventstore.privileges import (
    access_in,
    grant_all,
    grant_keys,
    make_groups,
    make_login,
)

BASE = (
    "base.sql",
    "live.sql",
    "staff.sql",
    "keys.sql",
    "live_types.sql",
    "retries.sql",
    "succession.sql",
    "first_version.sql",
    "keys_apart.sql",
    "security_log.sql",
    "epochs.sql",
    "reading.sql",
    "recovery.sql",
    "clock.sql",
    "search.sql",
    "proof.sql",
    "advice.sql",
    "predecessors.sql",
)
"""The scripts that every service's schema begins with, in their order."""

KEYS = ("data_keys.sql",)
"""The scripts of a service's schema in the database of keys."""


WAIT_FOR_OTHERS = "15min"
"""How long a migration waits for those of other processes."""


class MigrationError(Exception):
    """An applied migration was changed afterwards, or a file name is invalid."""


def migrate(
    owner_url: str,
    service: str,
    runtime_url: str,
    directory: Traversable,
    report: Callable[[str], None] = lambda _: None,
    *,
    sealer_url: str = "",
) -> list[str]:
    """Bring the schema of a service up to date; return the names of the applied migrations.

    Safe to run from several processes at once, and again at any time. ``runtime_url`` names the
    runtime role and its password; the role is created if it is missing. So does ``sealer_url``,
    which matters to a service whose log is sealed.
    """
    user, sealer = _login(runtime_url)[0], _login(sealer_url)[0]
    access = access_in(directory)
    with connect_as_owner(owner_url) as connection:
        connection.execute("SET client_min_messages = warning")
        _wait_for_others(connection)
        with connection.transaction():
            make_login(connection, *_login(runtime_url))
            make_groups(connection, user, service)
            if access.sealer.appends and sealer:
                make_login(connection, *_login(sealer_url))
            _make_schema(connection, service)
        applied = [
            name
            for name, text in _scripts(directory)
            if _apply(connection, service, name, text, report)
        ]
        with connection.transaction():
            grant_all(connection, service, user, access, sealer)
    return applied


def migrate_keys(
    owner_url: str,
    service: str,
    runtime_url: str,
    report: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Bring the keys of a service up to date, in their database; return what was applied.

    ``owner_url`` is that of the owner of the database of keys, ``runtime_url`` names the runtime
    role there. On the server of the data both roles exist already; on another they are made.
    """
    user, schema = _login(runtime_url)[0], keys_schema(service)
    with connect_as_owner(owner_url) as connection:
        connection.execute("SET client_min_messages = warning")
        _wait_for_others(connection)
        with connection.transaction():
            make_login(connection, *_login(runtime_url))
            make_groups(connection, user, service)
            _make_schema(connection, schema)
        here = files("shared.eventstore")
        applied = [
            name
            for name in KEYS
            if _apply(
                connection, schema, name, here.joinpath(name).read_text(encoding="utf-8"), report
            )
        ]
        with connection.transaction():
            grant_keys(connection, schema, user)
    return applied


def make_database(owner_url: str, beside_url: str) -> bool:
    """Create the database of a URL, if it is missing; return whether it was.

    ``beside_url`` is that of another database of the same server, with the same owner.
    """
    name = str(conninfo_to_dict(owner_url).get("dbname") or "")
    with connect_as_owner(beside_url) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
        if found.fetchone() is not None:
            return False
        with suppress(psycopg.errors.DuplicateDatabase):  # somebody was faster
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return True


def _wait_for_others(connection: psycopg.Connection[Any]) -> None:
    """Take the lock of migrations; raises LockNotAvailable when others hold it for too long."""
    # One lock for all services: roles belong to the whole cluster.
    connection.execute(f"SET lock_timeout = '{WAIT_FOR_OTHERS}'")
    connection.execute("SELECT pg_advisory_lock(hashtextextended('saldo.migrate', 0))")
    connection.execute("SET lock_timeout = 0")


def _login(url: str) -> tuple[str, str]:
    """Return the user and the password of a URL."""
    parts = conninfo_to_dict(url)
    return str(parts.get("user") or ""), str(parts.get("password") or "")


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
