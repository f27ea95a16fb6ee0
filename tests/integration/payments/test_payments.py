"""Payments from their start to the ledger, with a bank process and a real PostgreSQL."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import requests

from services.payments.acquirers import Acquirer, CallbackRequest
from services.payments.callback import receive_callback, refresh_own
from services.payments.checkout import Checkout
from services.payments.domain import PaymentOrder
from services.payments.events import Line, RefundLine
from services.payments.jobs import KEPT_CLOSED, close_orders, poll_due
from services.payments.polling import Acquirers
from services.payments.reactions import payment_posted
from services.payments.refunding import due_refunds, make_refund
from services.payments.sweep import Sweep
from services.payments.views import History, OwnPayment, history, own_payment
from services.payments.watching import watch_of
from shared import context
from shared.bus import Message
from shared.clock import SystemClock
from shared.errors import NotFound
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
        self.acquirers = Acquirers({"main": acquirer})
        self.return_url = f"{merchant.url}/payments/{{payment_id}}"
        self.person_id = uuid4()
        self.checkout = Checkout(
            store,
            self.acquirers,
            lambda _person, numbers: {
                number: {"account": number, "role": "owner", "state": "open"} for number in numbers
            },
            self.return_url,
        )

    def call_back(self, parameters: dict[str, str]) -> dict[str, Any]:
        request = CallbackRequest(parameters=parameters)
        return receive_callback(self.store, self.acquirers, "", request)

    def poll(self) -> int:
        return poll_due(self.store, self.acquirers, self.return_url)

    def make_refunds(self) -> None:
        for refund in self.store.query(lambda session: due_refunds(session, 10)):
            make_refund(self.store, self.acquirers, refund)

    def captured(self, *lines: Line) -> dict[str, Any]:
        started = self.start(*lines)
        press_pay(started["redirect_url"], PAYS)
        self.sweep()
        assert self.poll() == 1
        return started

    def sweep(self) -> None:
        Sweep().run(self.store, self.acquirers)

    def start(self, *lines: Line, command_id: UUID | None = None) -> dict[str, Any]:
        with context.bind(command_id=command_id or uuid4()):
            return self.checkout.start(self.person_id, lines)

    def view(self, started: dict[str, Any]) -> dict[str, Any]:
        query = OwnPayment(person_id=self.person_id, payment_id=UUID(started["payment_id"]))
        view: dict[str, Any] = self.store.query(lambda s: own_payment(s, query))
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


COUNT = "SELECT count(*) AS count FROM closed_accounts"
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
        harness.call_back(got)
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
    again = harness.start(ONE, TWO, command_id=command_id)
    assert (again["payment_id"], again["state"]) == (started["payment_id"], "completed")
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
    assert harness.poll() == 0
    with psycopg.connect(database.settings.database_url_of("payments")) as connection:
        connection.execute("UPDATE payments.polls SET due_at = now()")
    assert harness.poll() == 1
    assert harness.view(started)["state"] == "captured"
    number = UUID(started["payment_id"]).hex
    assert bank.orders()[number]["amount"] == harness.view(started)["total"]


def test_lost_registration_leads_to_another_order(
    harness: PaymentHarness, bank: BankProcess, database: Any
) -> None:
    bank.faults(lose_register_answer=True)
    started = harness.start(ONE)
    assert started["state"] == "created"
    assert started["redirect_url"].endswith(f"/payments/{started['payment_id']}/go")
    bank.faults(lose_register_answer=False)
    with psycopg.connect(database.settings.database_url_of("payments")) as connection:
        connection.execute("UPDATE payments.polls SET due_at = now()")
    assert harness.poll() == 1
    page = harness.view(started)["redirect_url"]
    assert press_pay(page, PAYS).status_code == 303
    harness.sweep()
    harness.poll()
    assert harness.view(started)["state"] == "captured"
    charged = [order for order in bank.orders().values() if order["chargedAt"] is not None]
    assert UUID(started["payment_id"]).hex not in {order["orderNumber"] for order in charged}


def test_concurrent_starts_of_one_command_make_one_order(
    harness: PaymentHarness, bank: BankProcess
) -> None:
    bank.faults(status_delay_seconds=1.0)
    command_id = uuid4()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: harness.start(ONE, command_id=command_id), range(6)))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["state"] == "awaiting_payment"
    topics = [logged.topic for logged in harness.store.log_after(0, 100)]
    assert topics == ["payments.payment_started.v1", "payments.order_registered.v1"]
    assert UUID(answers[0]["payment_id"]).hex in bank.orders()


def test_concurrent_starts_of_one_debt_make_one_order(harness: PaymentHarness) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: harness.start(ONE, TWO), range(6)))
    assert len({answer["redirect_url"] for answer in answers}) == 1
    topics = [logged.topic for logged in harness.store.log_after(0, 100)]
    assert topics.count("payments.payment_started.v1") == 1


def test_changed_split_closes_the_order_at_the_bank(harness: PaymentHarness) -> None:
    first = harness.start(ONE)
    second = harness.start(Line("0001", 100, 0))
    assert harness.view(first)["failure"] == "replaced"
    assert "form" not in press_pay_if_open(first["redirect_url"])
    press_pay(second["redirect_url"], PAYS)
    harness.sweep()
    harness.poll()
    assert harness.view(second)["state"] == "captured"
    assert harness.view(first)["state"] == "failed"


def press_pay_if_open(page: str) -> str:
    """Return the page of an order that is not open: it has no form."""
    return requests.get(page, timeout=5, allow_redirects=False).text


def test_open_order_of_an_account_that_closes_is_closed_at_the_bank(
    harness: PaymentHarness,
) -> None:
    closed, other = harness.start(ONE), harness.start(TWO)
    now = SystemClock().now()
    harness.store.transact(lambda session, _: session.read.closed_accounts.add("0001", now), None)
    assert close_orders(harness.store, harness.acquirers) == 1
    assert harness.view(closed)["failure"] == "account_closed"
    assert harness.view(other)["state"] == "awaiting_payment"
    assert close_orders(harness.store, harness.acquirers) == 0
    query = History(person_id=harness.person_id, before=None, limit=9, account="0001")
    found = harness.store.query(lambda session: history(session, query))
    assert [payment["payment_id"] for payment in found["payments"]] == [closed["payment_id"]]
    later = now + KEPT_CLOSED * 2
    harness.store.transact(lambda session, _: session.read.closed_accounts.forget(later), None)
    assert (
        harness.store.query(lambda session: session.cursor.execute(COUNT).fetchone()["count"]) == 0
    )


def test_refunds_in_part_and_of_the_rest(harness: PaymentHarness, bank: BankProcess) -> None:
    started = harness.captured(ONE, TWO)
    payment_id = UUID(started["payment_id"])

    def request(session: Any, lines: tuple[RefundLine, ...]) -> None:
        payment = session.load(PaymentOrder, payment_id)
        payment.request_refund(uuid4(), lines, "paid twice", "staff:a")

    harness.store.transact(request, (RefundLine("0001", 1_000),))
    harness.make_refunds()
    assert harness.view(started)["state"] == "partly_refunded"
    harness.store.transact(request, ())
    harness.make_refunds()
    shown = harness.view(started)
    assert (shown["state"], shown["refunded"]) == ("refunded", shown["total"])
    assert [line["refunded"] for line in shown["lines"]] == [451_250, 700]
    assert bank.orders()[payment_id.hex]["refunded"] == shown["total"]


def test_mismatch_is_a_state_of_its_own(harness: PaymentHarness, bank: BankProcess) -> None:
    bank.faults(status_misreports=True)
    started = harness.captured(ONE)
    shown = harness.view(started)
    assert (shown["state"], shown["charged"]) == ("mismatch", 451_350)
    bank.faults(status_misreports=False)
    harness.sweep()
    with harness.store.session() as session:
        session.cursor.execute("UPDATE polls SET due_at = now()")
    harness.poll()
    assert harness.view(started)["state"] == "captured"


def test_concurrent_callbacks_credit_one_charge_once(
    harness: PaymentHarness, merchant: Merchant
) -> None:
    started = harness.start(ONE)
    press_pay(started["redirect_url"], PAYS)
    number = UUID(started["payment_id"]).hex
    got = eventually(lambda: merchant.of(number), "the callback")[0]
    with ThreadPoolExecutor(6) as pool:
        for answer in pool.map(lambda _: harness.call_back(got), range(12)):
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
    harness.call_back(got)
    assert harness.view(declined)["failure"] == "declined"

    def page(before: str | None) -> dict[str, Any]:
        query = History(person_id=harness.person_id, before=before, limit=1)
        found: dict[str, Any] = harness.store.query(lambda s: history(s, query))
        return found

    first = page(None)
    assert [payment["payment_id"] for payment in first["payments"]] == [open_["payment_id"]]
    second = page(first["next"])
    assert [payment["state"] for payment in second["payments"]] == ["failed"]
    assert second["next"] is None
    of_another = OwnPayment(person_id=uuid4(), payment_id=UUID(open_["payment_id"]))
    with pytest.raises(NotFound):
        harness.store.query(lambda s: own_payment(s, of_another))


def test_database_holds_no_card(harness: PaymentHarness, merchant: Merchant) -> None:
    started = harness.start(ONE)
    press_pay(started["redirect_url"], PAYS)
    number = UUID(started["payment_id"]).hex
    got = eventually(lambda: merchant.of(number), "the callback")[0]
    harness.call_back(got)
    states = b"".join(bytes(logged.state) for logged in harness.store.log_after(0, 100))
    assert b"411111**1111" in states
    assert re.search(rb"4111 ?1111 ?1111 ?1111", states) is None


def test_payer_who_looks_sees_the_posting_as_soon_as_it_is_there(
    harness: PaymentHarness,
) -> None:
    started = harness.start(Line("0001", 450_000, 1_250))
    press_pay(started["redirect_url"], PAYS)
    payment_id, watch = UUID(started["payment_id"]), watch_of(harness.store)
    changed = partial(watch.wait, harness.store)

    def look() -> Any:
        return refresh_own(
            harness.store, harness.acquirers, harness.person_id, payment_id, changed
        )["state"]

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        eventually(lambda: harness.view(started)["state"] == "captured", "it is charged")
        harness.ledger_posts(started["payment_id"], "0001", 1)
        assert looking.result() == "completed"
