"""The logins of staff in the database: PostgreSQL roles that may take group roles of services.

Somebody signs in under his own name and takes the rights of a service, so that the database itself
knows who acts. Only those who work beside the services have a login: see ``shared.staff.DATABASE``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from shared.books import service_of, with_books
from shared.config import SERVICES, Settings
from shared.eventstore.privileges import (
    make_login,
    reader_of,
    security_reader_of,
    staff_admin_of,
    writer_of,
)
from shared.staff import DATABASE, LOGIN_PREFIX, READ_BY_AUDITORS

READERS_CONNECTIONS = 40
"""The connections of one login that writes no log: an audit on many cores, and no more than that.

Without a limit one reader takes all that the server has, and no service gets another.
"""

_INHERITS_PER_GRANT = 160000
"""The version of PostgreSQL from which a grant itself says whether its rights are inherited."""


class Membership(NamedTuple):
    """A group role that a login may take; ``inherited``: it has those rights without taking it."""

    group: str
    inherited: bool


def login_of(name: str) -> str:
    """Return the login of one of the staff."""
    return f"{LOGIN_PREFIX}{name}"


def needs_login(roles: Collection[str]) -> bool:
    """Return whether somebody with these roles signs in to the database."""
    return any(role in DATABASE for role in roles)


def names_with_login(connection: psycopg.Connection[Any]) -> set[str]:
    """Return the names of all staff who have a login."""
    rows = connection.execute(
        "SELECT substr(rolname, length(%s) + 1) FROM pg_roles "
        "WHERE starts_with(rolname, %s) AND rolcanlogin",
        (LOGIN_PREFIX, LOGIN_PREFIX),
    ).fetchall()
    return {row[0] for row in rows}


def memberships(settings: Settings, roles: Collection[str]) -> list[Membership]:
    """Return the group roles that somebody with these roles may take."""
    rights = {right for role in roles for right in DATABASE.get(role, ())}
    return sorted(set(_memberships(settings, rights)))


def _memberships(settings: Settings, rights: Collection[str]) -> Iterator[Membership]:
    for service in with_books(SERVICES, settings.books):
        role = settings.database_role_of(service)
        if "writer" in rights:
            yield Membership(writer_of(role), inherited=False)
        if "writer" in rights or ("reader" in rights and service_of(service) in READ_BY_AUDITORS):
            yield Membership(reader_of(role), inherited=True)
        if "reader" in rights:
            yield Membership(security_reader_of(role, service), inherited=True)
        if "staff_admin" in rights:
            yield Membership(staff_admin_of(role, service), inherited=True)


def exists(connection: psycopg.Connection[Any], role: str) -> bool:
    """Return whether the server has a role."""
    row = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    return row is not None


def put_login(
    owner: psycopg.Connection[Any], name: str, password: str, groups: Collection[Membership]
) -> None:
    """Create the login of one of the staff, or give an existing one this password and groups."""
    login = login_of(name)
    make_login(owner, login, password)
    for group in _groups_of(owner, login) - {membership.group for membership in groups}:
        owner.execute(
            sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(group), sql.Identifier(login))
        )
    per_grant = owner.info.server_version >= _INHERITS_PER_GRANT
    all_inherited = all(membership.inherited for membership in groups)
    if not per_grant:
        _alter(owner, login, "INHERIT" if all_inherited else "NOINHERIT")
    for group, inherited in groups:
        options = f" WITH INHERIT {str(inherited).upper()}, SET TRUE" if per_grant else ""
        owner.execute(
            sql.SQL("GRANT {} TO {}" + options).format(sql.Identifier(group), sql.Identifier(login))
        )
    # In any tool a write is then refused by a sentence that says why.
    only_reads = all_inherited and any("_reader" in group for group, _ in groups)
    _alter(owner, login, f"SET default_transaction_read_only = {'on' if only_reads else 'off'}")
    _alter(owner, login, f"CONNECTION LIMIT {READERS_CONNECTIONS if all_inherited else -1}")


def drop_login(owner: psycopg.Connection[Any], name: str) -> bool:
    """End the sessions of somebody's login and delete it; returns False when there is none."""
    login = login_of(name)
    if owner.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (login,)).fetchone() is None:
        return False
    _alter(owner, login, "NOLOGIN")
    _let_owner_signal(owner, login)
    owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (login,)
    )
    owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(login)))
    return True


def _let_owner_signal(owner: psycopg.Connection[Any], login: str) -> None:
    """Give the owner the rights of a login, which he needs to end its sessions."""
    row = owner.execute("SELECT pg_has_role(current_user, %s, 'USAGE')", (login,)).fetchone()
    if row is None or not row[0]:
        options = " WITH INHERIT TRUE" if owner.info.server_version >= _INHERITS_PER_GRANT else ""
        owner.execute(sql.SQL("GRANT {} TO CURRENT_USER" + options).format(sql.Identifier(login)))


def _alter(owner: psycopg.Connection[Any], login: str, what: str) -> None:
    owner.execute(sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(login), sql.SQL(what)))


def _groups_of(owner: psycopg.Connection[Any], login: str) -> set[str]:
    rows = owner.execute(
        "SELECT r.rolname FROM pg_auth_members AS m JOIN pg_roles AS r ON r.oid = m.roleid "
        "JOIN pg_roles AS s ON s.oid = m.member WHERE s.rolname = %s",
        (login,),
    ).fetchall()
    return {row[0] for row in rows}
