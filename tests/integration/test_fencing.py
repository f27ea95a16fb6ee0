"""Leaders that have lost the lead: what they have begun does not count, and they send nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from multiprocessing.process import BaseProcess

import psycopg
import pytest

from services.discovery import open_store
from services.ledger.publishing import publish
from shared.bus.leadership import SURE_S, LeadLostError, lead
from shared.bus.live import Handoff, LiveFeed
from shared.bus.messages import Envelope
from shared.bus.publisher import ConfirmedPublisher
from shared.bus.relay import Relay
from shared.bus.topology import log_exchange
from shared.bus.worker import Worker
from shared.config import Settings
from tests.conftest import Database
from tests.integration.bus_ends import Reader, leading, open_one, pay, relayed
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("clean_bus")

STOPPED_AFTER = 3
LOCK_HOLDERS = """
SELECT a.pid FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
 WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database()
   AND a.application_name = 'saldo-ledger'
"""


@pytest.fixture
def reader(amqp_url: str) -> Iterator[Reader]:
    made = Reader(amqp_url, exchange=log_exchange("ledger").name)
    yield made
    made.connection.close()


class StoppingPublisher(ConfirmedPublisher):
    """Stops its process after the third message, as an operator's SIGSTOP might."""

    sent_before = 0

    def publish(self, exchange: str, envelope: Envelope) -> int:
        tag = super().publish(exchange, envelope)
        StoppingPublisher.sent_before += 1
        if StoppingPublisher.sent_before == STOPPED_AFTER:
            os.kill(os.getpid(), signal.SIGSTOP)
        return tag


def run_relay_that_stops(settings: Settings) -> None:
    """Run a relay in a process of its own; it ends with 3 where the relay was told of its loss."""
    from shared.bus import relay

    relay.ConfirmedPublisher = StoppingPublisher  # type: ignore[misc,attr-defined]
    store = open_store("ledger", settings)
    try:
        Relay(settings, store, publish, threading.Event()).run()
    except (psycopg.OperationalError, LeadLostError):
        os._exit(3)


@pytest.fixture
def stopped(database: Database) -> Iterator[BaseProcess]:
    """A relay whose process is stopped while its first window is being sent."""
    ledger = database.store("ledger")
    open_one(ledger)
    pay(ledger, 9)
    started = multiprocessing.get_context("spawn").Process(
        target=run_relay_that_stops, args=(database.settings,)
    )
    started.start()
    eventually(lambda: state_of(started) == "T", "the relay has stopped in the middle")
    yield started
    started.kill()
    started.join()


def state_of(process: BaseProcess) -> str:
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as stat:
        return stat.read().rpartition(")")[2].split()[0]


def test_relay_that_was_paused_and_lost_its_lock_sends_nothing_more(
    database: Database, worker: Worker, reader: Reader, stopped: BaseProcess
) -> None:
    with database.owner("ledger") as owner:
        [holder] = owner.execute(LOCK_HOLDERS).fetchall()
        owner.execute("SELECT pg_terminate_backend(%s)", holder)
    paused = time.monotonic()
    ledger = database.opened[0]
    worker.start("relay", Relay(database.settings, ledger, publish, worker.stop).run)
    # What the first relay had sent before the pause may or may not have left its process.
    eventually(lambda: relayed(database) == 10, "the second relay has published all")
    eventually(lambda: time.monotonic() - paused > SURE_S, "the pause was not a short one")
    os.kill(stopped.pid or 0, signal.SIGCONT)
    stopped.join(timeout=20)
    assert stopped.exitcode == 3
    pay(ledger, 1)
    eventually(lambda: relayed(database) == 11, "the second relay goes on")
    got = [headers["saldo_position"] for _, headers, _ in reader.read(STOPPED_AFTER + 11)]
    assert sorted(got) == sorted([*range(1, STOPPED_AFTER + 1), *range(1, 12)])
    assert got[-1] == 11


def test_position_is_written_by_the_last_leader_alone(database: Database) -> None:
    database.store("ledger")
    statement = "UPDATE relay SET position = %(position)s WHERE true"
    with (
        leading(database, "ledger", "relay") as before,
        leading(database, "ledger", "relay") as now,
    ):
        assert (before.term, now.term) == (1, 2)
        with pytest.raises(LeadLostError):
            before.write(statement, {"position": 7})
        with pytest.raises(LeadLostError):
            before.check()
        now.check()
        now.write(statement, {"position": 8})
    assert relayed(database) == 8


def test_terms_of_tasks_are_their_own(database: Database) -> None:
    terms: list[int] = []
    for task in ("relay", "live", "relay"):
        lead(
            database.settings,
            "ledger",
            task,
            threading.Event(),
            lambda held: terms.append(held.term),
        )
    assert terms == [1, 1, 2]


def test_relay_publishes_the_log_of_the_server_that_it_leads(
    database: Database, second_database: Database, worker: Worker, reader: Reader
) -> None:
    """Its pool may be given another server, by a name or a balancer, than its lock is held on."""
    ours, theirs = database.store("ledger"), second_database.store("ledger")
    open_one(ours)
    pay(ours, 2)
    open_one(theirs)
    pay(theirs, 8)
    worker.start("relay", Relay(database.settings, theirs, publish, worker.stop).run)
    eventually(lambda: relayed(database) == 3, "the relay has published all of its log")
    got = reader.read(3)
    times = [datetime.fromisoformat(headers["cloudEvents_time"]) for _, headers, _ in got]
    assert times == [row.recorded_at for row in ours.log_after(0, 9)]
    assert relayed(second_database) == 0


def test_live_feed_sends_no_window_of_a_log_that_is_gone(
    database: Database, worker: Worker, amqp_url: str
) -> None:
    """What the relay of the same process handed on before a failover may be lost by now."""
    ledger = database.store("ledger")
    open_one(ledger)
    handoff = Handoff()
    relay = Relay(database.settings, ledger, publish, worker.stop, handoff.put)
    worker.start("relay", relay.run)
    eventually(lambda: relayed(database) == 1, "the relay has handed on a window")
    [(_, window)] = handoff._windows.items()
    ghost = window.envelopes[0].headers | {"cloudEvents_id": "ghost"}
    gone = window._replace(
        envelopes=[Envelope("account_opened", ghost, b"{}")], log=(window.log[0], "1.00000000")
    )
    handoff.put(gone)
    reader = Reader(amqp_url)
    worker.start("live", LiveFeed(database.settings, ledger, publish, worker.stop, handoff).run)
    [(_, headers, _)] = reader.read(1)
    reader.connection.close()
    assert headers["cloudEvents_id"] != "ghost"
