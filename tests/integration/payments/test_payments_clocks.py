"""Processes whose clocks differ: what one notes down about a payment holds for the others.

The clock of a process is moved by what it reads from its machine; the database has a clock of its
own, and so has the bank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.payments import scheduling
from services.payments.acquirers import Acquirer, NewOrder
from services.payments.registration import Registrar
from services.payments.scheduling import CALLBACK_PAUSE, POLL_AFTER
from shared import clock
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database
from tests.integration.payments.bank_process import BankProcess, Merchant
from tests.integration.payments.test_payments import ONE, PaymentHarness
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

MINUTE = timedelta(minutes=1)
APART = pytest.mark.parametrize("minutes", [10, 30, -10, -30])
"""By how many minutes the clock of another process is ahead: more and less than a claim, and a
session at the bank, last."""


class Process:
    """A process of the payments service, on a machine whose clock is off by some minutes."""

    def __init__(self, database: Database, acquirer: Acquirer, merchant: Merchant, minutes: float):
        self.off_by = minutes * MINUTE
        with self.running():
            self.store: PostgresStore = database.store("payments")
        self.payments = PaymentHarness(self.store, acquirer, merchant)
        self.registrar = Registrar(self.store, self.payments.acquirers, self.payments.return_url)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Have the machine's clock as this process has it."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(clock, "wall_time", lambda: datetime.now(UTC) + self.off_by)
            yield

    def do(self, work: Callable[[PaymentHarness], Any]) -> Any:
        """Return what this process does."""
        with self.running():
            return work(self.payments)


class WatchedAcquirer:
    """An acquirer at which something else happens while an order is being registered."""

    def __init__(self, acquirer: Acquirer, meanwhile: Callable[[], None]) -> None:
        self._acquirer = acquirer
        self._meanwhile = meanwhile
        self.registered: list[str] = []

    def register(self, order: NewOrder) -> Any:
        self.registered.append(order.order_number)
        if len(self.registered) == 1:
            self._meanwhile()
        return self._acquirer.register(order)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._acquirer, name)


@pytest.fixture
def process(
    database: Database, acquirer: Acquirer, merchant: Merchant
) -> Callable[[float], Process]:
    return lambda minutes: Process(database, acquirer, merchant, minutes)


def make_due(store: PostgresStore) -> None:
    with store.session() as session:
        session.cursor.execute("UPDATE polls SET due_at = clock_timestamp()")


def seconds_until_due(store: PostgresStore) -> float:
    [row] = store.query(
        lambda session: session.cursor.execute(
            "SELECT extract(epoch FROM due_at - clock_timestamp())::float8 AS left FROM polls"
        ).fetchall()
    )
    return float(row["left"])


@APART
def test_claim_of_one_process_holds_for_another(
    database: Database,
    acquirer: Acquirer,
    merchant: Merchant,
    process: Callable[[float], Process],
    minutes: float,
) -> None:
    other, third = process(minutes), process(0)

    def others_try() -> None:
        for one in (other, third):
            make_due(one.store)
            one.do(lambda payments: payments.poll())

    watched: Any = WatchedAcquirer(acquirer, others_try)
    for one in (other, third):
        one.payments.acquirers.by_name["main"] = watched  # type: ignore[index]
    first = Process(database, watched, merchant, -minutes)
    started = first.do(lambda payments: payments.start(ONE))
    assert started["state"] == "awaiting_payment"
    assert watched.registered == [UUID(started["payment_id"]).hex]


@APART
def test_order_whose_claim_has_ended_is_registered_by_another_process(
    bank: BankProcess, process: Callable[[float], Process], minutes: float
) -> None:
    """Neither closed before its time as nobody's, nor left waiting for a clock that is behind."""
    first, other = process(minutes), process(0)
    bank.faults(lose_register_answer=True)
    started = first.do(lambda payments: payments.start(ONE))
    assert started["state"] == "created"
    bank.faults(lose_register_answer=False)
    assert 0 < seconds_until_due(other.store) <= POLL_AFTER[0].total_seconds()
    make_due(first.store)
    assert first.do(lambda payments: payments.poll()) == 1
    shown = first.payments.view(started)
    assert shown["state"] == "awaiting_payment"
    make_due(other.store)
    assert other.do(lambda payments: payments.poll()) == 1
    assert first.payments.view(started)["state"] == "awaiting_payment"


@APART
def test_callback_at_one_process_does_not_keep_others_from_asking(
    process: Callable[[float], Process], minutes: float
) -> None:
    first, other = process(minutes), process(0)
    started = other.do(lambda payments: payments.start(ONE))
    number = UUID(started["payment_id"]).hex

    def ask(one: Process) -> bool:
        may: bool = one.do(lambda _: one.store.transact(scheduling.may_ask, number))
        return may

    assert ask(first)
    assert not ask(other)
    eventually(lambda: ask(other), "the pause is over", CALLBACK_PAUSE.total_seconds() + 10)


@APART
def test_instants_of_a_process_are_those_of_the_database(
    process: Callable[[float], Process], minutes: float
) -> None:
    one = process(minutes)
    before, now, after = one.do(
        lambda _: one.store.query(lambda session: (_time(session), session.now, _time(session)))
    )
    slack = timedelta(seconds=1)
    assert before - slack <= now <= after + slack


def _time(session: Any) -> datetime:
    at: datetime = session.cursor.execute("SELECT clock_timestamp() AS at").fetchone()["at"]
    return at
