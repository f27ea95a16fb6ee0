"""Payments from their start to the ledger, with a bank process and a real PostgreSQL."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from services.payments import application
from services.payments.acquirers import Acquirer
from services.payments.acquirers.rbs.responses import OrderStatus
from services.payments.application import History, OwnPayment
from services.payments.callback import receive_callback
from services.payments.checkout import Checkout
from services.payments.domain import Line, payment_id_of
from services.payments.jobs import poll_due
from services.payments.reactions import payment_posted
from shared import context
from shared.bus import Message
from shared.clock import SystemClock
from shared.errors import Conflict, NotFound, Unavailable
from tests.integration.payments.bank_process import (
    DECLINES,
    PAYS,
    BankProcess,
    Merchant,
    press_pay,
)
from tests.waiting import eventually

pytestmark = pytest.mark.nodes


class PaymentHarness:
    """The payments service on PostgreSQL and the bank process, without the bus."""

    def __init__(self, store: Any, acquirer: Acquirer, merchant: Merchant) -> None:
        self.store = store
        self.acquirer = acquirer
        self.person_id = uuid4()
        self.checkout = Checkout(
            store,
            acquirer,
            SystemClock(),
            lambda _person, _numbers: [],
            f"{merchant.url}/payments/{{payment_id}}",
        )

    def start(self, *lines: Line, command_id: UUID | None = None) -> dict[str, Any]:
        with context.bind(command_id=command_id or uuid4()):
            return self.checkout.start(self.person_id, lines)

    def view(self, started: dict[str, Any]) -> dict[str, Any]:
        query = OwnPayment(person_id=self.person_id, payment_id=UUID(started["payment_id"]))
        view: dict[str, Any] = self.store.query(lambda s: application.own_payment(s, query))
        return view

    def ledger_posts(self, payment_id: str, account: str, position: int) -> None:
        data = {"payment_id": payment_id, "account": account, "amount": 1, "penalty": 0}
        message = Message(
            id=f"ledger-{position}",
            type="payment_posted",
            source="ledger",
            subject=account,
            time=SystemClock().now(),
            position=position,
            predecessor=position - 1,
            correlation_id="",
            data=data,
        )
        nothing: Any = None
        self.store.transact(lambda session, _: payment_posted(session, message, nothing), None)


@pytest.fixture
def harness(database: Any, acquirer: Acquirer, merchant: Merchant) -> PaymentHarness:
    return PaymentHarness(database.store("payments"), acquirer, merchant)


ONE, TWO = Line("0001", 450_000, 1_250), Line("0002", 0, 700)


def test_payment_goes_from_its_start_to_the_ledger(
    harness: PaymentHarness, merchant: Merchant
) -> None:
    command_id = uuid4()
    started = harness.start(ONE, TWO, command_id=command_id)
    press_pay(started["redirect_url"], PAYS)
    number = UUID(started["payment_id"]).hex
    got = eventually(lambda: merchant.of(number), "the callback")[0]
    for _ in range(2):
        receive_callback(harness.store, harness.acquirer, got)
    assert harness.view(started)["state"] == "captured"
    for _ in range(2):
        harness.ledger_posts(started["payment_id"], "0001", 1)
        harness.ledger_posts(started["payment_id"], "0002", 2)
    shown = harness.view(started)
    assert shown["state"] == "completed"
    assert shown["masked_card"] == "411111**1111"
    assert [(line["account"], line["posted"]) for line in shown["lines"]] == [
        ("0001", True),
        ("0002", True),
    ]
    assert harness.start(ONE, TWO, command_id=command_id) == started
    topics = [logged.topic for logged in harness.store.log_after(0, 100)]
    assert [topic.split(".")[1] for topic in topics] == [
        "payment_started",
        "order_registered",
        "payment_captured",
        "line_posted",
        "line_posted",
        "payment_completed",
    ]


def test_job_captures_after_a_dropped_callback(
    harness: PaymentHarness, bank: BankProcess, database: Any
) -> None:
    bank.faults(drop_callbacks=True, error_after_charge=True)
    started = harness.start(ONE)
    assert press_pay(started["redirect_url"], PAYS).status_code == 500
    assert poll_due(harness.store, harness.acquirer) == 0
    with psycopg.connect(database.settings.database_url_of("payments")) as connection:
        connection.execute("UPDATE payments.polls SET due_at = now()")
    assert poll_due(harness.store, harness.acquirer) == 1
    assert harness.view(started)["state"] == "captured"
    number = UUID(started["payment_id"]).hex
    assert bank.orders()[number]["amount"] == harness.view(started)["total"]


def test_lost_registration_never_charges_twice(
    harness: PaymentHarness, bank: BankProcess, database: Any
) -> None:
    bank.faults(lose_register_answer=True)
    command_id = uuid4()
    with pytest.raises(Unavailable):
        harness.start(ONE, command_id=command_id)
    bank.faults(lose_register_answer=False)
    with pytest.raises(Unavailable):
        harness.start(ONE, command_id=command_id)
    with psycopg.connect(database.settings.database_url_of("payments")) as connection:
        connection.execute("UPDATE payments.payments SET created_at = now() - interval '1 min'")
    with pytest.raises(Conflict) as refusal:
        harness.start(ONE, command_id=command_id)
    assert refusal.value.code == "payment_must_be_restarted"
    number = payment_id_of(harness.person_id, command_id).hex
    assert bank.orders()[number]["status"] == OrderStatus.REGISTERED


def test_concurrent_starts_of_one_command_make_one_order(
    harness: PaymentHarness, bank: BankProcess
) -> None:
    command_id = uuid4()

    def attempt(_: int) -> dict[str, Any]:
        started = eventually(lambda: _started_or_none(harness, command_id), "the start")
        assert started is not None
        return started

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(attempt, range(6)))
    assert all(answer == answers[0] for answer in answers)
    topics = [logged.topic for logged in harness.store.log_after(0, 100)]
    assert topics == ["payments.payment_started.v1", "payments.order_registered.v1"]
    assert UUID(answers[0]["payment_id"]).hex in bank.orders()


def _started_or_none(harness: PaymentHarness, command_id: UUID) -> dict[str, Any] | None:
    """Start a payment; None while the same command is under way."""
    try:
        return harness.start(ONE, command_id=command_id)
    except Unavailable:
        return None


def test_concurrent_callbacks_credit_one_charge_once(
    harness: PaymentHarness, merchant: Merchant
) -> None:
    started = harness.start(ONE)
    press_pay(started["redirect_url"], PAYS)
    number = UUID(started["payment_id"]).hex
    got = eventually(lambda: merchant.of(number), "the callback")[0]
    with ThreadPoolExecutor(6) as pool:
        for answer in pool.map(
            lambda _: receive_callback(harness.store, harness.acquirer, got), range(12)
        ):
            assert answer == {"accepted": True}
    topics = [logged.topic for logged in harness.store.log_after(0, 100)]
    assert topics.count("payments.payment_captured.v1") == 1


def test_history_shows_failed_and_open_payments(
    harness: PaymentHarness, merchant: Merchant
) -> None:
    declined, open_ = harness.start(ONE), harness.start(TWO)
    press_pay(declined["redirect_url"], DECLINES)
    number = UUID(declined["payment_id"]).hex
    got = eventually(lambda: merchant.of(number), "the callback")[0]
    receive_callback(harness.store, harness.acquirer, got)
    assert harness.view(declined)["failure"] == "declined"

    def page(before: str | None) -> dict[str, Any]:
        query = History(person_id=harness.person_id, before=before, limit=1)
        found: dict[str, Any] = harness.store.query(lambda s: application.history(s, query))
        return found

    first = page(None)
    assert [payment["payment_id"] for payment in first["payments"]] == [open_["payment_id"]]
    second = page(first["next"])
    assert [payment["state"] for payment in second["payments"]] == ["failed"]
    assert second["next"] is None
    of_another = OwnPayment(person_id=uuid4(), payment_id=UUID(open_["payment_id"]))
    with pytest.raises(NotFound):
        harness.store.query(lambda s: application.own_payment(s, of_another))


def test_database_holds_no_card(harness: PaymentHarness, merchant: Merchant) -> None:
    started = harness.start(ONE)
    press_pay(started["redirect_url"], PAYS)
    number = UUID(started["payment_id"]).hex
    got = eventually(lambda: merchant.of(number), "the callback")[0]
    receive_callback(harness.store, harness.acquirer, got)
    states = b"".join(bytes(logged.state) for logged in harness.store.log_after(0, 100))
    assert b"411111**1111" in states
    assert re.search(rb"4111 ?1111 ?1111 ?1111", states) is None
