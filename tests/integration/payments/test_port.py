"""The acquirer port, the same over both protocols, each spoken with its own double."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from uuid import uuid4

import pytest
import requests

from services.payments.acquirers import (
    Acquirer,
    CallbackRequest,
    Done,
    NewOrder,
    NumberTaken,
    Order,
    OrderReport,
    OrderState,
    Refused,
    Registered,
    UnknownOutcome,
    open_acquirer,
)
from shared.acquirer_settings import AcquirerSettings
from shared.errors import Unavailable
from tests.integration.payments.bank_process import (
    ASKS,
    DECLINES,
    PASSWORD,
    PAYS,
    SECRET,
    BankProcess,
    Merchant,
    press_pay,
    submit,
)
from tests.integration.payments.kassa_process import SECRET_KEY, KassaProcess, Shop
from tests.serving_http import serving
from tests.waiting import eventually

AMOUNT = 451_250
CLOSED = {OrderState.DECLINED, OrderState.EXPIRED}
LOST = UnknownOutcome


@dataclass
class Side:
    """An acquirer and its double."""

    protocol: str
    acquirer: Acquirer
    bank: BankProcess
    merchant: Merchant | Shop
    pages: dict[str, str] = field(default_factory=dict)

    def new(self, **changes: Any) -> NewOrder:
        order = {
            "order_number": uuid4().hex,
            "amount": AMOUNT,
            "description": "Оплата по лицевым счетам",
            "return_url": f"{self.merchant.url}/payments/1",
            "session_seconds": 1200,
        }
        return NewOrder(**(order | changes))

    def registered(self) -> Order:
        new = self.new()
        registered = self.acquirer.register(new)
        assert isinstance(registered, Registered)
        self.pages[new.order_number] = registered.form_url
        return Order(order_number=new.order_number, order_id=registered.order_id)

    def enter(self, order: Order, card: str) -> requests.Response:
        return press_pay(self.pages[order.order_number], card)

    def paid(self) -> Order:
        """Return an order that was charged, by both steps where there are two."""
        order = self.registered()
        self.enter(order, PAYS)
        if self.acquirer.two_steps:
            assert self.acquirer.capture(order, AMOUNT) == Done()
        return order

    def report(self, order: Order) -> OrderReport:
        report = self.acquirer.find_order(order)
        assert report is not None
        return report

    def truth(self, order: Order) -> tuple[int, int]:
        """Return what the acquirer itself has charged, and what it has returned."""
        own = self.bank.orders()[order.order_number]
        return own["charged"], own["returned"]


@pytest.fixture(scope="module", params=["rbs", "yookassa"])
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Side]:
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        side = (_rbs if request.param == "rbs" else _yookassa)(stack, folder)
        yield side
        assert side.bank.stop() == 0


def _rbs(stack: ExitStack, folder: Path) -> Side:
    merchant = Merchant()
    merchant.url = f"http://{stack.enter_context(serving(merchant.respond))}"
    bank = BankProcess(folder, merchant)
    settings = AcquirerSettings(
        name="main", protocol="rbs", url=bank.url, user="saldo", password=PASSWORD, secret=SECRET
    )
    return Side("rbs", open_acquirer(settings), bank, merchant)


def _yookassa(stack: ExitStack, folder: Path) -> Side:
    shop = Shop()
    shop.url = f"http://{stack.enter_context(serving(shop.respond))}"
    bank = KassaProcess(folder, shop)
    settings = AcquirerSettings(
        name="kassa",
        protocol="yookassa",
        url=bank.url,
        user="saldo",
        password=SECRET_KEY,
        networks=("127.0.0.0/8",),
    )
    return Side("yookassa", open_acquirer(settings), bank, shop)


@pytest.fixture
def side(running: Side) -> Side:
    requests.delete(f"{running.bank.url}/admin/faults", timeout=5).raise_for_status()
    running.merchant.status = 200
    return running


def test_order_is_registered_once(side: Side) -> None:
    new = side.new()
    first = side.acquirer.register(new)
    assert isinstance(first, Registered)
    again = side.acquirer.register(new)
    assert again in (first, NumberTaken())
    assert list(side.bank.orders()).count(new.order_number) == 1
    waiting = side.report(Order(order_number=new.order_number, order_id=first.order_id))
    assert (waiting.state, waiting.ordered, waiting.charged) == (OrderState.PENDING, AMOUNT, 0)


def test_order_is_found_by_our_number_alone(side: Side) -> None:
    order = side.paid()
    by_number = Order(order_number=order.order_number, order_id=None)
    assert side.report(by_number) == side.report(order)
    assert side.report(order).order_id in {"", order.order_id}
    assert side.acquirer.find_order(Order(order_number=uuid4().hex, order_id=None)) is None


def test_order_is_not_taken_for_another(side: Side) -> None:
    one, other = side.registered(), side.registered()
    mixed = Order(order_number=one.order_number, order_id=other.order_id)
    assert side.report(mixed).state is OrderState.UNKNOWN


def test_card_is_charged_in_as_many_steps_as_the_protocol_has(side: Side) -> None:
    order = side.registered()
    before = datetime.now(UTC)
    back = side.enter(order, PAYS)
    assert back.status_code == 303
    assert back.headers["Location"].startswith(f"{side.merchant.url}/payments/1")
    entered = side.report(order)
    assert entered.charged == AMOUNT
    if side.acquirer.two_steps:
        assert entered.state is OrderState.HELD
        assert side.truth(order) == (0, 0)
        assert side.acquirer.capture(order, AMOUNT) == Done()
        assert side.acquirer.capture(order, AMOUNT) == Done()
    else:
        assert isinstance(side.acquirer.capture(order, AMOUNT), Refused)
    report = side.report(order)
    assert (report.state, report.charged, report.returned) == (OrderState.PAID, AMOUNT, 0)
    assert report.masked_card == "411111**1111"
    assert report.charged_at is not None
    assert abs(report.charged_at - before) < timedelta(minutes=1)
    assert side.truth(order) == (AMOUNT, 0)


def test_declined_card_takes_nothing(side: Side) -> None:
    order = side.registered()
    assert side.enter(order, DECLINES).status_code == 303
    report = side.report(order)
    assert (report.state, report.charged) == (OrderState.DECLINED, 0)
    assert report.reason
    assert side.truth(order) == (0, 0)


def test_card_asks_for_a_code(side: Side) -> None:
    order = side.registered()
    to_code = side.enter(order, ASKS)
    assert side.report(order).state is OrderState.PENDING
    address = urljoin(side.pages[order.order_number], to_code.headers["Location"])
    page = requests.get(address, timeout=5)
    shown = re.search(r"Введите код <b>(\d+)</b>", page.text)
    assert shown is not None
    assert submit(page, {"code": "000000"}).status_code == 422
    assert side.report(order).charged == 0
    assert submit(page, {"code": shown[1]}).status_code == 303
    assert side.report(order).state in {OrderState.PAID, OrderState.HELD}


def test_closed_order_cannot_be_paid(side: Side) -> None:
    order = side.registered()
    outcome = side.acquirer.close(order)
    if side.acquirer.two_steps:
        # Only what is held can be closed: it is released.
        assert isinstance(outcome, Refused)
        side.enter(order, PAYS)
        outcome = side.acquirer.close(order)
    assert outcome == Done()
    assert side.acquirer.close(order) == Done()
    page = requests.get(side.pages[order.order_number], timeout=5, allow_redirects=False)
    assert page.status_code == 303, "no card can be entered any more"
    report = side.report(order)
    assert (report.state in CLOSED, report.charged) == (True, 0)
    assert side.truth(order) == (0, 0)
    assert isinstance(side.acquirer.capture(order, AMOUNT), Refused)


def test_paid_order_is_not_closed(side: Side) -> None:
    order = side.paid()
    assert isinstance(side.acquirer.close(order), Refused)
    assert side.truth(order) == (AMOUNT, 0)


def test_order_expires_by_itself(side: Side) -> None:
    order = side.registered()
    side.bank.faults(end_sessions=True)
    assert side.report(order).state is OrderState.EXPIRED


def test_money_is_given_back_in_parts_and_never_more_than_was_charged(side: Side) -> None:
    order = side.paid()
    give_back = side.acquirer.give_back
    assert give_back(order, 1_250, AMOUNT, uuid4()) == Done()
    report = side.report(order)
    assert (report.state, report.charged, report.returned) == (OrderState.RETURNED, AMOUNT, 1_250)
    assert isinstance(give_back(order, AMOUNT - 1_249, AMOUNT, uuid4()), Refused)
    by_number = Order(order_number=order.order_number, order_id=None)
    assert give_back(by_number, AMOUNT - 1_250, AMOUNT, uuid4()) == Done()
    assert side.report(order).returned == AMOUNT
    assert isinstance(give_back(order, 1, AMOUNT, uuid4()), Refused)
    assert side.truth(order) == (AMOUNT, AMOUNT)


def test_all_of_a_charge_is_given_back_at_once(side: Side) -> None:
    order = side.paid()
    assert side.acquirer.give_back(order, AMOUNT, AMOUNT, uuid4()) == Done()
    report = side.report(order)
    assert (report.state, report.charged, report.returned) == (
        OrderState.RETURNED,
        AMOUNT,
        AMOUNT,
    )


def test_nothing_is_given_back_of_an_order_that_was_not_paid(side: Side) -> None:
    order = side.registered()
    assert isinstance(side.acquirer.give_back(order, AMOUNT, AMOUNT, uuid4()), Refused)


def test_refund_by_the_bank_is_seen(side: Side) -> None:
    order = side.paid()
    path = f"/admin/orders/{order.order_id}/refund"
    requests.post(f"{side.bank.url}{path}", json={"amount": 700}, timeout=5).raise_for_status()
    report = side.report(order)
    assert (report.state, report.returned) == (OrderState.RETURNED, 700)
    requests.post(f"{side.bank.url}{path}", json={}, timeout=5).raise_for_status()
    assert side.report(order).returned == AMOUNT


def test_report_has_each_charge_of_its_time_once(side: Side) -> None:
    since = datetime.now(UTC) - timedelta(seconds=1)
    paid, returned, open_one = side.paid(), side.paid(), side.registered()
    assert side.acquirer.give_back(returned, 250, AMOUNT, uuid4()) == Done()
    until = datetime.now(UTC) + timedelta(seconds=1)
    own = {paid.order_number, returned.order_number, open_one.order_number}
    found = [one for one in side.acquirer.report(since, until) if one.order_number in own]
    assert {(one.order_number, one.state, one.charged, one.returned) for one in found} == {
        (paid.order_number, OrderState.PAID, AMOUNT, 0),
        (returned.order_number, OrderState.RETURNED, AMOUNT, 250),
    }
    assert len(found) == 2
    for window in ((since - timedelta(hours=1), since), (until, until + timedelta(hours=1))):
        assert not [one for one in side.acquirer.report(*window) if one.order_number in own]


def test_charge_of_another_sum_is_reported_as_it_is(side: Side) -> None:
    side.bank.faults(charges_other_amount=-100)
    order = side.registered()
    side.enter(order, PAYS)
    assert side.report(order).charged == AMOUNT - 100


def test_lost_registration_is_found_or_repeated(side: Side) -> None:
    side.bank.faults(lose_register_answer=True)
    new = side.new()
    assert isinstance(side.acquirer.register(new), LOST)
    side.bank.faults(lose_register_answer=False)
    found = side.report(Order(order_number=new.order_number, order_id=None))
    assert (found.state, found.ordered) == (OrderState.PENDING, AMOUNT)
    assert isinstance(side.acquirer.register(new), Registered | NumberTaken)
    assert list(side.bank.orders()).count(new.order_number) == 1

    side.bank.faults(lose_register_call=True)
    new = side.new()
    assert isinstance(side.acquirer.register(new), LOST)
    side.bank.faults(lose_register_call=False)
    assert side.acquirer.find_order(Order(order_number=new.order_number, order_id=None)) is None
    assert isinstance(side.acquirer.register(new), Registered)


def test_lost_status_is_unknown(side: Side) -> None:
    order = side.paid()
    side.bank.faults(lose_status_answer=True)
    assert side.report(order).state is OrderState.UNKNOWN
    side.bank.faults(lose_status_answer=False)
    assert side.report(order).state is OrderState.PAID


def test_lost_refund_is_seen_afterwards(side: Side) -> None:
    order, refund_id = side.paid(), uuid4()
    side.bank.faults(lose_refund_answer=True)
    assert isinstance(side.acquirer.give_back(order, 100, AMOUNT, refund_id), LOST)
    side.bank.faults(lose_refund_answer=False)
    assert side.report(order).returned == 100

    side.bank.faults(lose_refund_call=True)
    assert isinstance(side.acquirer.give_back(order, 300, AMOUNT, uuid4()), LOST)
    assert side.report(order).returned == 100
    assert side.truth(order) == (AMOUNT, 100)


def test_lost_report_is_no_short_one(side: Side) -> None:
    side.paid()
    side.bank.faults(lose_report_answer=True)
    now = datetime.now(UTC)
    with pytest.raises(Unavailable):
        list(side.acquirer.report(now - timedelta(hours=1), now))


def test_acquirer_that_hangs_leaves_the_outcome_open(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = side.registered()
    monkeypatch.setattr("services.payments.acquirers.exchange.TIMEOUTS", (1.0, 0.3))
    side.bank.faults(hang=True)
    assert side.report(order) == OrderReport(state=OrderState.UNKNOWN, reason="ReadTimeoutError")
    assert isinstance(side.acquirer.register(side.new()), LOST)


def test_callback_names_the_order_and_only_when_it_is_genuine(side: Side) -> None:
    order = side.registered()
    side.enter(order, PAYS)
    eventually(lambda: side.merchant.of(order.order_number), "the callback")
    genuine, forged = _callbacks(side, order.order_number)
    callback = side.acquirer.read_callback(genuine)
    assert callback is not None
    assert callback.order_number == order.order_number
    assert side.acquirer.read_callback(forged) is None


def _callbacks(side: Side, order_number: str) -> tuple[CallbackRequest, CallbackRequest]:
    """Return the first callback of an order, as it came, and as somebody else might send it."""
    if isinstance(side.merchant, Merchant):
        got = side.merchant.of(order_number)[0]
        forged = {**got, "status": "0"}
        return CallbackRequest(parameters=got), CallbackRequest(parameters=forged)
    body = next(body for body in side.merchant.bodies if order_number in body)
    return (
        CallbackRequest(parameters={}, body=body, remote_address="127.0.0.1"),
        CallbackRequest(parameters={}, body=body, remote_address="203.0.113.7"),
    )


def test_kill_loses_neither_a_charge_nor_its_callback(side: Side) -> None:
    side.merchant.status = 503
    order = side.registered()
    side.enter(order, PAYS)
    eventually(lambda: side.merchant.of(order.order_number), "the first attempt")
    side.bank.kill()
    side.bank.start()
    assert side.report(order).charged == AMOUNT
    side.merchant.status = 200
    before = len(side.merchant.of(order.order_number))
    eventually(lambda: len(side.merchant.of(order.order_number)) > before, "another attempt")


def test_log_of_the_acquirer_holds_no_card_and_no_secret(side: Side) -> None:
    side.paid()
    text = side.bank.log.read_text()
    assert "_call" in text
    assert not re.search(r"(4111|4000)[ -]?\d{4}[ -]?\d{4}", text)
    for secret in (PASSWORD, SECRET, SECRET_KEY):
        assert secret not in text
