"""The rules of a payment order."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from payment_doubles import PERSON

from services.payments.domain import PaymentOrder, payment_id_of
from services.payments.events import (
    Line,
    OrderRegistered,
    PaymentCaptured,
    PaymentCompleted,
    PaymentExpired,
    PaymentFailed,
)
from services.payments.splits import MAX_LINES, frozen_split
from services.payments.state import State
from shared.contracts.payments import Failure
from shared.errors import Conflict, ValidationFailed
from shared.money import MAX_AMOUNT

AT = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)
DAY = date(2026, 11, 21)
LINES = (Line("0001", 450_000, 1_250), Line("0002", 0, 300))


def started(*lines: Line) -> PaymentOrder:
    order = PaymentOrder(uuid4())
    order.start(PERSON, lines or LINES)
    return order


def awaiting() -> PaymentOrder:
    order = started()
    order.record_registration(order.order_number, "bank-1", "https://bank.example/1")
    return order


def names(order: PaymentOrder) -> list[str]:
    return [type(event).__name__ for event in order.pending]


def test_line_of_zeros_is_left_out_and_a_penalty_alone_is_kept() -> None:
    order = started(Line("0001", 100, 0), Line("0002", 0, 0), Line("0003", 0, 7))
    assert [line.account for line in order.lines] == ["0001", "0003"]
    assert order.total == 107


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ((), "nothing_to_pay"),
        ((Line("0001", 0, 0), Line("0002", 0, 0)), "nothing_to_pay"),
        ((Line("0001", -1, 0),), "negative_amount"),
        ((Line("0001", 5, -1),), "negative_amount"),
        ((Line("0001", MAX_AMOUNT + 1, 0),), "amount_too_large"),
        ((Line("0001", MAX_AMOUNT, 0), Line("0002", 1, 0)), "amount_too_large"),
        ((Line("0001", 1, 0), Line("0001", 2, 0)), "duplicate_account"),
        (tuple(Line(f"{n:04}", 1, 0) for n in range(MAX_LINES + 1)), "too_many_lines"),
    ],
)
def test_invalid_split_is_refused(lines: tuple[Line, ...], code: str) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        frozen_split(lines)
    assert refusal.value.code == code


def test_largest_payment_is_accepted() -> None:
    assert frozen_split([Line("0001", MAX_AMOUNT - 1, 1)])[0].total == MAX_AMOUNT


def test_payment_id_depends_on_command_and_person() -> None:
    command_id = uuid4()
    assert payment_id_of(PERSON, command_id) == payment_id_of(PERSON, command_id)
    assert payment_id_of(PERSON, command_id) != payment_id_of(uuid4(), command_id)


def test_order_number_is_32_letters_and_digits() -> None:
    order = started()
    assert order.order_number.isalnum()
    assert len(order.order_number) == 32


def test_second_start_changes_nothing() -> None:
    order = started()
    order.start(PERSON, (Line("0009", 1, 1),))
    assert order.lines == LINES
    assert names(order) == ["PaymentStarted"]


def test_captured_and_posted_order_completes_once() -> None:
    order = awaiting()
    order.capture(order.total, AT, DAY, "411111**1111")
    order.post_line("0001", 10)
    assert order.state is State.CAPTURED
    order.post_line("0002", 11)
    order.post_line("0002", 11)
    order.capture(order.total, AT, DAY, "411111**1111")
    assert order.state is State.COMPLETED
    assert names(order)[2:] == ["PaymentCaptured", "LinePosted", "LinePosted", "PaymentCompleted"]


def test_captured_event_carries_lines_amount_and_day() -> None:
    order = awaiting()
    order.capture(order.total, AT, DAY, "411111**1111")
    captured = order.pending[-1]
    assert isinstance(captured, PaymentCaptured)
    assert (captured.lines, captured.amount, captured.paid_on) == (LINES, 451_550, DAY)


def test_different_amount_is_never_credited() -> None:
    order = awaiting()
    with pytest.raises(Conflict) as refusal:
        order.capture(order.total - 1, AT, DAY, None)
    assert refusal.value.code == "amount_mismatch"
    assert order.state is State.AWAITING_PAYMENT


@pytest.mark.parametrize("reason", [Failure.DECLINED, Failure.EXPIRED, Failure.REPLACED])
def test_charge_after_a_failure_is_credited(reason: Failure) -> None:
    order = awaiting()
    order.fail(reason)
    order.fail(reason)
    order.capture(order.total, AT, DAY, None)
    assert order.state is State.CAPTURED
    assert isinstance(order.pending[2], PaymentExpired | PaymentFailed)
    assert len(order.pending) == 4


def test_failure_reported_after_the_charge_changes_nothing() -> None:
    order = awaiting()
    order.capture(order.total, AT, DAY, None)
    order.fail(Failure.DECLINED)
    assert order.state is State.CAPTURED


def test_failed_payment_has_no_page() -> None:
    order = started()
    order.fail(Failure.REFUSED)
    assert not order.record_registration(order.order_number, "bank-1", "https://bank.example/1")
    assert "OrderRegistered" not in names(order)


def test_posting_of_an_unknown_account_changes_nothing() -> None:
    order = awaiting()
    order.post_line("9999", 5)
    assert names(order) == ["PaymentStarted", "OrderRegistered"]


def test_reports_in_any_order_end_in_the_same_state() -> None:
    def report(order: PaymentOrder, what: str) -> None:
        match what:
            case "registered":
                order.record_registration(order.order_number, "bank-1", "https://bank.example/1")
            case "captured":
                order.capture(order.total, AT, DAY, None)
            case "captured again":
                order.capture(order.total, AT, DAY, None)
            case "posted 1":
                order.post_line("0001", 1)
            case "posted 2":
                order.post_line("0002", 2)

    every = ["registered", "captured", "captured again", "posted 1", "posted 2"]
    for sequence in itertools.permutations(every):
        order = started()
        for what in sequence:
            report(order, what)
        assert order.state is State.COMPLETED, sequence
        kinds = [type(event) for event in order.pending]
        assert kinds.count(PaymentCaptured) == kinds.count(PaymentCompleted) == 1
        assert kinds.count(OrderRegistered) <= 1


def test_replay_restores_the_order() -> None:
    order = awaiting()
    order.capture(order.total, AT, DAY, "411111**1111")
    order.post_line("0001", 10)
    again = PaymentOrder(order.id)
    for event in order.pending:
        again.replay(event)
    assert (again.state, again.lines, again.posted) == (order.state, order.lines, order.posted)
    assert again.version == order.version
