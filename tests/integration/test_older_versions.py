"""A version that meets what a newer one wrote: it leaves it to the newer one, and harms nothing.

While processes are replaced one by one, both versions work on one log. The older one here does not
know the event of a payment.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.ledger.application import OpenAccount, open_account
from services.ledger.domain import EVENTS
from services.ledger.domain.account import ACCOUNT_EVENTS
from services.ledger.domain.events import PaymentPosted
from services.ledger.publishing import publish
from shared import context, telemetry
from shared.bus import relay as relaying
from shared.bus.history import page_after
from shared.bus.listen import Delivery, Listener
from shared.bus.live import Handoff, LiveFeed
from shared.bus.reactions import Reactions
from shared.bus.relay import Relay
from shared.bus.worker import Worker
from shared.errors import Unavailable
from shared.eventstore import EventTypes
from shared.eventstore.events import UnknownTopicError
from shared.eventstore.postgres import PostgresStore
from shared.ids import new_id
from tests.conftest import Database
from tests.integration.bus_ends import NUMBER, Reader, open_one, pay, relayed
from tests.waiting import eventually

OTHER = "0100000002"


def older(database: Database) -> PostgresStore:
    """Return the store of a version that does not know payments."""
    store = database.unconfirmed_store("ledger")
    store.events = EventTypes(*(event for event in ACCOUNT_EVENTS if event is not PaymentPosted))
    assert store.events.topics < EVENTS.topics
    return store


def stood_down(task: str) -> float:
    return telemetry.TASKS_STOOD_DOWN.labels(task)._value.get()


@pytest.mark.usefixtures("clean_bus")
@pytest.mark.parametrize("window", [relaying.WINDOW, 2])
def test_a_relay_stands_down_before_what_it_cannot_publish(
    database: Database,
    worker: Worker,
    amqp_url: str,
    monkeypatch: pytest.MonkeyPatch,
    window: int,
) -> None:
    """Also where a full window before it is on its way."""
    monkeypatch.setattr(relaying, "WINDOW", window)
    ledger = database.store("ledger")
    open_one(ledger)
    open_one(ledger, OTHER)
    pay(ledger, 3)
    reader = Reader(amqp_url, exchange="ledger.log")
    before = stood_down("older relay")
    relay = Relay(database.settings, older(database), publish, worker.stop)
    worker.start("older relay", relay.run)
    eventually(lambda: stood_down("older relay") > before, "the older relay stands down")
    assert relayed(database) == 2  # what it knows is published, and nothing is passed over
    newer = Relay(database.settings, ledger, publish, worker.stop)
    worker.start("newer relay", newer.run)
    got = reader.read(5)
    assert [headers["saldo_position"] for _, headers, _ in got] == [1, 2, 3, 4, 5]
    eventually(lambda: relayed(database) == 5, "the newer relay has published everything")
    reader.connection.close()


@pytest.mark.usefixtures("clean_bus")
def test_a_live_feed_stands_down_before_what_it_cannot_send(
    database: Database, worker: Worker
) -> None:
    ledger = database.store("ledger")
    open_one(ledger)
    pay(ledger, 1)
    worker.start("relay", Relay(database.settings, ledger, publish, worker.stop).run)
    eventually(lambda: relayed(database) == 2, "the relay has published everything")
    feed = LiveFeed(database.settings, older(database), publish, threading.Event(), Handoff())
    with pytest.raises(UnknownTopicError):
        feed.run()
    with database.runtime("ledger") as connection:
        assert connection.execute("SELECT position FROM live").fetchone() == {"position": 1}


def test_a_worker_tells_that_a_task_stands_down_and_does_not_crash() -> None:
    worker, ran = Worker(), threading.Event()

    def run() -> None:
        ran.set()
        raise UnknownTopicError("ledger.payment_posted.v9")

    with capture_logs() as logs:
        worker.start("ledger relay", run)
        assert ran.wait(10)
        eventually(lambda: logs, "it says so")
        worker.join()
    assert logs[0] == {
        "event": "task_stands_down", "log_level": "error", "task": "ledger relay",
        "topic": "ledger.payment_posted.v9",
    }  # fmt: skip
    assert {line["event"] for line in logs} == {"task_stands_down"}


def test_the_history_ends_at_no_event_that_this_version_does_not_know(database: Database) -> None:
    """A reader that took it for the end would take what comes later for ghosts."""
    ledger = database.store("ledger")
    open_one(ledger)
    pay(ledger, 1)
    page = page_after(older(database), publish, 0, 0, limit=100)
    assert ([one.headers["saldo_position"] for one in page.envelopes], page.more) == ([1], True)
    with pytest.raises(Unavailable) as refused:
        page_after(older(database), publish, 1, 1, limit=100)
    assert refused.value.code == "service_unavailable"
    whole = page_after(ledger, publish, 0, 0, limit=100)
    assert (len(whole.envelopes), whole.more) == (2, False)


def test_a_command_on_a_stream_with_an_unknown_event_is_refused_as_unavailable(
    database: Database,
) -> None:
    ledger = database.store("ledger")
    open_one(ledger)
    pay(ledger, 1)
    again = OpenAccount(number=NUMBER, payer_kind="household")
    with pytest.raises(Unavailable) as refused, context.bind(command_id=new_id()):
        older(database).execute(open_account, again)
    assert refused.value.code == "service_unavailable"
    assert "payment_posted" not in refused.value.message
    assert refused.value.params == {}


class Services:
    """The dependencies of a reaction: nobody answers."""

    def __init__(self, database: Database, store: PostgresStore) -> None:
        self.settings, self.store = database.settings, store

    def call(self, service: str, method: str, **kwargs: Any) -> Any:
        raise Unavailable("service_unavailable", "not in this test")


def load_account(session: Any, message: Any, services: Any) -> None:
    open_account(session, OpenAccount(number=OTHER, payer_kind="household"))
    open_account(session, OpenAccount(number=NUMBER, payer_kind="household"))


def test_a_reaction_that_meets_an_unknown_event_of_its_own_log_leaves_it_to_a_newer_version(
    database: Database,
) -> None:
    """It is not parked: nothing is wrong with the message."""
    ledger = database.store("ledger")
    open_one(ledger)
    pay(ledger, 1)
    [first, _] = page_after(ledger, publish, 0, 0, limit=100).envelopes
    store = older(database)
    handlers = {"account_opened": load_account}
    listener = Listener(Services(database, store), store, "accounts", handlers, threading.Event())
    message = Delivery(first.headers, first.body)
    with pytest.raises(UnknownTopicError):
        listener.process([message], lambda _: None)
    reactions = Reactions(Services(database, ledger), ledger, "accounts", {})
    assert reactions.position() == 0
    with database.runtime("ledger") as connection:
        assert connection.execute("SELECT count(*) AS n FROM parked").fetchone() == {"n": 0}
        assert connection.execute("SELECT count(*) AS n FROM events").fetchone() == {"n": 2}
