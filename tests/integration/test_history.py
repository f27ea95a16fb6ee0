"""The published history on a real log: pages, types, persons, sizes, and the position of a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from services.accounts.domain import AccountLinked
from services.accounts.publishing import publish as publish_accounts
from services.identity.fingerprints import new_token, token_digest
from services.ledger.publishing import publish
from shared.bus import Publication
from shared.bus.history import Page, end_of, page_after
from shared.eventstore import Recorded
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.recorder import Cause
from tests.conftest import Database
from tests.integration.bus_ends import open_one, pay

pytestmark = pytest.mark.nodes


def ledger_of(database: Database, payments: int) -> PostgresStore:
    """Return a ledger whose first event is not a payment, and all others are."""
    store = database.store("ledger")
    open_one(store)
    pay(store, payments)
    return store


def append_link(store: PostgresStore, person: UUID) -> None:
    """Append an event that names a person twice, in the name of that person's request."""
    event = AccountLinked(
        person_id=person,
        number="0100000001",
        proven_by="bill",
        other_person_ids=(person,),
    )
    row = (uuid4(), 1, event.topic, store.events.encode(event))
    with store.transaction() as cursor:
        store.recorder.append(cursor, [row], [Cause(uuid4(), f"person:{person}", str(person))])


def positions(page: Page) -> list[int]:
    return [envelope.headers["saldo_position"] for envelope in page.envelopes]


def test_page_ends_within_its_log_however_fast_that_grows(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader whose page lay beyond the end of the log would be told of a loss."""
    store = database.store("ledger")
    open_one(store)
    read = store.recorder.after

    def grow_and_read(cursor: Any, position: int, limit: int) -> Any:
        pay(store, 2)
        return read(cursor, position, limit)

    monkeypatch.setattr(store.recorder, "after", grow_and_read)
    page = page_after(store, publish, 0, 0, limit=9)
    assert (page.position, page.history.head) == (3, 3)


def test_pages_of_some_types_pass_over_the_others_and_lose_none(database: Database) -> None:
    store = ledger_of(database, 5)
    page = page_after(store, publish, 0, 0, limit=2, types={"payment_posted"})
    assert (positions(page), page.position, page.published, page.more) == ([2, 3], 3, 3, True)
    page = page_after(store, publish, page.position, page.published, limit=9)
    assert (positions(page), page.more) == ([4, 5, 6], False)
    none = page_after(store, publish, 0, 0, limit=9, types={"charges_posted"})
    assert (positions(none), none.position, none.more) == ([], 6, False)


def test_the_versions_of_one_event_stay_on_one_page(database: Database) -> None:
    store = ledger_of(database, 2)

    def both(recorded: Recorded) -> list[Publication]:
        one = publish(recorded)
        return [one, msgspec.structs.replace(one, version=2)]

    page = page_after(store, both, 0, 0, limit=1, types={"payment_posted"})
    assert (positions(page), page.position, page.more) == ([2, 2], 2, True)
    page = page_after(store, both, 2, 2, limit=9, max_bytes=1)
    assert (positions(page), page.published) == ([3, 3], 3)
    assert [one.routing_key for one in page.envelopes] == ["payment_posted", "payment_posted.v2"]


def test_a_page_ends_before_it_gets_too_large_but_has_one_event(database: Database) -> None:
    store = ledger_of(database, 3)
    small = page_after(store, publish, 0, 0, limit=9, max_bytes=1)
    assert (positions(small), small.position, small.more) == ([1], 1, True)
    rest, after, published = [], 0, 0
    while True:
        page = page_after(store, publish, after, published, limit=9, max_bytes=2000)
        rest += positions(page)
        after, published = page.position, page.published
        if not page.more:
            break
    assert rest == [1, 2, 3, 4]


def test_a_time_is_a_position(database: Database) -> None:
    store = ledger_of(database, 40)
    times = {event.id: event.recorded_at for event in store.log_after(0, 100)}
    assert end_of(store) == 41
    for position in (1, 2, 20, 41):
        expected = max((p for p, at in times.items() if at < times[position]), default=0)
        assert end_of(store, times[position]) == expected
    assert end_of(store, times[1] - timedelta(days=1)) == 0
    assert end_of(store, times[41] + timedelta(days=1)) == 41
    assert end_of(database.store("payments"), datetime(2026, 1, 1, tzinfo=UTC)) == 0


def test_whoever_may_not_see_persons_gets_the_history_without_them(database: Database) -> None:
    accounts, person = database.store("accounts"), uuid4()
    append_link(accounts, person)
    [whole] = page_after(accounts, publish_accounts, 0, 0, limit=9).envelopes
    assert str(person) in whole.body.decode()
    [public] = page_after(accounts, publish_accounts, 0, 0, limit=9, persons=False).envelopes
    assert str(person) not in public.body.decode() + repr(public.headers)
    assert public.headers["saldo_position"] == 1


def test_a_subscriber_is_a_row_of_identity_and_gone_with_it(database: Database) -> None:
    identity, token = database.store("identity"), new_token()
    digest = token_digest(token)
    with identity.session() as session:
        for change, grants in (("added", ["ledger"]), ("granted", ["ledger", "accounts"])):
            session.read.subscribers.put(
                "datamart", digest, grants, persons=False, change=change, reason="act 7"
            )
    found = identity.query(lambda session: session.read.subscribers.of_token(digest))
    assert (found.name, list(found.grants)) == ("datamart", ["ledger", "accounts"])
    with identity.session() as session:
        session.read.subscribers.used("datamart", datetime(2026, 11, 2, tzinfo=UTC))
        [listed] = session.read.subscribers.listing()
        assert listed.last_used_at == datetime(2026, 11, 2, tzinfo=UTC)
        assert session.read.subscribers.remove("datamart", "act 8")
        assert not session.read.subscribers.remove("datamart", "act 8")
    assert identity.query(lambda session: session.read.subscribers.of_token(digest)) is None
    with database.owner("identity") as owner:
        kept = owner.execute("SELECT change, reason FROM subscriber_changes ORDER BY id").fetchall()
    assert kept == [("added", "act 7"), ("granted", "act 7"), ("removed", "act 8")]
