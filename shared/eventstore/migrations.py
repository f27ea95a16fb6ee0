"""Migrations: the owner creates schemas, roles and tables before any service runs.

Each service has a schema of its name. The base tables (``BASE``) come first, then the service's own
numbered SQL files, each once, as its kind says (:mod:`shared.eventstore.migration_steps`). Steps
that take away what older versions use wait until the new version is rolled out. The roles and what
they may do (:mod:`shared.eventstore.privileges`) follow the tables that there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from shared.database import connect_as_owner
from shared.eventstore.data_keys import keys_schema
from shared.eventstore.freezing import is_closed
from shared.eventstore.migration_runner import TABLES, Patience, Runner
from shared.eventstore.migration_steps import MigrationError, SchemaMovedError, Step, step_of
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
    "append_turn.sql",
    "refusals.sql",
)
"""The scripts that every service's schema begins with, in their order."""

KEYS = ("data_keys.sql",)
"""The scripts of a service's schema in the database of keys."""


WAIT_FOR_OTHERS_S, LOOK_AGAIN_S = 900.0, 0.2
"""How long a migrator waits for that of another process, and how often it looks."""
PATIENCE = Patience()
_OLDER = """
SELECT application_name, count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND split_part(application_name, '/', 1) = %(name)s
   AND coalesce(nullif(split_part(application_name, '/', 2), ''), '0')::bigint < %(level)s
 GROUP BY 1 ORDER BY 1
"""


def migrate(
    owner_url: str,
    service: str,
    runtime_url: str,
    directory: Traversable,
    report: Callable[[str], None] = lambda _: None,
    *,
    sealer_url: str = "",
    contract: bool = False,
    patience: Patience = PATIENCE,
) -> list[str]:
    """Bring the schema of a service up to date; return the names of the applied migrations.

    Safe to run from several processes at once, while services work, and again at any time: what was
    interrupted goes on. With ``contract`` also the steps that wait for a roll-out are applied;
    raises MigrationError while processes of an older version are connected, and SchemaMovedError
    where the schema has moved away from there.

    ``runtime_url`` names the runtime role and its password; the role is created if it is missing.
    So does ``sealer_url``, which matters to a service whose log is sealed.
    """
    user, sealer = _login(runtime_url)[0], _login(sealer_url)[0]
    access = access_in(directory)
    with connect_as_owner(owner_url) as connection:
        connection.execute("SET client_min_messages = warning")
        _wait_for_others(connection)
        if is_closed(connection, service):
            raise SchemaMovedError(f"{service} has moved to another database")
        with connection.transaction():
            make_login(connection, *_login(runtime_url))
            make_groups(connection, user, service)
            if access.sealer.appends and sealer:
                make_login(connection, *_login(sealer_url))
            _make_schema(connection, service)
        runner = Runner(connection, service, report, patience)
        pending = _pending(runner, connection, service, steps_in(directory), report, contract)
        for step in pending:
            runner.apply(step)
        runner.in_transaction(
            "privileges", "", lambda: grant_all(connection, service, user, access, sealer)
        )
    return [step.name for step in pending]


def migrate_keys(
    owner_url: str,
    service: str,
    runtime_url: str,
    report: Callable[[str], None] = lambda _: None,
    *,
    patience: Patience = PATIENCE,
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
        runner = Runner(connection, schema, report, patience)
        steps = [step_of(name, _base_text(name)) for name in KEYS]
        pending = _pending(runner, connection, schema, steps, report, contract=False)
        for step in pending:
            runner.apply(step)
        runner.in_transaction("privileges", "", lambda: grant_keys(connection, schema, user))
    return [step.name for step in pending]


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
    """Take the lock of migrators; raises MigrationError when others hold it for too long."""
    connection.execute("SET lock_timeout = 0; SET statement_timeout = 0")
    # One lock for all services: roles belong to the whole cluster. A statement that waits for it
    # would have a snapshot, for whose end the CREATE INDEX CONCURRENTLY of its holder waits.
    ends = time.monotonic() + WAIT_FOR_OTHERS_S
    while True:
        row = connection.execute(
            "SELECT pg_try_advisory_lock(hashtextextended('saldo.migrate', 0))"
        ).fetchone()
        if row is not None and row[0]:
            return
        if time.monotonic() > ends:
            raise MigrationError("another migrator has been at work for too long: see its output")
        time.sleep(LOOK_AGAIN_S)


def _pending(
    runner: Runner,
    connection: psycopg.Connection[Any],
    schema: str,
    steps: Sequence[Step],
    report: Callable[[str], None],
    contract: bool,
) -> list[Step]:
    """Return the steps to apply now; raises MigrationError where older processes forbid some."""
    is_new = runner.is_new()
    pending = [step for step in steps if not runner.is_applied(step)]
    late = [step for step in pending if step.level and not is_new]
    if late and contract:
        _check_rolled_out(connection, schema, max(step.level for step in late))
    elif late:
        for step in late:
            report(f"{schema}: {step.name} waits until the roll-out is over: migrate --contract")
        return [step for step in pending if step not in late]
    return pending


def _check_rolled_out(connection: psycopg.Connection[Any], schema: str, level: int) -> None:
    names = {"name": f"saldo-{schema}", "level": level}
    older = connection.execute(_OLDER, names).fetchall()
    if older:
        found = ", ".join(f"{name} ({count} connections)" for name, count in older)
        raise MigrationError(
            f"{schema}: processes of an older version are connected, which use what the steps of "
            f"level {level} take away: {found}. Replace them first"
        )


def _login(url: str) -> tuple[str, str]:
    """Return the user and the password of a URL."""
    parts = conninfo_to_dict(url)
    return str(parts.get("user") or ""), str(parts.get("password") or "")


def _make_schema(connection: psycopg.Connection[Any], service: str) -> None:
    schema = sql.Identifier(service)
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
    connection.execute(sql.SQL("SET search_path = {}").format(schema))
    connection.execute(TABLES)


def steps_in(directory: Traversable) -> list[Step]:
    """Return the steps of a service, those of every service first; raises MigrationError."""
    base = [step_of(f"0000_{name}", _base_text(name)) for name in BASE]
    own = sorted(
        (entry.name, entry.read_text(encoding="utf-8"))
        for entry in (directory.iterdir() if directory.is_dir() else ())
        if entry.name.endswith(".sql")
    )
    for name, _ in own:
        if not name[:4].isdigit():
            raise MigrationError(f"{name}: a migration starts with four digits, as 0001_tables.sql")
    return [*base, *(step_of(name, text) for name, text in own)]


def _base_text(name: str) -> str:
    return files("shared.eventstore").joinpath(name).read_text(encoding="utf-8")
