"""Staff as an administrator sees them: their user of the broker, their login, what they may do.

The rows and the login are one transaction of the database; the broker's user is made before it
commits. So somebody who was added only half has a password that nobody knows, and nothing that he
may do; adding him again repairs that. What he may do in the ledger he may do in each of its books:
one in another database has rows and a login of its own, which are written before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from services import staff_logins
from shared import staff
from shared.books import SPLIT, service_of, with_books
from shared.bus.administration import BrokerAdministration
from shared.bus.permissions import CALLING_ROLES, rights_of_staff
from shared.bus.principals import NAME, Principal, virtual_host_of
from shared.config import GATEWAY, SEALER, SERVICES, ConfigurationError, Settings
from shared.database import STATEMENT_TIMEOUT_MS, connection_info
from shared.errors import NotFound
from shared.money import Kopecks
from shared.staff import LIMITS, PERMISSIONS, ROLES, HeldGrant

HERE = ""
"""The database of the services, and of the books that have none of their own."""
_TAKEN = {*SERVICES, GATEWAY, SEALER}


class Member(NamedTuple):
    """One of the staff; ``broker`` is None where the broker's administrator is not known."""

    name: str
    broker: bool | None
    database: bool
    grants: tuple[tuple[str, HeldGrant], ...]


def check_name(name: str) -> None:
    """Raise ValueError for what cannot be the name of one of the staff."""
    if not NAME.fullmatch(name) or name in _TAKEN:
        raise ValueError(
            f"{name!r} is no name for one of the staff: it has up to 32 of a-z, 0-9, _ and -, "
            "begins with a letter, and is not that of a service"
        )


def check_roles(roles: Collection[str]) -> None:
    """Raise ValueError for no role, and for an unknown one."""
    if not roles or not set(roles) <= ROLES.keys():
        raise ValueError(f"--role: the roles are {', '.join(ROLES)}")


def permissions_of(roles: Collection[str]) -> dict[str, set[str]]:
    """Return what these roles may do together, by service."""
    found: dict[str, set[str]] = {service: set() for service in PERMISSIONS}
    for role in roles:
        for service, permissions in ROLES[role].items():
            found[service] |= set(permissions)
    return found


