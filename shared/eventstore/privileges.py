"""Privileges: the roles of a service in the database, and what each may do with its tables.

- ``saldo_<service>`` signs in for the service, ``saldo_<service>_writer`` has the same rights and
  no login: operators take it, and the database records who they are. (A login that somebody else
  may take is none of his: with it he could change its password, and sign in as the service.)
- ``saldo_<service>_reader`` reads the tables without secrets.
- ``saldo_staff_admin`` says what staff may do. ``saldo_sealer`` seals the log of the ledger.
- ``saldo_security_reader`` reads the security log of every service, and nothing else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from importlib.resources.abc import Traversable
from typing import Any

import msgspec
import psycopg
from psycopg import sql

READABLE = frozenset(
    {
        "clock_steps",
        "commands",
        "destroyed_keys",
        "epochs",
        "events",
        "leaders",
        "live",
        "log_run",
        "log_starts",
        "migration_progress",
        "migrations",
        "positions",
        "reading_attempts",
        "recoveries",
        "refusals",
        "relay",
        "schema_levels",
        "security_log",
        "staff_grants",
    }
)
"""The base tables that hold no secrets."""
SECRET = frozenset({"data_keys", "hash_keys", "lost_events", "parked", "quarantine"})
"""The base tables that no reader sees as a whole: keys, and messages that may name persons."""

_READABLE_COLUMNS = {
    "lost_events": "epoch, position, version, type, subject, occurred_at, recovery, fate, advice, "
    "advice_values, predecessor",
    "parked": "id, upstream, position, subject, type, reason, error_id, attempts, parked_at, "
    "waits_until",
    "quarantine": "id, upstream, epoch, position, subject, type, reason, quarantined_at",
}

_LOCKS_TO_GIVE = """
    SELECT oid::regprocedure::text FROM pg_proc
    WHERE pronamespace = 'pg_catalog'::regnamespace
      AND proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$'
      AND NOT EXISTS (SELECT 1 FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) AS each
                      WHERE each.grantee = 0)
      AND has_function_privilege(oid, 'EXECUTE WITH GRANT OPTION')
    ORDER BY 1
"""
"""The functions that take advisory locks, where not everybody may call them."""

_IDENTITY_TO_GIVE = """
    SELECT oid::regprocedure::text FROM pg_proc
    WHERE pronamespace = 'pg_catalog'::regnamespace
      AND proname IN ('pg_control_system', 'pg_current_wal_lsn', 'pg_is_in_recovery',
                      'pg_postmaster_start_time', 'pg_walfile_name')
      AND NOT EXISTS (SELECT 1 FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) AS each
                      WHERE each.grantee = 0)
      AND has_function_privilege(oid, 'EXECUTE WITH GRANT OPTION')
    ORDER BY 1
"""
"""The functions that say which server this is, where not everybody may call them."""

_OF_MIGRATOR = ("migrations", "migration_progress", "schema_levels")
_WRITTEN_BY_DATABASE = dict.fromkeys(("events", "commands", "security_log"), ("recorded_by",))
_GRANTED = ("name", "permission", "up_to", "granted", "reason")


class Sealer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tables that the sealer reads, and those that it alone appends to."""

    reads: tuple[str, ...] = ()
    appends: tuple[str, ...] = ()


class Access(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tables of a service, by who may read them: its file ``migrations/access.toml``."""

    readable: tuple[str, ...] = ()
    secret: tuple[str, ...] = ()
    sealer: Sealer = Sealer()


def access_in(directory: Traversable) -> Access:
    """Return what ``access.toml`` in a service's directory of migrations says; nothing without."""
    file = directory.joinpath("access.toml")
    if not file.is_file():
        return Access()
    return msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), Access)


def writer_of(role: str) -> str:
    """Return the group role with the rights of a service's runtime role."""
    return f"{role}_writer"


def reader_of(role: str) -> str:
    """Return the group role that reads a service's tables."""
    return f"{role}_reader"


def staff_admin_of(role: str, service: str) -> str:
    """Return the group role that says what staff may do, next to a service's runtime role."""
    prefix = role.removesuffix(service)
    return f"{prefix if prefix != role else 'saldo_'}staff_admin"


def security_reader_of(role: str, service: str) -> str:
    """Return the group role that reads the security logs, next to a service's runtime role."""
    prefix = role.removesuffix(service)
    return f"{prefix if prefix != role else 'saldo_'}security_reader"


