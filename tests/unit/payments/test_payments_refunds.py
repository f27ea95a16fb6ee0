"""Refunds: what may go back, that it goes back once, and what the bank returns by itself."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from payment_doubles import PERSON, Harness

from services.payments.acquirers import OrderState, UnknownOutcome
from services.payments.domain import PaymentOrder
from services.payments.events import Line, MoneyReturned, RefundLine
from services.payments.state import State
from shared.errors import Conflict, Forbidden, NotFound, ValidationFailed
from shared.eventstore import Session

AT = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)
DAY = date(2026, 11, 21)
ONE = Line("0001", 450_000, 1_250)
TWO = Line("0002", 20_000, 0)
ALL = 471_250


def captured(*lines: Line) -> PaymentOrder:
    order = PaymentOrder(uuid4())
    order.start(PERSON, lines or (ONE, TWO))
    order.capture(order.total, AT, DAY, None)
    return order


def request(harness: Harness, started: dict[str, Any], *lines: RefundLine) -> UUID:
    refund_id, payment_id = uuid4(), UUID(started["payment_id"])

    def ask(session: Session, _: None) -> None:
        session.load(PaymentOrder, payment_id).request_refund(
            refund_id, lines, "paid twice", "staff:a"
        )

    harness.store.transact(ask, None)
    return refund_id


def test_all_that_is_left_goes_back() -> None:
    order = captured()
    refund_id = uuid4()
    order.request_refund(refund_id, (), "paid twice", "staff:a")
    order.request_refund(refund_id, (), "paid twice", "staff:a")
    assert order.refunds[refund_id].total == ALL
    assert order.left == {"0001": 0, "0002": 0}
    order.record_returns(ALL, AT, DAY)
    order.record_returns(ALL, AT, DAY)
    assert (order.state, order.returned) == (State.REFUNDED, ALL)
    [returned] = [event for event in order.pending if isinstance(event, MoneyReturned)]
    assert (returned.whole, returned.cause) == (True, "staff")


@pytest.mark.parametrize(
    ("lines", "error", "code"),
    [
        ((RefundLine("0001", 451_251),), Conflict, "refund_too_large"),
        ((RefundLine("0001", 0),), ValidationFailed, "invalid_refund"),
        ((RefundLine("0001", -5),), ValidationFailed, "invalid_refund"),
        ((RefundLine("0009", 1),), ValidationFailed, "invalid_refund"),
        ((RefundLine("0001", 1), RefundLine("0001", 1)), ValidationFailed, "invalid_refund"),
    ],
)
def test_more_than_is_left_is_refused(
    lines: tuple[RefundLine, ...], error: type[Exception], code: str
) -> None:
    order = captured()
    with pytest.raises(error) as refusal:
        order.request_refund(uuid4(), lines, "paid twice", "staff:a")
    assert refusal.value.code == code  # type: ignore[attr-defined]


def test_what_is_requested_cannot_be_requested_again() -> None:
    order = captured()
    order.request_refund(uuid4(), (RefundLine("0001", 451_250),), "paid twice", "staff:a")
    with pytest.raises(Conflict):
        order.request_refund(uuid4(), (RefundLine("0001", 1),), "paid twice", "staff:a")


def test_refused_refund_may_be_requested_again() -> None:
    order = captured()
    refund_id = uuid4()
    order.request_refund(refund_id, (), "paid twice", "staff:a")
    order.refuse_refund(refund_id, "7")
    order.request_refund(uuid4(), (), "paid twice", "staff:a")
    assert order.left == {"0001": 0, "0002": 0}


def test_nothing_goes_back_of_what_was_not_credited() -> None:
    order = PaymentOrder(uuid4())
    order.start(PERSON, (ONE,))
    with pytest.raises(Conflict) as refusal:
        order.request_refund(uuid4(), (), "paid twice", "staff:a")
    assert refusal.value.code == "payment_not_captured"


def test_second_person_approves() -> None:
    order = captured()
    refund_id = uuid4()
    order.propose_refund(refund_id, (RefundLine("0001", 100),), "paid twice", "staff:a")
    assert order.left["0001"] == 451_250
    with pytest.raises(Forbidden):
        order.approve_refund(refund_id, "staff:a")
    order.approve_refund(refund_id, "staff:b")
    assert order.left["0001"] == 451_150
    with pytest.raises(Conflict):
        order.approve_refund(refund_id, "staff:c")
    with pytest.raises(NotFound):
        order.reject_refund(uuid4(), "no", "staff:b")


def test_moved_line_goes_back_from_where_it_is_now() -> None:
    order = captured()
    order.move_line("0002", "0007", 5)
    order.move_line("0002", "0008", 6)
    assert order.left == {"0001": 451_250, "0007": 20_000}
    order.request_refund(uuid4(), (RefundLine("0007", 20_000),), "wrong account", "staff:a")


@given(st.lists(st.integers(1, 200_000), max_size=6), st.booleans())
def test_what_the_bank_returns_adds_up(amounts: list[int], requested_too: bool) -> None:
    order = captured()
    if requested_too:
        order.request_refund(uuid4(), (RefundLine("0001", 1_000),), "paid twice", "staff:a")
    returned = 0
    for amount in amounts:
        returned = min(ALL, returned + amount)
        order.record_returns(returned, AT, DAY)
    made = [event for event in order.pending if isinstance(event, MoneyReturned)]
    parts = [line for event in made for line in event.lines]
    assert sum(part.amount for part in parts) == order.returned == returned
    assert all(left >= 0 for left in order.left.values())
    assert sum(order.left.values()) + returned <= ALL


def test_refund_is_made_once(harness: Harness) -> None:
    started = harness.captured(ONE, TWO)
    refund_id = request(harness, started, RefundLine("0001", 50_000))
    assert harness.make_refunds() == 1
    assert harness.make_refunds() == 0
    shown = harness.view(started)
    assert (shown["state"], shown["refunded"]) == ("partly_refunded", 50_000)
    assert [line["refunded"] for line in shown["lines"]] == [50_000, 0]
    [refund] = shown["refunds"]
    assert (refund["refund_id"], refund["state"], refund["total"]) == (
        str(refund_id),
        "made",
        50_000,
    )
    assert harness.acquirer.refunds == [(harness.number(started), 50_000)]


def test_refund_whose_answer_was_lost_is_not_made_twice(harness: Harness) -> None:
    started = harness.captured(ONE)
    harness.acquirer.lose_refund = True
    request(harness, started, RefundLine("0001", 50_000))
    harness.make_refunds()
    for _ in range(10):
        harness.advance(seconds=10)
        harness.make_refunds()
    assert harness.acquirer.refunds == [(harness.number(started), 50_000)]
    assert harness.view(started)["refunded"] == 50_000


def test_refund_that_never_reached_the_acquirer_is_repeated(harness: Harness) -> None:
    started = harness.captured(ONE)
    request(harness, started, RefundLine("0001", 50_000))
    give_back = harness.acquirer.give_back
    harness.acquirer.give_back = lambda *_: UnknownOutcome("lost")  # type: ignore[method-assign]
    harness.make_refunds()
    harness.acquirer.give_back = give_back  # type: ignore[method-assign]
    harness.advance(seconds=10)
    harness.make_refunds()
    assert harness.acquirer.refunds == []
    harness.advance(seconds=40)
    harness.make_refunds()
    assert harness.view(started)["refunded"] == 50_000


def test_refund_waits_while_the_acquirer_says_nothing_sure(harness: Harness) -> None:
    started = harness.captured(ONE)
    request(harness, started)
    order = harness.acquirer.orders[harness.number(started)]
    state = order["state"]
    for unsure in (OrderState.UNKNOWN, OrderState.PENDING, OrderState.DECLINED):
        order["state"] = unsure
        harness.make_refunds()
        harness.advance(seconds=10)
    assert harness.acquirer.refunds == []
    order["state"] = state
    harness.make_refunds()
    assert harness.view(started)["state"] == "refunded"


def test_refused_refund_is_told(harness: Harness) -> None:
    started = harness.captured(ONE)
    harness.acquirer.refuses_refunds = True
    request(harness, started)
    harness.make_refunds()
    assert [refund["state"] for refund in harness.view(started)["refunds"]] == ["refused"]
    assert harness.view(started)["state"] == "captured"


def test_refund_at_the_bank_is_found_by_its_callback(harness: Harness) -> None:
    started = harness.captured(ONE, TWO)
    harness.acquirer.give_back_at_bank(harness.number(started), 100)
    harness.advance(seconds=5)
    harness.call_back(started)
    shown = harness.view(started)
    assert (shown["state"], shown["refunded"]) == ("partly_refunded", 100)
    assert [line["refunded"] for line in shown["lines"]] == [96, 4]


def test_ledger_takes_the_refund_back_once(harness: Harness) -> None:
    started = harness.captured(ONE)
    refund_id = request(harness, started)
    harness.make_refunds()
    for position in (7, 8):
        harness.ledger_says(
            "payment_refunded",
            position,
            payment_id=started["payment_id"],
            account="0001",
            refund_id=str(refund_id),
        )
    assert harness.tables.refunds.rows[refund_id]["posted"] == ["0001"]
    assert harness.events().count("RefundPosted") == 1


def test_payment_is_completed_though_a_part_went_back(harness: Harness) -> None:
    started = harness.captured(ONE)
    request(harness, started, RefundLine("0001", 100))
    harness.make_refunds()
    harness.ledger_posts(started["payment_id"], "0001", 9)
    assert harness.events().count("PaymentCompleted") == 1
    assert harness.view(started)["state"] == "partly_refunded"
