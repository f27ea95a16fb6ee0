"""What the live feed tells subscribers: no persons without a grant, and gaps within one type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from uuid import uuid4

import pytest

from services.accounts.publishing import publish as publish_accounts
from shared.bus.live import Handoff, LiveFeed
from shared.bus.relay import Relay
from shared.bus.worker import Worker
from tests.conftest import Database
from tests.integration.bus_ends import Reader, open_one, pay, publish_all
from tests.integration.test_history import append_link
from tests.waiting import eventually

pytestmark = [pytest.mark.nodes, pytest.mark.usefixtures("clean_bus")]


@pytest.fixture
def open_reader(amqp_url: str) -> Iterator[Callable[..., Reader]]:
    with ExitStack() as opened:

        def open_(*arguments: str) -> Reader:
            reader = Reader(amqp_url, *arguments)
            opened.callback(reader.connection.close)
            return reader

        yield open_


def test_persons_are_on_an_exchange_of_their_own_and_on_no_other(
    database: Database, worker: Worker, open_reader: Callable[..., Reader]
) -> None:
    public = open_reader("public", "accounts.events")
    granted = open_reader("granted", "accounts.persons")
    accounts, person, handoff = database.store("accounts"), uuid4(), Handoff()
    append_link(accounts, person)
    relay = Relay(database.settings, accounts, publish_accounts, worker.stop, handoff.put)
    feed = LiveFeed(database.settings, accounts, publish_accounts, worker.stop, handoff)
    worker.start("relay", relay.run)
    worker.start("live", feed.run)
    [(key, headers, body)] = public.read(1)
    assert key == "account_linked"
    assert str(person) not in body.decode() + repr(headers)
    [(_, whole, whole_body)] = granted.read(1)
    assert whole_body.decode().count(str(person)) == 2
    assert whole["saldo_position"] == headers["saldo_position"] == 1
    assert whole["saldo_correlation_id"] == str(person)


def test_a_message_names_the_one_before_it_of_its_type(
    database: Database, worker: Worker, open_reader: Callable[..., Reader]
) -> None:
    reader, ledger = open_reader(), database.store("ledger")
    open_one(ledger)
    pay(ledger, 2)
    open_one(ledger, "0100000002")
    publish_all(worker, database, ledger)
    told = [
        (headers["saldo_position"], headers["saldo_type_predecessor"])
        for _, headers, _ in reader.read(4)
    ]
    assert told == [(1, 0), (2, 0), (3, 2), (4, 1)]


def test_a_feed_that_starts_again_still_knows_the_types(
    database: Database, open_reader: Callable[..., Reader]
) -> None:
    ledger, reader = database.store("ledger"), open_reader()
    for run in range(2):
        worker = Worker()
        open_one(ledger, f"010000000{run}")
        pay(ledger, 1, f"010000000{run}")
        publish_all(worker, database, ledger)
        reader.read(2 * run + 2)
        eventually(lambda end=2 * run + 2: sent(database) == end, "the feed has kept its place")
        worker.join()
    told = [headers["saldo_type_predecessor"] for _, headers, _ in reader.got]
    assert told == [0, 0, 1, 2]


def sent(database: Database) -> int:
    with database.owner("ledger") as owner:
        row = owner.execute("SELECT position FROM live").fetchone()
        return int(row[0]) if row else 0