def make_login(connection: psycopg.Connection[Any], name: str, password: str) -> None:
    """Create a login, or set the password of an existing one."""
    # A role gets LOGIN and nothing else. For an existing one only the password is set: naming any
    # other attribute takes a superuser, which the owner need not be.
    verb = "ALTER" if _exists(connection, name) else "CREATE"
    # What the server would make of it, made here: its log may show statements, and has no password.
    verifier = (
        connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
        if password
        else b""
    )
    connection.execute(
        sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
            sql.SQL(verb), sql.Identifier(name), sql.Literal(verifier.decode())
        )
    )


def make_groups(connection: psycopg.Connection[Any], role: str, service: str) -> None:
    """Create the group roles beside a service's runtime role; the owner may take each."""
    shared = (staff_admin_of(role, service), security_reader_of(role, service))
    for name in (writer_of(role), reader_of(role), *shared):
        if not _exists(connection, name):
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))
        _let_owner_take(connection, name)


def _let_owner_take(connection: psycopg.Connection[Any], name: str) -> None:
    modern = connection.info.server_version >= 160000
    may = "SET" if modern else "MEMBER"
    row = connection.execute("SELECT pg_has_role(current_user, %s, %s)", (name, may)).fetchone()
    if row is not None and row[0]:
        return
    options = " WITH INHERIT FALSE, SET TRUE" if modern else ""
    connection.execute(sql.SQL("GRANT {} TO CURRENT_USER" + options).format(sql.Identifier(name)))


def _exists(connection: psycopg.Connection[Any], name: str) -> bool:
    found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
    return found is not None


def grant_all(
    connection: psycopg.Connection[Any], service: str, role: str, access: Access, sealer: str = ""
) -> None:
    """Give each role of a service what it may do with the tables that there are."""
    tables = _tables(connection, service)
    append_only = _append_only(connection, service)
    for name in (role, writer_of(role)):
        _grant_writing(connection, service, name, append_only, access)
    readable = sorted(tables & (READABLE | set(access.readable)))
    _grant_reading(connection, service, reader_of(role), readable)
    for table, columns in _READABLE_COLUMNS.items():
        _on(connection, service, reader_of(role), table, f"GRANT SELECT ({columns})")
    admin = staff_admin_of(role, service)
    _grant_reading(connection, service, admin, ["staff_grants"])
    _on(connection, service, admin, "staff_grants", f"GRANT INSERT ({', '.join(_GRANTED)})")
    _grant_reading(connection, service, security_reader_of(role, service), ["security_log"])
    writers = [role, writer_of(role)]
    # An owner may have taken from everybody what PostgreSQL lets everybody call by default.
    for function, callers in (
        ("sweep_security_log", [role]),
        ("append_turn", writers),
        ("check_not_refused", writers),
    ):
        connection.execute(
            sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(
                sql.Identifier(service, function), sql.SQL(", ").join(map(sql.Identifier, callers))
            )
        )
    locking = [*writers]
    if sealer and access.sealer.appends:
        locking.append(sealer)
        own = access.sealer.appends
        _grant_reading(connection, service, sealer, sorted({*access.sealer.reads, *own}))
        for table in own:
            _on(connection, service, sealer, table, "GRANT INSERT")
    _record_logins(connection, service, role)
    _grant_functions(connection, _LOCKS_TO_GIVE, locking)
    _grant_functions(connection, _IDENTITY_TO_GIVE, (role, writer_of(role), reader_of(role)))


def grant_keys(connection: psycopg.Connection[Any], schema: str, role: str) -> None:
    """Give a service its keys in the database of keys: nobody else reaches them."""
    for name in (role, writer_of(role)):
        names = {"schema": sql.Identifier(schema), "role": sql.Identifier(name)}
        for statement in (
            "GRANT USAGE ON SCHEMA {schema} TO {role}",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.data_keys TO {role}",
        ):
            connection.execute(sql.SQL(statement).format(**names))


def _grant_functions(
    connection: psycopg.Connection[Any], found_by: str, roles: Sequence[str]
) -> None:
    """Let roles call functions where the owner may give that on.

    Elsewhere everybody may: of advisory locks, `deploy/postgres/advisory_locks.sql` changes that.
    """
    functions = connection.execute(found_by).fetchall()
    if not functions:
        return
    connection.execute(
        sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(
            sql.SQL(", ").join(sql.SQL(function[0]) for function in functions),
            sql.SQL(", ").join(map(sql.Identifier, roles)),
        )
    )


