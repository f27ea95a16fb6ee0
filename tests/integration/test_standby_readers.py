"""Several processes read the same upstream: one does, the others wait, and take its place."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from services.ledger.application import PaidLine, PostPayment, post_payment
from services.ledger.publishing import publish
from shared import context
from shared.bus import parked
from shared.bus.relay import Relay
from shared.bus.worker import Worker
from shared.eventstore.postgres import PostgresStore
from shared.ids import new_id
from tests.conftest import Database
from tests.integration.bus_ends import NUMBER, open_one, pay
from tests.integration.reader_process import (
    DEADLY,
    SLOW,
    handled_by,
    reader_process,
    with_processes,
)
from tests.waiting import eventually

pytestmark = [pytest.mark.nodes, pytest.mark.usefixtures("clean_bus")]

TAKEN_OVER_S = 15.0
"""It is 5 s where nothing else runs; without a watch it would be minutes."""


@pytest.fixture
def ledger(database: Database, worker: Worker) -> PostgresStore:
    """A ledger with one account, and its relay."""
    store = database.store("ledger")
    database.store("payments")
    open_one(store)
    with_processes(database)
    worker.start("relay", Relay(database.settings, store, publish, worker.stop).run)
    return store


@pytest.fixture
def busy(tmp_path: Path) -> Path:
    """The file that a reader makes in the middle of a slow reaction."""
    return tmp_path / "busy"


@pytest.fixture
def two(database: Database, ledger: PostgresStore, busy: Path) -> Iterator[list[BaseProcess]]:
    """Two readers."""
    with ExitStack() as stack:
        yield [stack.enter_context(reader_process(database, busy)) for _ in range(2)]


def pay_amount(ledger: PostgresStore, amount: int) -> None:
    line = PaidLine(account=NUMBER, amount=amount, penalty=0)
    with context.bind(command_id=new_id()):
        ledger.execute(
            post_payment,
            PostPayment(payment_id=new_id(), paid_on=ledger.clock.today(), lines=(line,)),
        )


def head(ledger: PostgresStore) -> int:
    return ledger.recorder.max_notification_id() or 0


def active(database: Database, ledger: PostgresStore) -> int:
    """Return the id of the process that handles what is published now."""
    pay(ledger, 1)
    last = head(ledger)
    eventually(lambda: last in handled_by(database), "somebody reads", seconds=60)
    return handled_by(database)[last]


def test_the_other_process_waits_and_reads_nothing(
    database: Database, ledger: PostgresStore, two: list[BaseProcess]
) -> None:
    reader = active(database, ledger)
    for _ in range(5):
        pay(ledger, 20)
        last = head(ledger)
        eventually(lambda last=last: last in handled_by(database), "all is read", seconds=60)  # type: ignore[misc]
    assert set(handled_by(database).values()) == {reader}


@pytest.mark.parametrize("with_open_transaction", [False, True])
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
def test_the_other_process_takes_over(
    database: Database,
    ledger: PostgresStore,
    two: list[BaseProcess],
    busy: Path,
    sent: signal.Signals,
    with_open_transaction: bool,
    record_property: pytest.RecordProperty,
) -> None:
    reader = active(database, ledger)
    [other] = {process.pid for process in two} - {reader}
    eventually(lambda: _waits(database), "the other one is there", seconds=60)
    if with_open_transaction:
        pay_amount(ledger, SLOW)
        eventually(busy.exists, "it is in the middle of a reaction")
    os.kill(reader, sent)
    began = time.monotonic()
    pay(ledger, 1)
    last = head(ledger)
    eventually(lambda: last in handled_by(database), "it is taken over", seconds=60)
    took = time.monotonic() - began
    assert handled_by(database)[last] == other
    record_property("measured", f"taken over after {sent.name}: {took:.1f} s")
    assert took < TAKEN_OVER_S
    if sent == signal.SIGSTOP:
        os.kill(reader, signal.SIGCONT)
        pay(ledger, 20)
        last = head(ledger)
        eventually(lambda: last in handled_by(database), "reading goes on", seconds=60)
        assert handled_by(database)[last] == other


def _waits(database: Database) -> bool:
    """Whether a process asks for the lock again and again."""
    with database.owner("payments") as owner:
        row = owner.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND (query LIKE 'SELECT pg_try_advisory_lock%' "
            "OR query LIKE '%pg_terminate_backend(holder%')"
        ).fetchone()
    return bool(row and row[0])


def test_message_that_ends_its_process_is_parked_alone_and_the_rest_goes_on(
    database: Database, ledger: PostgresStore, busy: Path
) -> None:
    payments = database.store("payments")
    with reader_process(database, busy):
        active(database, ledger)
        pay(ledger, 3)
    pay(ledger, 2)
    pay_amount(ledger, DEADLY)
    deadly = head(ledger)
    open_one(ledger, "0100000002")
    pay(ledger, 3, "0100000002")
    last = head(ledger)
    died = 0
    while last not in handled_by(database):
        assert died <= 2 * parked.MOST_KILLED, "it is parked after some attempts"
        with reader_process(database, busy) as process:
            eventually(
                lambda process=process: not process.is_alive() or last in handled_by(database),  # type: ignore[misc]
                "it dies, or goes on",
                seconds=60,
            )
            died += not process.is_alive()
    assert died == parked.MOST_KILLED
    rows = payments.query(lambda session: parked.listing(session.cursor))
    assert [(row["position"], row["reason"], row["attempts"]) for row in rows] == [
        (deadly, "KilledItsReaderError", parked.MOST_KILLED)
    ]
    assert set(range(2, last + 1)) - handled_by(database).keys() == {deadly, deadly + 1}
