"""Readers first: what a program meets when others publish more than it knows.

A type that it does not know is none of its business. A version that it does not know, of a type
that it does, is kept until the program is replaced: never skipped. While a version is replaced,
both are published, and each event takes effect once, whichever of them a reader knows.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from services.ledger import publishing
from services.ledger.application import (
    OpenAccount,
    PaidLine,
    PostPayment,
    open_account,
    post_payment,
)
from shared import context
from shared.bus import Publication, parked
from shared.bus.history import page_after
from shared.bus.listen import Delivery, Listener, Reactions
from shared.bus.messages import Envelope, Publish, Published, UnknownVersionError
from shared.config import Settings
from shared.errors import Unavailable
from shared.eventstore import Recorded
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database, role_of

NUMBERS = ("0100000001", "0100000002")


def as_version(published: Published, version: int) -> Publication:
    """Return a publication under the next version of its contract; a sum has another name there."""
    assert isinstance(published, Publication)
    data = {**published.data, "sum": published.data["amount"]}
    del data["amount"]
    return Publication(published.type, published.subject, data, version)


def both(recorded: Recorded) -> Published:
    """Publish payments in both versions, the new one first by mistake."""
    published = publishing.publish(recorded)
    if isinstance(published, Publication) and published.type == "payment_posted":
        return [as_version(published, 2), published]
    return published


def only_new(recorded: Recorded) -> Published:
    """Publish payments in the second version alone."""
    published = publishing.publish(recorded)
    if isinstance(published, Publication) and published.type == "payment_posted":
        return as_version(published, 2)
    return published


def first(session: Any, message: Any, services: Any) -> None:
    note(session, message.position, message.data["amount"])


def second(session: Any, message: Any, services: Any) -> None:
    note(session, message.position, message.data["sum"])


def note(session: Any, position: int, amount: int) -> None:
    session.cursor.execute("INSERT INTO noted VALUES (%s, %s)", (position, amount))


OLD = {"payment_posted": first}
NEW = {"payment_posted": first, "payment_posted.v2": second}
NEWEST = {"payment_posted.v2": second}


@dataclass
class Reader:
    """The reactions of payments to the ledger, in a release of one's choice."""

    database: Database
    settings: Settings
    store: PostgresStore

    def call(self, service: str, method: str, **kwargs: Any) -> Any:
        raise Unavailable("service_unavailable", "not in this test")

    def read(self, handlers: Mapping[str, Any], envelopes: list[Envelope]) -> None:
        listener = Listener(self, self.store, "ledger", handlers, threading.Event())
        listener.process([Delivery(one.headers, one.body) for one in envelopes], lambda _: None)

    def retry(self, handlers: Mapping[str, Any], parked_id: int) -> None:
        reactions = Reactions(self, self.store, "ledger", handlers)
        with self.store.session() as session:
            parked.retry(session.cursor, parked_id, lambda one: reactions.handle(session, one))

    def parked(self) -> list[dict[str, Any]]:
        return self.store.query(lambda session: parked.listing(session.cursor))

    def position(self) -> int:
        return Reactions(self, self.store, "ledger", {}).position()

    def noted(self) -> list[tuple[int, int]]:
        with self.database.owner("payments") as owner:
            return owner.execute("SELECT position, amount FROM noted ORDER BY 1").fetchall()


@pytest.fixture
def reader(database: Database) -> Reader:
    with database.owner("payments") as owner:
        owner.execute("CREATE TABLE noted (position bigint, amount bigint)")
        owner.execute(f"GRANT SELECT, INSERT ON noted TO {role_of('payments')}")
    return Reader(database, database.settings, database.store("payments"))


@pytest.fixture
def ledger(database: Database) -> PostgresStore:
    """A ledger with two accounts (positions 1 and 2) and a payment to each (3 and 4)."""
    store = database.store("ledger")
    for number in NUMBERS:
        store.execute(open_account, OpenAccount(number=number, payer_kind="household"))
    for place, number in enumerate(NUMBERS, 1):
        line = PaidLine(account=number, amount=100 * place, penalty=0)
        command = PostPayment(payment_id=UUID(int=place), paid_on=date(2026, 11, 1), lines=(line,))
        with context.bind(command_id=UUID(int=place)):
            store.execute(post_payment, command)
    return store


def published(ledger: PostgresStore, publish: Publish) -> list[Envelope]:
    page = page_after(ledger, publish, 0, 0, limit=1_000)
    assert (page.position, page.published) == (4, 4)
    return page.envelopes


def test_a_type_that_a_reader_does_not_know_is_none_of_its_business(
    reader: Reader, ledger: PostgresStore
) -> None:
    reader.read({"account_opened": lambda *_: None}, published(ledger, both))
    assert reader.position() == 4
    assert reader.parked() == []


def test_a_version_that_a_reader_does_not_know_waits_for_its_next_release(
    reader: Reader, ledger: PostgresStore
) -> None:
    reader.read(OLD, published(ledger, only_new))
    waiting = reader.parked()
    assert [(row["position"], row["reason"], row["attempts"]) for row in waiting] == [
        (3, "UnknownVersionError", 1),
        (4, "UnknownVersionError", 1),
    ]
    assert reader.noted() == []
    with pytest.raises(UnknownVersionError, match=r"payment_posted\.v2 is newer"):
        reader.retry(OLD, waiting[0]["id"])
    assert len(reader.parked()) == 2
    for row in waiting:
        reader.retry(NEW, row["id"])
    assert reader.noted() == [(3, 100), (4, 200)]
    assert reader.parked() == []


@pytest.mark.parametrize("handlers", [OLD, NEW], ids=["old release", "new release"])
def test_two_versions_side_by_side_take_effect_once(
    reader: Reader, ledger: PostgresStore, handlers: dict[str, Any]
) -> None:
    envelopes = published(ledger, both)
    keys = [(one.headers["saldo_position"], one.routing_key) for one in envelopes]
    assert keys[2:4] == [(3, "payment_posted"), (3, "payment_posted.v2")]
    assert [one.headers["saldo_predecessor"] for one in envelopes] == [0, 1, 2, 2, 3, 3]
    reader.read(handlers, envelopes)
    for envelope in envelopes:  # each of them again, alone
        reader.read(handlers, [envelope])
    assert reader.noted() == [(3, 100), (4, 200)]
    assert reader.parked() == []


def test_the_order_of_deployment_loses_nothing(reader: Reader, ledger: PostgresStore) -> None:
    """Readers, publisher with both, publisher with the new one alone, readers without the old."""
    before, during, after = (
        published(ledger, publish) for publish in (publishing.publish, both, only_new)
    )
    reader.read(OLD, before[:2])
    reader.read(NEW, before[:3])
    reader.read(NEW, during[:4])
    reader.read(NEWEST, after)
    assert reader.noted() == [(3, 100), (4, 200)]
    assert reader.parked() == []
