"""Subscribers as an administrator sees them: a user of the broker, and a row of identity.

The row is what HTTP goes by, the user with its rights what the broker goes by. The user is made
before the row is committed, so that whatever was done only half is repaired by doing it again.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psycopg
from psycopg.rows import dict_row

from services.identity.fingerprints import new_token, token_digest
from services.identity.subscribers import Change, Subscriber, Subscribers
from services.signing_in import check_login, login_for
from shared.bus.administration import BrokerAdministration
from shared.bus.grants import Grants, types_with_persons
from shared.bus.permissions import Rights, rights_of_subscriber
from shared.bus.principals import NAME, Principal, virtual_host_of
from shared.config import GATEWAY, SERVICES, Settings
from shared.database import STATEMENT_TIMEOUT_MS, connection_info
from shared.errors import Conflict, NotFound

IDENTITY = "identity"
PERSONAL = tuple(service for service in SERVICES if types_with_persons(service))
"""The services whose stream names persons."""


class Credentials(NamedTuple):
    """What a subscriber signs in with: to the broker, and over HTTP."""

    password: str
    token: str


def new_credentials() -> Credentials:
    """Return fresh credentials."""
    return Credentials(secrets.token_urlsafe(24), new_token())


def check_name(name: str) -> None:
    """Raise ValueError for what cannot be the name of a subscriber."""
    if not NAME.fullmatch(name) or name in (*SERVICES, GATEWAY):
        raise ValueError(
            f"{name!r} is no name for a subscriber: it has up to 32 of a-z, 0-9, _ and -, begins "
            "with a letter, and is not that of a service"
        )


class SubscriberAdministration:
    """Adds, changes and removes subscribers, as an operator with the broker's administrator.

    Raises psycopg.Error where the database, and BrokerAdministrationError where the broker refuses.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def _rights(self, name: str, grants: Grants) -> Rights:
        return rights_of_subscriber(
            name,
            grants.texts(),
            persons=grants.persons,
            personal=PERSONAL,
            books=self._settings.books,
        )

    def add(self, name: str, grants: Grants, credentials: Credentials, reason: str) -> None:
        """Add a subscriber, or repair one whose credentials these are.

        Raises Conflict for a subscriber who has others.
        """
        check_name(name)
        with self._subscribers() as subscribers:
            known = subscribers.find(name)
            if known is not None and known.token_digest != token_digest(credentials.token):
                raise Conflict(
                    "subscriber_exists",
                    f"{name} is a subscriber already: `rotate` gives it new credentials, `grant` "
                    "changes what it may see, `--env` with its file repairs it.",
                )
            if known is None or (list(known.grants), known.persons) != _as_stored(grants):
                _put(subscribers, name, grants, credentials, "added", reason)
            self._broker().put_user(_user(name), credentials.password, self._rights(name, grants))

    def rotate(self, name: str, credentials: Credentials, reason: str) -> None:
        """Give a subscriber new credentials; with the old ones nothing can be read any more."""
        with self._subscribers() as subscribers:
            known = _found(subscribers, name)
            grants = Grants.stored(known.grants, persons=known.persons)
            _put(subscribers, name, grants, credentials, "rotated", reason)
            self._broker().put_user(_user(name), credentials.password, self._rights(name, grants))
        self._broker().close_connections(_user(name))

    def grant(self, name: str, grants: Grants, reason: str) -> None:
        """Let a subscriber see this and nothing else; bindings to more are taken away."""
        with self._subscribers() as subscribers:
            known = _found(subscribers, name)
            subscribers.put(
                name,
                known.token_digest,
                grants.texts(),
                persons=grants.persons,
                change="granted",
                reason=reason,
            )
            self._broker().put_rights(_user(name), self._rights(name, grants))

    def remove(self, name: str, reason: str) -> None:
        """Remove a subscriber, end its connections and delete its queues."""
        with self._subscribers() as subscribers:
            known = subscribers.remove(name, reason)
        broker, user = self._broker(), _user(name)
        known = known or any(each.name == user for each in broker.users())
        if not known:
            raise _unknown(name)
        broker.remove_user(user)

    def find(self, name: str) -> Subscriber | None:
        """Return a subscriber."""
        with self._subscribers() as subscribers:
            return subscribers.find(name)

    def listing(self) -> list[Subscriber]:
        """Return all subscribers by name."""
        with self._subscribers() as subscribers:
            return subscribers.listing()

    def _broker(self) -> BrokerAdministration:
        settings = self._settings
        return BrokerAdministration(settings.amqp_admin_url, virtual_host_of(settings.amqp_url))

    @contextmanager
    def _subscribers(self) -> Iterator[Subscribers]:
        login = login_for(self._settings, IDENTITY, writes=True)
        check_login(login, IDENTITY)
        info = connection_info(login, IDENTITY, statement_timeout_ms=STATEMENT_TIMEOUT_MS)
        with (
            psycopg.connect(info, row_factory=dict_row) as connection,
            connection.cursor() as cursor,
        ):
            yield Subscribers(cursor)


def _put(
    subscribers: Subscribers,
    name: str,
    grants: Grants,
    credentials: Credentials,
    change: Change,
    reason: str,
) -> None:
    digest = token_digest(credentials.token)
    subscribers.put(
        name, digest, grants.texts(), persons=grants.persons, change=change, reason=reason
    )


def _as_stored(grants: Grants) -> tuple[list[str], bool]:
    return grants.texts(), grants.persons


def _user(name: str) -> str:
    return Principal("subscriber", name).user


def _found(subscribers: Subscribers, name: str) -> Subscriber:
    known = subscribers.find(name)
    if known is None:
        raise _unknown(name)
    return known


def _unknown(name: str) -> NotFound:
    return NotFound(
        "subscriber_not_found", f"There is no subscriber {name}; see `saldo bus subscriber list`."
    )
