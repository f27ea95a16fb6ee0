"""Callback, return and schedule: when the acquirer is polled, and what its report does."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from payment_doubles import NOON, OTHER_PERSON, PERSON, SIGNATURE, Harness

from services.payments import application
from services.payments.acquirers import OrderState
from services.payments.application import POLL_AFTER, History, OwnPayment
from services.payments.callback import receive_callback, refresh_own
from services.payments.domain import Line
from services.payments.jobs import poll_due
from shared.errors import Forbidden, NotFound, Unavailable, ValidationFailed

ONE = Line("0001", 450_000, 1_250)
TWO = Line("0002", 20_000, 0)


def call_back(harness: Harness, started: dict[str, Any]) -> dict[str, Any]:
    parameters = {"order": harness.number(started), "signature": SIGNATURE}
    return receive_callback(harness.store, harness.acquirer, parameters)


def view(harness: Harness, started: dict[str, Any]) -> dict[str, Any]:
    query = OwnPayment(person_id=PERSON, payment_id=UUID(started["payment_id"]))
    return harness.store.query(lambda session: application.own_payment(session, query))


def test_paid_order_is_captured_then_completed_by_the_ledger(harness: Harness) -> None:
    started = harness.start(ONE, TWO)
    harness.acquirer.pay(harness.number(started))
    assert call_back(harness, started) == {"accepted": True}
    shown = view(harness, started)
    assert shown["state"] == "captured"
    assert shown["masked_card"] == "411111**1111"
    assert shown["captured_at"] == NOON.isoformat()
    harness.ledger_posts(started["payment_id"], "0001", 41)
    assert [line["posted"] for line in view(harness, started)["lines"]] == [True, False]
    harness.ledger_posts(started["payment_id"], "0002", 42)
    harness.ledger_posts(started["payment_id"], "0002", 42)
    assert view(harness, started)["state"] == "completed"
    assert harness.events().count("PaymentCompleted") == 1
    assert harness.poll_of(started) is None


def test_day_of_payment_is_in_the_business_time_zone(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.advance(hours=12, minutes=30)  # 21:30 UTC is half past midnight in Moscow
    harness.acquirer.pay(harness.number(started))
    harness.advance(days=2)
    call_back(harness, started)
    assert harness.row(started)["paid_on"] == date(2026, 11, 21)


def test_acquirer_clock_running_ahead_never_dates_a_payment_in_the_future(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.acquirer.pay(harness.number(started))
    harness.acquirer.orders[harness.number(started)]["charged_at"] = NOON + timedelta(days=1)
    call_back(harness, started)
    assert harness.row(started)["captured_at"] == NOON


def test_callback_alone_credits_nothing(harness: Harness) -> None:
    started = harness.start(ONE)
    assert call_back(harness, started) == {"accepted": True}
    assert view(harness, started)["state"] == "awaiting_payment"


def test_forged_callback_is_refused_without_a_poll(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.acquirer.pay(harness.number(started))
    parameters = {"order": harness.number(started)}
    for forged in (parameters, {**parameters, "signature": "подделка"}):
        with pytest.raises(Forbidden) as refusal:
            receive_callback(harness.store, harness.acquirer, forged)
        assert refusal.value.code == "callback_forged"
    assert harness.acquirer.polled == []


def test_repeated_and_late_callbacks_capture_once(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.acquirer.pay(harness.number(started))
    call_back(harness, started)
    call_back(harness, started)
    harness.acquirer.decline(harness.number(started), late=True)
    call_back(harness, started)
    assert harness.events().count("PaymentCaptured") == 1
    assert len(harness.acquirer.polled) == 1


def test_genuine_callback_of_another_shop_is_accepted(harness: Harness) -> None:
    parameters = {"order": "10747", "signature": SIGNATURE}
    assert receive_callback(harness.store, harness.acquirer, parameters) == {"accepted": True}


def test_unanswered_poll_restarts_the_schedule(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.advance(minutes=10)
    harness.acquirer.is_silent = True
    with pytest.raises(Unavailable):
        call_back(harness, started)
    poll_row = harness.poll_of(started)
    assert poll_row is not None
    assert poll_row["due_at"] == harness.clock.now() + timedelta(seconds=5)


def test_different_amount_is_left_to_staff(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.acquirer.pay(harness.number(started), amount=1)
    call_back(harness, started)
    harness.advance(seconds=5)
    poll_due(harness.store, harness.acquirer)
    assert view(harness, started)["state"] == "awaiting_payment"
    poll_row = harness.poll_of(started)
    assert poll_row is not None
    assert poll_row["outcome"] == "mismatch"


def test_second_card_after_a_decline_is_captured(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.acquirer.decline(harness.number(started))
    call_back(harness, started)
    assert view(harness, started)["failure"] == "declined"
    harness.acquirer.pay(harness.number(started))
    harness.advance(minutes=21)
    assert poll_due(harness.store, harness.acquirer) == 1
    shown = view(harness, started)
    assert (shown["state"], shown["failure"]) == ("captured", None)


def test_declined_card_is_polled_once_more_after_the_session(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.acquirer.decline(harness.number(started))
    call_back(harness, started)
    harness.advance(minutes=21)
    assert poll_due(harness.store, harness.acquirer) == 1
    assert harness.poll_of(started) is None


def test_payer_who_is_late_expires_the_payment(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.acquirer.decline(harness.number(started), late=True)
    call_back(harness, started)
    shown = view(harness, started)
    assert (shown["state"], shown["failure"]) == ("expired", "expired")
    assert harness.poll_of(started) is None


def test_charge_returned_in_full_before_we_recorded_it_fails_the_payment(
    harness: Harness,
) -> None:
    started = harness.start(ONE)
    order = harness.acquirer.orders[harness.number(started)]
    order |= {"state": OrderState.RETURNED, "returned": 451_250}
    call_back(harness, started)
    assert view(harness, started)["failure"] == "given_back"


def test_charge_returned_in_part_before_we_recorded_it_is_left_to_staff(harness: Harness) -> None:
    started = harness.start(ONE)
    order = harness.acquirer.orders[harness.number(started)]
    order |= {"state": OrderState.RETURNED, "returned": 1}
    call_back(harness, started)
    assert view(harness, started)["state"] == "awaiting_payment"


def test_return_of_the_payer_polls_until_captured(harness: Harness) -> None:
    started = harness.start(ONE)
    payment_id = UUID(started["payment_id"])
    harness.acquirer.pay(harness.number(started))
    refresh_own(harness.store, harness.acquirer, PERSON, payment_id)
    refresh_own(harness.store, harness.acquirer, PERSON, payment_id)
    assert view(harness, started)["state"] == "captured"
    assert len(harness.acquirer.polled) == 1


def test_return_during_an_outage_changes_nothing(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.acquirer.is_silent = True
    refresh_own(harness.store, harness.acquirer, PERSON, UUID(started["payment_id"]))
    assert view(harness, started)["state"] == "awaiting_payment"


def test_payment_of_somebody_else_is_neither_shown_nor_polled(harness: Harness) -> None:
    started = harness.start(ONE)
    payment_id = UUID(started["payment_id"])
    query = OwnPayment(person_id=OTHER_PERSON, payment_id=payment_id)
    with pytest.raises(NotFound):
        harness.store.query(lambda session: application.own_payment(session, query))
    with pytest.raises(NotFound):
        refresh_own(harness.store, harness.acquirer, OTHER_PERSON, payment_id)
    assert harness.acquirer.polled == []


def test_unknown_outcome_is_polled_by_schedule_and_never_charged(harness: Harness) -> None:
    harness.acquirer.is_silent = True
    command_id = uuid4()
    with pytest.raises(Unavailable):
        harness.start(ONE, command_id=command_id)
    polled_at = []
    while any(row["due_at"] for row in harness.tables.polls.rows.values()):
        due_at = next(iter(harness.tables.polls.rows.values()))["due_at"]
        harness.clock.advance(due_at - harness.clock.now())
        assert poll_due(harness.store, harness.acquirer) == 1
        assert poll_due(harness.store, harness.acquirer) == 0
        polled_at.append(harness.clock.now() - NOON)
    assert polled_at == list(POLL_AFTER)
    assert [after.total_seconds() for after in polled_at[:3]] == [5, 30, 300]
    assert polled_at[4] == timedelta(hours=1)
    assert polled_at[-1] == timedelta(days=5)
    assert harness.acquirer.registered == []


def test_polls_missed_in_an_outage_are_not_made_up_for(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.advance(hours=3)
    assert poll_due(harness.store, harness.acquirer) == 1
    poll_row = harness.poll_of(started)
    assert poll_row is not None
    assert poll_row["due_at"] == NOON + timedelta(days=1)


def test_schedule_makes_up_for_a_dropped_callback(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.advance(minutes=1)
    harness.acquirer.pay(harness.number(started))
    harness.advance(minutes=4)
    poll_due(harness.store, harness.acquirer)
    assert view(harness, started)["state"] == "captured"


def test_order_unknown_to_the_acquirer_fails_after_the_session(
    harness: Harness,
) -> None:
    harness.acquirer.is_silent = True
    with pytest.raises(Unavailable):
        harness.start(ONE)
    harness.acquirer.is_silent = False
    harness.advance(seconds=5)
    poll_due(harness.store, harness.acquirer)
    assert harness.events() == ["PaymentStarted"]
    harness.advance(minutes=21)
    poll_due(harness.store, harness.acquirer)
    assert harness.events() == ["PaymentStarted", "PaymentFailed"]
    assert harness.tables.polls.rows == {}


def test_abandoned_order_is_polled_until_the_acquirer_closes_it(harness: Harness) -> None:
    command_id = uuid4()
    harness.acquirer.lose_next = True
    with pytest.raises(Unavailable):
        harness.start(ONE, command_id=command_id)
    payment_id = next(iter(harness.tables.payments))
    harness.store.transact(
        application.abandon_order, application.AbandonOrder(payment_id=payment_id)
    )
    harness.advance(minutes=21)
    poll_due(harness.store, harness.acquirer)
    assert payment_id in harness.tables.polls.rows
    harness.acquirer.decline(payment_id.hex, late=True)
    harness.advance(hours=1)
    poll_due(harness.store, harness.acquirer)
    assert harness.tables.polls.rows == {}
    assert harness.tables.payments[payment_id]["state"] == "failed"


def test_history_pages_go_back_in_time(harness: Harness) -> None:
    started = [harness.start(Line("0001", sum_, 0)) for sum_ in (100, 200, 300)]
    harness.start(ONE, person=OTHER_PERSON)

    def page(before: str | None) -> dict[str, Any]:
        query = History(person_id=PERSON, before=before, limit=2)
        return harness.store.query(lambda session: application.history(session, query))

    first = page(None)
    assert [payment["total"] for payment in first["payments"]] == [300, 200]
    second = page(first["next"])
    assert [payment["payment_id"] for payment in second["payments"]] == [started[0]["payment_id"]]
    assert second["next"] is None


def test_history_is_filtered_by_account_and_time(harness: Harness) -> None:
    for account in ("0001", "0002"):
        harness.start(Line(account, 100, 0))
        harness.advance(hours=1)

    def found(**filters: Any) -> list[str]:
        query = History(person_id=PERSON, before=None, limit=20, **filters)
        page = harness.store.query(lambda session: application.history(session, query))
        return [payment["lines"][0]["account"] for payment in page["payments"]]

    between = harness.clock.now() - timedelta(minutes=90)
    assert found() == ["0002", "0001"]
    assert found(account="0001") == ["0001"]
    assert found(since=between) == ["0002"]
    assert found(until=between) == ["0001"]
    assert found(account="0003") == []


@pytest.mark.parametrize("cursor", ["", "x", "cA", "0J_RgNC40LLQtdGC", "cC0x", "cA==", "a" * 40])
def test_foreign_cursor_is_refused(harness: Harness, cursor: str) -> None:
    query = History(person_id=PERSON, before=cursor, limit=2)
    with pytest.raises(ValidationFailed):
        harness.store.query(lambda session: application.history(session, query))


def test_posting_of_a_payment_from_elsewhere_is_ignored(harness: Harness) -> None:
    harness.ledger_posts(str(uuid4()), "0001", 1)
    harness.ledger_posts("register-2026-11-20/17", "0001", 2)
    assert harness.store.log == []


def test_undecided_payment_shows_the_last_outcome_and_the_next_poll(
    harness: Harness,
) -> None:
    started = harness.start(ONE)
    shown = view(harness, started)
    assert (shown["outcome"], shown["redirect_url"]) == ("pending", started["redirect_url"])
    assert shown["next_check_at"] == (NOON + timedelta(seconds=5)).isoformat()

    command = application.RecordPoll(payment_id=UUID(started["payment_id"]), outcome="unknown")
    harness.store.transact(application.record_outcome, command)
    assert view(harness, started)["outcome"] == "unknown"

    harness.acquirer.pay(harness.number(started))
    call_back(harness, started)
    shown = view(harness, started)
    assert [shown[name] for name in ("outcome", "next_check_at", "redirect_url")] == [None] * 3


def test_refresh_records_the_outcome(harness: Harness) -> None:
    started = harness.start(ONE)
    command = application.RecordPoll(payment_id=UUID(started["payment_id"]), outcome="unknown")
    harness.store.transact(application.record_outcome, command)
    refresh_own(harness.store, harness.acquirer, PERSON, UUID(started["payment_id"]))
    assert view(harness, started)["outcome"] == "pending"
