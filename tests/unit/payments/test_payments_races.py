"""What must not happen between two processes, or between an old order and its successor."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from payment_doubles import PERSON, RETURN_URL, SIGNATURE, FakeAcquirer, Harness

from services.payments.acquirers import CallbackRequest, Done, OrderState, UnknownOutcome
from services.payments.callback import receive_callback
from services.payments.domain import PaymentOrder
from services.payments.events import Line, MoneyReturned, RefundLine, RefundPosted
from services.payments.polling import poll_acquirer
from services.payments.registration import Registrar, close_order
from services.payments.snapshots import PaymentSnapshot, snapshot
from services.payments.state import State
from shared.errors import Conflict
from shared.eventstore import Session

AT = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)
DAY = date(2026, 11, 21)
ONE, OTHER = Line("0001", 450_000, 1_250), Line("0001", 100, 0)
TWO = Line("0002", 20_000, 0)


def now(harness: Harness, started: dict[str, Any]) -> PaymentSnapshot:
    found = harness.store.query(lambda session: snapshot(session, UUID(started["payment_id"])))
    assert found is not None
    return found


def lost_first(harness: Harness) -> tuple[dict[str, Any], str]:
    """Return a payment whose first order was lost and is still open at the bank, and its number."""
    harness.acquirer.can_close = False
    harness.acquirer.lose_next = 1
    started = harness.start(ONE)
    return started, harness.acquirer.registered[0].order_number


def call_back(harness: Harness, number: str) -> None:
    request = CallbackRequest(parameters={"order": number, "signature": SIGNATURE})
    receive_callback(harness.store, harness.acquirers, "", request)


@pytest.mark.parametrize("what", ["expired", "declined", "gone"])
def test_news_of_a_lost_order_says_nothing_of_its_successor(harness: Harness, what: str) -> None:
    started, lost = lost_first(harness)
    if what == "gone":
        del harness.acquirer.orders[lost]
    else:
        harness.acquirer.decline(lost, late=what == "expired")
    call_back(harness, lost)
    assert harness.view(started)["state"] == "awaiting_payment"


def test_hold_of_a_lost_order_is_released(harness: Harness) -> None:
    harness.acquirer.two_steps = True
    started, lost = lost_first(harness)
    harness.acquirer.pay(lost)
    call_back(harness, lost)
    assert harness.acquirer.closed == [lost]
    assert harness.view(started)["state"] == "awaiting_payment"


def test_sweep_credits_the_charge_of_a_lost_order_and_refunds_go_there(harness: Harness) -> None:
    started, lost = lost_first(harness)
    harness.acquirer.pay(lost)
    harness.swept()
    assert harness.view(started)["state"] == "captured"
    assert harness.number(started) == lost

    def ask(session: Session, _: None) -> None:
        payment = session.load(PaymentOrder, UUID(started["payment_id"]))
        assert payment.order_number == lost
        payment.request_refund(uuid4(), (), "paid twice", "staff:a")

    harness.store.transact(ask, None)
    harness.make_refunds()
    assert harness.acquirer.refunds == [(lost, 451_250)]
    assert harness.view(started)["state"] == "refunded"


def test_registration_goes_by_the_payment_as_it_is_once_claimed(harness: Harness) -> None:
    harness.acquirer.is_silent = True
    started = harness.start(ONE)
    seen = now(harness, started)
    harness.acquirer.is_silent = False
    registrar = Registrar(harness.store, harness.acquirers, RETURN_URL)
    page = registrar.register(seen).form_url
    assert registrar.register(seen).form_url == page
    assert len(harness.acquirer.registered) == 1
    assert harness.acquirer.closed == []


def test_order_that_was_closed_before_it_was_left_is_left(harness: Harness) -> None:
    harness.acquirer.is_silent = True
    started = harness.start(ONE)
    harness.acquirer.is_silent = False
    number = harness.number(started)
    harness.acquirer.orders[number] = {
        "state": OrderState.EXPIRED,
        "ordered": 451_250,
        "charged": 0,
        "returned": 0,
    }
    harness.advance(seconds=5)
    harness.poll()
    assert harness.view(started)["state"] == "awaiting_payment"
    assert harness.number(started) != number


def test_page_that_came_meanwhile_is_not_replaced_unclosed(harness: Harness) -> None:
    harness.acquirer.is_silent = True
    started = harness.start(ONE)
    seen = now(harness, started)
    harness.acquirer.is_silent = False
    harness.advance(seconds=5)
    harness.poll()
    close_order(harness.store, harness.acquirers, seen)
    assert harness.view(started)["state"] == "awaiting_payment"
    harness.start(OTHER)
    assert harness.acquirer.closed == [harness.number(started)]


def test_held_order_is_not_charged_once_it_is_replaced(harness: Harness) -> None:
    harness.others["kassa"] = kassa = FakeAcquirer(harness.clock, two_steps=True)
    kassa.can_close = False
    first = harness.start(ONE, acquirer="kassa")
    seen = now(harness, first)
    second = harness.start(OTHER, acquirer="kassa")
    kassa.pay(harness.number(first))
    poll_acquirer(harness.store, harness.acquirers, seen)
    assert kassa.orders[harness.number(first)]["charged"] == 0
    assert harness.view(second)["state"] == "awaiting_payment"


def test_order_whose_capture_was_decided_is_not_replaced(harness: Harness) -> None:
    harness.others["kassa"] = kassa = FakeAcquirer(harness.clock, two_steps=True)
    kassa.can_close = False
    first = harness.start(ONE, acquirer="kassa")
    kassa.pay(harness.number(first))
    kassa.capture = lambda *_: UnknownOutcome("lost")  # type: ignore[method-assign]
    poll_acquirer(harness.store, harness.acquirers, now(harness, first))
    kassa.orders[harness.number(first)]["state"] = OrderState.PENDING
    with pytest.raises(Conflict) as refusal:
        harness.start(OTHER, acquirer="kassa")
    assert refusal.value.code == "payment_open"
    assert harness.view(first)["state"] != "failed"


def test_capture_without_an_answer_is_an_unknown_outcome(harness: Harness) -> None:
    harness.acquirer.two_steps = True
    started = harness.start(ONE)
    harness.acquirer.pay(harness.number(started))
    capture = harness.acquirer.capture
    harness.acquirer.capture = lambda *_: UnknownOutcome("lost")  # type: ignore[method-assign]
    harness.advance(seconds=5)
    harness.poll()
    shown = harness.view(started)
    assert (shown["state"], shown["redirect_url"]) == ("unknown", None)
    harness.acquirer.capture = capture  # type: ignore[method-assign]
    harness.swept()
    harness.poll()
    assert harness.view(started)["state"] == "captured"


def test_replaced_orders_that_are_open_count(harness: Harness) -> None:
    harness.others["kassa"] = kassa = FakeAcquirer(harness.clock, two_steps=True)
    kassa.can_close = False
    harness.allow(most_open=2)
    harness.start(ONE, acquirer="kassa")
    harness.start(OTHER, acquirer="kassa")
    with pytest.raises(Conflict) as refusal:
        harness.start(TWO, acquirer="kassa")
    assert refusal.value.code == "too_many_open_payments"


def test_page_of_a_declined_card_is_closed_once_by_the_next_start(harness: Harness) -> None:
    first = harness.start(ONE)
    harness.acquirer.decline(harness.number(first))
    harness.call_back(first)
    asked: list[str] = []
    harness.acquirer.close = lambda order: asked.append(order.order_number) or Done()  # type: ignore[method-assign,func-returns-value]
    for _ in range(2):
        harness.start(ONE)
        assert asked == [harness.number(first)]
    poll = harness.poll_of(first)
    assert poll is not None
    assert poll["due_at"] is not None, "it is asked about after its session, all the same"


def test_two_refunds_of_one_payment_are_made_one_after_the_other(harness: Harness) -> None:
    started = harness.captured(ONE)

    def ask(session: Session, _: None) -> None:
        payment = session.load(PaymentOrder, UUID(started["payment_id"]))
        for amount in (3_000, 5_000):
            payment.request_refund(uuid4(), (RefundLine("0001", amount),), "twice", "staff:a")

    harness.store.transact(ask, None)
    assert harness.make_refunds() == 1
    assert harness.acquirer.refunds == [(harness.number(started), 3_000)]
    assert harness.make_refunds() == 1
    assert harness.make_refunds() == 0
    assert [amount for _, amount in harness.acquirer.refunds] == [3_000, 5_000]
    assert {refund["state"] for refund in harness.view(started)["refunds"]} == {"made"}


def test_return_in_full_is_recorded_though_the_capture_was_not_seen(harness: Harness) -> None:
    started = harness.start(ONE)
    seen = now(harness, started)
    harness.acquirer.pay(harness.number(started))
    harness.call_back(started)
    harness.acquirer.give_back_at_bank(harness.number(started), 451_250)
    poll_acquirer(harness.store, harness.acquirers, seen)
    assert harness.view(started)["state"] == "refunded"


def captured(*lines: Line) -> PaymentOrder:
    order = PaymentOrder(uuid4())
    order.start(PERSON, lines or (ONE, TWO))
    order.capture(order.total, AT, DAY, None)
    return order


def parts(order: PaymentOrder) -> list[tuple[str, int]]:
    made = [event for event in order.pending if isinstance(event, MoneyReturned)]
    return [(line.account, line.amount) for event in made for line in event.lines]


def test_bank_returns_a_part_of_what_is_requested() -> None:
    order = captured()
    refund_id = uuid4()
    order.request_refund(refund_id, (), "paid twice", "staff:a")
    order.record_returns(100, AT, DAY)
    assert sum(amount for _, amount in parts(order)) == 100
    # It does not fit any more; what is left may be requested anew.
    assert order.refunds[refund_id].state == "refused"
    order.request_refund(uuid4(), (), "paid twice", "staff:a")
    order.record_returns(order.total, AT, DAY)
    assert order.state is State.REFUNDED
    assert sum(amount for _, amount in parts(order)) == order.total


def test_refunds_and_moves_meet_in_any_order() -> None:
    order = captured(Line("0001", 10_000, 0))
    order.request_refund(refund_id := uuid4(), (RefundLine("0001", 3_000),), "why", "staff:a")
    order.move_line("0001", "0007", 5)
    assert order.left == {"0007": 7_000}
    order.record_returns(3_000, AT, DAY)
    assert parts(order) == [("0007", 3_000)]
    order.post_refund(refund_id, "0007", 6)
    order.post_refund(refund_id, "0001", 7)
    assert len([event for event in order.pending if isinstance(event, RefundPosted)]) == 1
    order.record_returns(4_000, AT, DAY)
    assert parts(order)[-1] == ("0007", 1_000)
    order.move_line("0007", "0008", 8)
    assert order.left == {"0008": 6_000}
    again = PaymentOrder(order.id)
    for event in order.pending:
        again.replay(event)
    assert again.left == order.left


@pytest.mark.parametrize("first", ["reversal", "return"])
def test_refund_of_what_staff_reversed_waits_for_no_posting(first: str) -> None:
    order = captured(ONE)
    refund_id = uuid4()
    order.request_refund(refund_id, (), "paid twice", "staff:a")
    if first == "reversal":
        order.reverse_line("0001", 9)
    order.record_returns(order.total, AT, DAY)
    order.reverse_line("0001", 9)
    assert order.refunds_posted == {(refund_id, "0001")}
