"""The epochs of a log in the database: confirming a run of its server, and who may read before."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shared.bus.confirmation import confirm
from shared.bus.epochs import Epoch
from shared.bus.history import end_of, history_of, page_after
from shared.bus.stream import Sent
from shared.errors import Conflict, Unavailable
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database
from tests.integration.bus_ends import open_one, pay, publish, start_again

SOME_TIME = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def ledger(database: Database) -> PostgresStore:
    """A ledger with three events, whose log nobody has confirmed yet."""
    store = database.unconfirmed_store("ledger")
    open_one(store)
    pay(store, 2)
    return store


def confirmed(database: Database, store: PostgresStore, sent: Sent | None = None) -> Epoch:
    with database.runtime("ledger") as connection:
        return confirm(connection, store, publish, lambda: sent)


def never() -> Sent | None:
    raise AssertionError("the stream was read")


def event_at(store: PostgresStore, position: int, epoch: str) -> Sent:
    with store.transaction() as cursor:
        row = cursor.execute(
            "SELECT recorded_at FROM events WHERE notification_id = %s", (position,)
        ).fetchone()
    return Sent(epoch, position, row["recorded_at"])


def test_nobody_reads_a_log_for_others_before_it_is_confirmed(
    database: Database, ledger: PostgresStore
) -> None:
    for reading in (
        lambda: history_of(ledger),
        lambda: end_of(ledger),
        lambda: page_after(ledger, publish, 0, 0, limit=9),
    ):
        with pytest.raises(Unavailable) as refused:
            reading()
        assert refused.value.code == "log_not_confirmed"
    first = confirmed(database, ledger)
    assert (first.after, first.reason) == (0, "first")
    assert first.name.startswith("1.")
    assert history_of(ledger).head == end_of(ledger) == 3
    [*_, last] = page_after(ledger, publish, 0, 0, limit=9).envelopes
    assert last.headers["saldo_epoch"] == first.name
    assert last.headers["cloudEvents_id"] == f"ledger-{first.name}-3"


def test_confirmed_run_is_not_compared_again(database: Database, ledger: PostgresStore) -> None:
    first = confirmed(database, ledger)
    with database.runtime("ledger") as connection:
        assert confirm(connection, ledger, publish, never) == first


def test_restart_of_a_server_that_has_all_that_was_sent_begins_no_epoch(
    database: Database, ledger: PostgresStore
) -> None:
    first = confirmed(database, ledger)
    start_again(database)
    with pytest.raises(Unavailable):
        history_of(ledger)
    assert confirmed(database, ledger, event_at(ledger, 2, first.name)) == first
    assert history_of(ledger).current == first


def test_stream_ahead_of_the_log_begins_an_epoch_where_the_run_began(
    database: Database, ledger: PostgresStore
) -> None:
    """Commands go on before the relay has compared: their events are of the new epoch."""
    first = confirmed(database, ledger)
    start_again(database)
    pay(ledger, 2)
    sent = Sent(first.name, 5, SOME_TIME)
    second = confirmed(database, ledger, sent)
    assert (second.after, second.reason) == (3, "tail_lost")
    assert second.name.startswith("2.")
    assert history_of(ledger).end_of(first.name) == 3
    with pytest.raises(Conflict) as refused:
        page_after(ledger, publish, 5, 5, limit=9, epoch=first.name)
    assert refused.value.params["fork"] == 3
    page = page_after(ledger, publish, 3, 3, limit=9, epoch=first.name)
    assert [one.headers["saldo_epoch"] for one in page.envelopes] == [second.name] * 2