def _grant_writing(
    connection: psycopg.Connection[Any],
    service: str,
    role: str,
    append_only: Sequence[str],
    access: Access,
) -> None:
    names = {"schema": sql.Identifier(service), "role": sql.Identifier(role)}
    for statement in (
        "GRANT USAGE ON SCHEMA {schema} TO {role}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
    ):
        connection.execute(sql.SQL(statement).format(**names))
    for table in append_only:
        _on(connection, service, role, table, "REVOKE UPDATE, DELETE, TRUNCATE")
    for table in (*_OF_MIGRATOR, "staff_grants", *access.sealer.appends):
        _on(connection, service, role, table, "REVOKE INSERT, UPDATE, DELETE")
    # Keys are made in their own database; what is left here is moved there.
    _on(connection, service, role, "data_keys", "REVOKE INSERT")
    for table, columns in _WRITTEN_BY_DATABASE.items():
        _on(connection, service, role, table, "REVOKE INSERT")
        others = ", ".join(_columns(connection, service, table, columns))
        _on(connection, service, role, table, f"GRANT INSERT ({others})")


def _grant_reading(
    connection: psycopg.Connection[Any], service: str, role: str, tables: Iterable[str]
) -> None:
    names = {"schema": sql.Identifier(service), "role": sql.Identifier(role)}
    for statement in (
        "GRANT USAGE ON SCHEMA {schema} TO {role}",
        # A table may have become a secret since.
        "REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}",
    ):
        connection.execute(sql.SQL(statement).format(**names))
    for table in tables:
        _on(connection, service, role, table, "GRANT SELECT")


def _on(
    connection: psycopg.Connection[Any], service: str, role: str, table: str, what: str
) -> None:
    way = "TO" if what.startswith("GRANT") else "FROM"
    connection.execute(
        sql.SQL("{} ON {} {} {}").format(
            sql.SQL(what), sql.Identifier(service, table), sql.SQL(way), sql.Identifier(role)
        )
    )


def _record_logins(connection: psycopg.Connection[Any], service: str, role: str) -> None:
    """Have the database write who acted: nobody for the service itself, else the login."""
    expression = sql.SQL(
        "CASE session_user WHEN {}::name THEN ''::text ELSE session_user::text END"
    ).format(sql.Literal(role))
    wanted = _as_stored(connection, expression)
    for table in _WRITTEN_BY_DATABASE:
        # Setting it again would wait for everybody who uses the table, and stop all others.
        if _default_of(connection, service, table) != wanted:
            connection.execute(
                sql.SQL("ALTER TABLE {} ALTER COLUMN recorded_by SET DEFAULT {}").format(
                    sql.Identifier(service, table), expression
                )
            )


def _as_stored(connection: psycopg.Connection[Any], expression: sql.Composable) -> str:
    """Return an expression as PostgreSQL prints it."""
    connection.execute(
        sql.SQL("CREATE TEMP TABLE login_default (recorded_by text DEFAULT {})").format(expression)
    )
    stored = _default_of(connection, None, "login_default")
    connection.execute("DROP TABLE login_default")
    return stored


def _default_of(connection: psycopg.Connection[Any], service: str | None, table: str) -> str:
    name = sql.Identifier(service, table) if service else sql.Identifier("pg_temp", table)
    row = connection.execute(
        "SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef AS d JOIN pg_attribute AS a "
        "ON a.attrelid = d.adrelid AND a.attnum = d.adnum "
        "WHERE d.adrelid = %s::regclass AND a.attname = 'recorded_by'",
        (name.as_string(connection),),
    ).fetchone()
    return str(row[0]) if row else ""


def _columns(
    connection: psycopg.Connection[Any], service: str, table: str, without: Sequence[str]
) -> list[str]:
    rows = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 "
        "AND NOT attisdropped AND attname <> ALL (%s) ORDER BY attnum",
        (sql.Identifier(service, table).as_string(connection), list(without)),
    ).fetchall()
    return [row[0] for row in rows]


def _tables(connection: psycopg.Connection[Any], service: str) -> set[str]:
    rows = connection.execute(
        "SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v', 'm')",
        (service,),
    ).fetchall()
    return {row[0] for row in rows}


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
