"""Logins of staff in the database of a test.

Roles belong to the whole server, which parallel workers share: each worker has staff of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg

from services.staff_administration import StaffAdministration
from services.staff_logins import drop_login, login_of, memberships, put_login
from shared.config import Settings

if TYPE_CHECKING:
    from tests.conftest import Database

PASSWORD = "staff-test"


class SignedIn(NamedTuple):
    """One of the staff in the database of a test."""

    name: str
    url: str
    actor: str

    def connect(self, service: str, role: str = "") -> psycopg.Connection[Any]:
        """Connect in autocommit mode; ``role``: the group role that he takes."""
        taken = f" -c role={role}" if role else ""
        return psycopg.connect(
            self.url, autocommit=True, options=f"-c search_path={service}{taken}"
        )


def staff_name(name: str) -> str:
    """Return a name for one of the staff that no other worker uses."""
    return f"{os.environ.get('PYTEST_XDIST_WORKER', 'test')}-{name}"


OPERATOR_LOGIN = login_of(staff_name("operator"))
"""The login of the operator as whom the tests of a worker sign in, to any of its databases."""
OPERATOR = f"staff:{staff_name('operator')}"
"""The same operator as events record him."""


def put_operator(settings: Settings) -> None:
    """Add the operator to a migrated database, and to the broker."""
    StaffAdministration(settings).add(staff_name("operator"), ["operator"], PASSWORD, "tests")


def drop_operator(settings: Settings) -> None:
    """Remove the operator."""
    StaffAdministration(settings).remove(staff_name("operator"), "tests")


@contextmanager
def signed_in(database: Database, name: str, *roles: str) -> Iterator[SignedIn]:
    """Create the login of one of the staff, and delete it after the block."""
    full = staff_name(name)
    with psycopg.connect(database.settings.database_url, autocommit=True) as owner:
        put_login(owner, full, PASSWORD, memberships(database.settings, roles))
        yield SignedIn(full, _url(database.settings, full), f"staff:{full}")
        drop_login(owner, full)


def _url(settings: Settings, name: str) -> str:
    parts = urlsplit(settings.database_url)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(login_of(name))}:{PASSWORD}@{address}"))