class StaffAdministration:
    """Adds, changes and removes staff, as the owner of the database or an administrator.

    Raises psycopg.Error where the database, and BrokerAdministrationError where the broker refuses.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._books = settings.books

    def add(self, name: str, roles: Collection[str], password: str, reason: str) -> None:
        """Give somebody these roles and no others, and this password.

        What he had by one of them already keeps its limit.
        """
        check_name(name)
        check_roles(roles)
        calls = not CALLING_ROLES.isdisjoint(roles)
        broker = self._broker() if calls else None
        user = Principal("staff", name).user
        for place in self._elsewhere():
            with self._connected(place) as connection, connection.transaction():
                self._put(connection, place, name, roles, password, reason)
        with self._connected() as connection, connection.transaction():
            self._put(connection, HERE, name, roles, password, reason)
            if broker is not None:
                broker.put_user(user, password, rights_of_staff(name, roles, self._books))
        self._end_what_the_roles_lack(name, roles)

    def _put(
        self,
        connection: psycopg.Connection[Any],
        place: str,
        name: str,
        roles: Collection[str],
        password: str,
        reason: str,
    ) -> None:
        """Give somebody his login in a database, and what he may do in the logs that are there."""
        if staff_logins.needs_login(roles):
            groups = staff_logins.memberships(self._settings, roles)
            there = [group for group in groups if staff_logins.exists(connection, group.group)]
            staff_logins.put_login(connection, name, password, there)
        permissions = permissions_of(roles)
        for log in self._logs(place):
            self._grant_exactly(connection, log, name, permissions[service_of(log)], reason)

    def put_user(self, name: str, roles: Collection[str], password: str) -> None:
        """Make somebody's user of the broker again, which has lost it; he may do what he could.

        Raises NotFound for a name that has nothing.
        """
        with self._connected() as connection, connection.transaction():
            self._check_known(connection, name)
            if not CALLING_ROLES.isdisjoint(roles):
                user = Principal("staff", name).user
                self._broker().put_user(user, password, rights_of_staff(name, roles, self._books))

    def may(
        self, name: str, service: str, permission: str, up_to: Kopecks | None, reason: str
    ) -> None:
        """Grant a permission of a service to one of the staff, or change its limit."""
        for connection, log in self._known_in(name, service):
            staff.grant(_in(connection, log), name, permission, reason, up_to)

    def may_not(self, name: str, service: str, permission: str, reason: str) -> None:
        """Take a permission from one of the staff."""
        for connection, log in self._known_in(name, service):
            staff.revoke(_in(connection, log), name, permission, reason)

    def remove(self, name: str, reason: str) -> None:
        """Take everything from somebody, and end his sessions.

        The databases of books come last: one that is away keeps him nothing of the others. Raises
        NotFound for a name that has nothing.
        """
        known = self._remove_from(HERE, name, reason)
        user = Principal("staff", name).user
        if self._settings.amqp_admin_url:
            broker = self._broker()
            known = known or any(each.name == user for each in broker.users())
            broker.remove_user(user)
        for place in self._elsewhere():
            known = self._remove_from(place, name, reason) or known
        if not known:
            raise _unknown(name)

    def _remove_from(self, place: str, name: str, reason: str) -> bool:
        """Take everything from somebody in a database; return whether he had anything there."""
        with self._connected(place) as connection:
            with connection.transaction():
                known = self._is_known(connection, name, place)
                for log in self._logs(place):
                    self._grant_exactly(connection, log, name, (), reason)
            return staff_logins.drop_login(connection, name) or known

    def members(self) -> list[Member]:
        """Return all staff, by name, each with what he may do."""
        held, logins = list[tuple[str, HeldGrant]](), set[str]()
        for place in (HERE, *self._elsewhere()):
            with self._connected(place) as connection, connection.transaction():
                held += [
                    (log, grant)
                    for log in self._logs(place)
                    for grant in staff.grants(_in(connection, log))
                ]
                logins |= staff_logins.names_with_login(connection)
        users = self._users()
        names = logins | {grant.name for _, grant in held} | (users or set())
        return [
            Member(
                name,
                None if users is None else name in users,
                name in logins,
                tuple((service, grant) for service, grant in held if grant.name == name),
            )
            for name in sorted(names)
        ]

    def _end_what_the_roles_lack(self, name: str, roles: Collection[str]) -> None:
        """Delete the login or the broker's user of somebody whose roles need none any more."""
        if not staff_logins.needs_login(roles):
            for place in (HERE, *self._elsewhere()):
                with self._connected(place) as connection:
                    staff_logins.drop_login(connection, name)
        if CALLING_ROLES.isdisjoint(roles) and self._settings.amqp_admin_url:
            self._broker().remove_user(Principal("staff", name).user)

    def _grant_exactly(
        self,
        connection: psycopg.Connection[Any],
        service: str,
        name: str,
        permissions: Collection[str],
        reason: str,
    ) -> None:
        cursor = _in(connection, service)
        held = {grant.permission for grant in staff.grants(cursor) if grant.name == name}
        for permission in sorted(set(permissions) - held):
            staff.grant(cursor, name, permission, reason, LIMITS.get(permission))
        for permission in sorted(held - set(permissions)):
            staff.revoke(cursor, name, permission, reason)

    def _check_known(self, connection: psycopg.Connection[Any], name: str) -> None:
        if not self._is_known(connection, name):
            raise _unknown(name)

    def _is_known(self, connection: psycopg.Connection[Any], name: str, place: str = HERE) -> bool:
        return name in staff_logins.names_with_login(connection) or any(
            grant.name == name
            for log in self._logs(place)
            for grant in staff.grants(_in(connection, log))
        )

    def _known_in(self, name: str, service: str) -> Iterator[tuple[psycopg.Connection[Any], str]]:
        """Yield each log of a service, in a transaction of its database; raises NotFound."""
        with self._connected() as connection, connection.transaction():
            self._check_known(connection, name)
        for place in (HERE, *self._elsewhere()):
            with self._connected(place) as connection, connection.transaction():
                for log in self._logs(place):
                    if service_of(log) == service:
                        yield connection, log

    def _elsewhere(self) -> list[str]:
        """Return the books that have a database of their own."""
        return [log for log in (SPLIT, *self._books) if log in self._settings.login_urls]

    def _logs(self, place: str) -> list[str]:
        """Return the logs in the database of a book, or HERE."""
        if place != HERE:
            return [place]
        elsewhere = self._elsewhere()
        return [log for log in with_books(PERMISSIONS, self._books) if log not in elsewhere]

    def _users(self) -> set[str] | None:
        if not self._settings.amqp_admin_url:
            return None
        prefix = Principal("staff", "").user
        names = [user.name for user in self._broker().users()]
        return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}

    def _broker(self) -> BrokerAdministration:
        settings = self._settings
        return BrokerAdministration(settings.amqp_admin_url, virtual_host_of(settings.amqp_url))

    @contextmanager
    def _connected(self, place: str = HERE) -> Iterator[psycopg.Connection[Any]]:
        url = self._settings.owner_url_of(place)
        if not url:
            raise ConfigurationError(
                "set SALDO_DATABASE_URL to the owner of the database, or to your own login as an "
                "administrator of staff"
            )
        info = connection_info(url, "public", statement_timeout_ms=STATEMENT_TIMEOUT_MS)
        with psycopg.connect(info, autocommit=True) as connection:
            yield connection


def _in(connection: psycopg.Connection[Any], service: str) -> Any:
    """Return a cursor that reads and writes the tables of a service."""
    connection.execute(sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(service)))
    return connection.cursor(row_factory=dict_row)


def _unknown(name: str) -> NotFound:
    return NotFound("staff_not_found", f"There is nobody called {name}; see `saldo staff list`.")
