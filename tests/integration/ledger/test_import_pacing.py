"""An import beside the bus: it leaves little unpublished, and waits for nobody for ever."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.ledger.importing.journal import Journal
from services.ledger.publishing import publish
from shared.bus.relay import Relay
from shared.bus.worker import Worker
from shared.eventstore import pacing
from shared.eventstore.pacing import AHEAD, AT_ONCE
from tests.conftest import Database
from tests.integration.bus_ends import Reader, pay, relayed
from tests.integration.ledger.import_harness import ImportHarness, line
from tests.waiting import eventually

pytestmark = [pytest.mark.nodes, pytest.mark.usefixtures("clean_bus")]

BILLS = 12_000
PAUSE_S = 0.1
"""Of the slow relay, after each window: an import is many times as fast."""
BOOK = 2
"""Events that say that the import has begun, and is finished."""


class SlowRelay(Relay):
    """Publishes a few thousand events in a second at most."""

    def _confirm(self, *arguments: Any) -> None:
        super()._confirm(*arguments)
        self._stop.wait(PAUSE_S)


class Watch:
    """Looks how much is left to publish, from its start to its end."""

    def __init__(self, database: Database) -> None:
        self.most = 0
        self._ended = threading.Event()
        self._database = database
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        query = "SELECT (SELECT max(notification_id) FROM events) - position FROM relay"
        with self._database.owner("ledger") as owner:
            while not self._ended.wait(0.005):
                row = owner.execute(query).fetchone()
                self.most = max(self.most, row[0] if row and row[0] else 0)


@pytest.fixture
def harness(database: Database, tmp_path: Path) -> ImportHarness:
    return ImportHarness(database, tmp_path)


@pytest.fixture
def opened(harness: ImportHarness) -> list[str]:
    """The numbers of accounts that are open."""
    numbers = [f"{number:06}" for number in range(BILLS + 1)]
    harness.opens(*numbers)
    return numbers


@pytest.fixture
def relay(
    clean_bus: None, harness: ImportHarness, opened: list[str], worker: Worker
) -> Iterator[None]:
    """A slow relay, once it has published that the accounts are open."""
    database = harness.database
    made = SlowRelay(database.settings, harness.store, publish, worker.stop)
    worker.start("relay", made.run)
    eventually(lambda: relayed(database) == len(opened) + BOOK, "all accounts are published")
    yield
    worker.join()


def bills(harness: ImportHarness, numbers: list[str]) -> Path:
    return harness.file("bills.csv", *(line(number) for number in numbers))


@pytest.mark.usefixtures("relay")
def test_import_leaves_little_unpublished_and_a_payment_passes(
    harness: ImportHarness, opened: list[str]
) -> None:
    """The payment is posted in the middle, and published long before the last bill is posted."""
    database, posted = harness.database, len(opened) + BOOK
    arrived: list[int] = []

    def pay_in_the_middle() -> None:
        eventually(lambda: relayed(database) >= posted + BILLS // 4, "a quarter is published")
        pay(harness.store, 1, opened[-1])
        with database.owner("ledger") as owner:
            row = owner.execute("SELECT position FROM payment_postings").fetchone()
            place = int(row[0]) if row else 0
        eventually(lambda: relayed(database) >= place, "the payment is published")
        arrived.append(harness.events())

    payer = threading.Thread(target=pay_in_the_middle)
    payer.start()
    with Watch(database) as watch:
        summary = harness.imports(bills(harness, opened[:-1]))
    payer.join()
    assert summary["counts"]["entries"] == BILLS
    assert summary["waited_seconds"] > 0
    assert not summary["unpublished"]
    assert watch.most <= AHEAD + AT_ONCE + BOOK + 1, "the payment is the one"
    assert arrived[0] < len(opened) + BILLS, "bills were still to come"
    harness.is_sound()


def test_import_without_a_relay_goes_on_at_once_and_says_so(
    harness: ImportHarness, opened: list[str]
) -> None:
    result = harness.run(bills(harness, opened[:-1]))
    assert result.exit_code == 0
    assert "The relay does not run" in " ".join(result.stdout.split())
    assert harness.events() == len(opened) + BILLS


def test_import_waits_for_a_relay_that_gets_nowhere_only_once(
    harness: ImportHarness, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker is down, say: the bills are posted all the same, and published later."""
    monkeypatch.setattr(pacing, "STUCK_S", 0.5)
    monkeypatch.setattr(pacing, "TOLD_S", 0.1)
    database = harness.database
    with database.runtime("ledger") as held:
        held.execute("SELECT pg_advisory_lock(hashtextextended('ledger.relay', 0))")
        result = harness.run(bills(harness, opened[:-1]), "--json")
        assert result.exit_code == 0, result.output
    assert "Waiting for the bus" in result.stderr
    assert json.loads(result.stdout.splitlines()[-1])["unpublished"]
    assert harness.events() == len(opened) + BILLS


def test_import_waits_for_readers_who_are_behind(
    harness: ImportHarness, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relay has published all, and says that its readers have not read it."""
    monkeypatch.setattr(pacing, "AHEAD", 1_000_000)
    monkeypatch.setattr(pacing, "LONGEST_S", 0.5)
    with harness.database.runtime("ledger") as relay:
        for lock in ("ledger.relay", "ledger.crowded"):
            relay.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (lock,))
        summary = harness.imports(bills(harness, opened[:2_000]))
    assert summary["waited_seconds"] >= 2 * 0.5, "for each of two chunks"
    assert not summary["unpublished"]


@pytest.mark.usefixtures("relay")
def test_killed_between_small_chunks_it_is_repeated_in_large_ones(
    harness: ImportHarness, opened: list[str], worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = Journal.keep

    def keep_or_fail(self: Journal, cursor: Any, command_id: Any, place: Any, counts: Any) -> None:
        if place.chunk == 3:
            raise RuntimeError("the process ends")
        keep(self, cursor, command_id, place, counts)

    file = bills(harness, opened[:-1])
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "keep", keep_or_fail)
        assert isinstance(harness.run(file).exception, RuntimeError)
    assert harness.events() == len(opened) + 3 * AT_ONCE
    worker.join()
    summary = harness.imports(file)
    assert (summary["resumed"], summary["counts"]["entries"]) == (True, BILLS)
    assert harness.events() == len(opened) + BILLS
    harness.is_sound()


@pytest.mark.usefixtures("relay")
def test_subscriber_gets_every_bill_in_the_order_of_the_log(
    harness: ImportHarness, opened: list[str], amqp_url: str
) -> None:
    reader = Reader(amqp_url, exchange="ledger.log")
    harness.imports(bills(harness, opened[:3_000]))
    got = [headers["saldo_position"] for _, headers, _ in reader.read(3_000 + BOOK)]
    reader.connection.close()
    first = len(opened) + BOOK + 1
    assert got == list(range(first, first + 3_000 + BOOK))
