"""Callback, return and schedule: when the acquirer is polled, and what its report does."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from payment_doubles import NOON, OTHER_PERSON, PERSON, SIGNATURE, Harness

from services.payments.acquirers import CallbackRequest, OrderState
from services.payments.callback import receive_callback, refresh_own
from services.payments.events import Line
from services.payments.scheduling import POLL_AFTER, RecordPoll, record_outcome
from services.payments.views import History, OwnPayment, history, own_payment
from shared.errors import Forbidden, NotFound, Unavailable, ValidationFailed

ONE = Line("0001", 450_000, 1_250)
TWO = Line("0002", 20_000, 0)


def test_paid_order_is_captured_then_completed_by_the_ledger(harness: Harness) -> None:
    started = harness.start(ONE, TWO)
    harness.acquirer.pay(harness.number(started))
    assert harness.call_back(started) == {"accepted": True}
    shown = harness.view(started)
    assert shown["state"] == "captured"
    assert shown["masked_card"] == "411111**1111"
    assert shown["captured_at"] == NOON.isoformat()
    harness.ledger_posts(started["payment_id"], "0001", 41)
    assert [line["posted"] for line in harness.view(started)["lines"]] == [True, False]
    harness.ledger_posts(started["payment_id"], "0002", 42)
    harness.ledger_posts(started["payment_id"], "0002", 42)
    assert harness.view(started)["state"] == "completed"
    assert harness.events().count("PaymentCompleted") == 1
    assert harness.poll_of(started) is None


def test_day_of_payment_is_in_the_business_time_zone(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.advance(hours=12, minutes=30)  # 21:30 UTC is half past midnight in Moscow
    harness.acquirer.pay(harness.number(started))
    harness.advance(days=2)
    harness.call_back(started)
    assert harness.row(started)["paid_on"] == date(2026, 11, 21)


def test_acquirer_clock_running_ahead_never_dates_a_payment_in_the_future(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.acquirer.pay(harness.number(started))
    harness.acquirer.orders[harness.number(started)]["charged_at"] = NOON + timedelta(days=1)
    harness.call_back(started)
    assert harness.row(started)["captured_at"] == NOON


def test_callback_alone_credits_nothing(harness: Harness) -> None:
    started = harness.start(ONE)
    assert harness.call_back(started) == {"accepted": True}
    assert harness.view(started)["state"] == "awaiting_payment"


def test_forged_callback_is_refused_without_a_poll(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.acquirer.pay(harness.number(started))
    parameters = {"order": harness.number(started)}
    for forged in (parameters, {**parameters, "signature": "подделка"}):
        with pytest.raises(Forbidden) as refusal:
            receive_callback(
                harness.store, harness.acquirers, "", CallbackRequest(parameters=forged)
            )
        assert refusal.value.code == "callback_forged"
    assert harness.acquirer.polled == []


def test_repeated_and_late_callbacks_capture_once(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.acquirer.pay(harness.number(started))
    harness.call_back(started)
    harness.call_back(started)
    harness.advance(seconds=5)
    harness.acquirer.decline(harness.number(started), late=True)
    with pytest.raises(Unavailable):
        # It has said that it charged the card: what it says now is not to be relied on.
        harness.call_back(started)
    assert harness.events().count("PaymentCaptured") == 1
    assert harness.view(started)["state"] == "captured"


@pytest.mark.parametrize("posted", [True, False])
def test_callback_that_the_status_call_denies_is_asked_about_again(
    harness: Harness, posted: bool
) -> None:
    started = harness.start(ONE)
    number = harness.number(started)
    harness.acquirer.pay(number)
    harness.call_back(started)
    if posted:
        harness.ledger_posts(started["payment_id"], "0001", 41)
    harness.advance(seconds=5)
    harness.acquirer.give_back_at_bank(number, 1_250)
    known = harness.acquirer.orders.pop(number)
    with pytest.raises(Unavailable):
        harness.call_back(started)
    harness.acquirer.orders[number] = known
    harness.advance(seconds=2)
    assert harness.poll() == 1
    assert harness.view(started)["refunded"] == 1_250
    assert harness.poll_of(started) is None


def test_callbacks_about_one_order_are_limited(harness: Harness) -> None:
    started = harness.start(ONE)
    for _ in range(20):
        harness.call_back(started)
    assert len(harness.acquirer.polled) == 1
    harness.acquirer.pay(harness.number(started))
    harness.call_back(started)
    # None is lost: the acquirer is asked once more, soon.
    harness.advance(seconds=2)
    assert harness.poll() == 1
    assert harness.view(started)["state"] == "captured"


def test_genuine_callback_of_another_shop_is_accepted(harness: Harness) -> None:
    parameters = {"order": "10747", "signature": SIGNATURE}
    request = CallbackRequest(parameters=parameters)
    answer = receive_callback(harness.store, harness.acquirers, "", request)
    assert answer == {"accepted": True}


def test_unanswered_poll_restarts_the_schedule(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.advance(minutes=10)
    harness.acquirer.is_silent = True
    with pytest.raises(Unavailable):
        harness.call_back(started)
    poll_row = harness.poll_of(started)
    assert poll_row is not None
    assert poll_row["due_at"] == harness.clock.now() + timedelta(seconds=5)


@pytest.mark.parametrize("posted", [True, False])
def test_returns_of_a_bank_are_asked_about_until_a_recovery_is_over(
    harness: Harness, posted: bool
) -> None:
    started = harness.start(ONE)
    harness.acquirer.pay(harness.number(started))
    if posted:
        harness.call_back(started)
        harness.ledger_posts(started["payment_id"], "0001", 41)
        harness.advance(seconds=5)
    harness.acquirer.give_back_at_bank(harness.number(started), 451_250)
    harness.tables.lost.opened = True
    with pytest.raises(Unavailable):
        harness.call_back(started)
    harness.advance(seconds=30)
    assert harness.poll() == 1
    assert "MoneyReturned" not in harness.events()
    harness.tables.lost.opened = False
    harness.advance(minutes=1)
    assert harness.poll() == 1
    shown = harness.view(started)
    # Of a charge that was never credited nothing is to be taken back.
    expected = ("refunded", 451_250) if posted else ("failed", 0)
    assert (shown["state"], shown["refunded"]) == expected
    assert harness.poll() == 0


def test_different_amount_is_a_state_and_is_returned(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.acquirer.pay(harness.number(started), amount=7)
    harness.call_back(started)
    shown = harness.view(started)
    assert (shown["state"], shown["outcome"], shown["charged"]) == ("mismatch", "mismatch", 7)
    harness.advance(seconds=30)
    assert harness.poll() == 1
    assert harness.make_refunds() == 1
    assert harness.acquirer.refunds == [(harness.number(started), 7)]
    shown = harness.view(started)
    assert (shown["state"], shown["failure"], shown["refunded"]) == ("failed", "given_back", 7)
    assert "PaymentCaptured" not in harness.events()


def test_different_amount_is_left_to_staff_where_the_operator_says_so() -> None:
    harness = Harness(returns_mismatch=False)
    started = harness.start(ONE)
    harness.acquirer.pay(harness.number(started), amount=7)
    harness.call_back(started)
    for _ in range(4):
        harness.advance(minutes=30)
        harness.poll()
    assert harness.make_refunds() == 0
    assert harness.view(started)["state"] == "mismatch"
    assert harness.events().count("MismatchFound") == 1


def test_acquirer_that_misreported_corrects_itself(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.acquirer.pay(harness.number(started), amount=7)
    harness.call_back(started)
    harness.acquirer.pay(harness.number(started))
    harness.advance(seconds=30)
    harness.poll()
    assert harness.view(started)["state"] == "captured"
    assert harness.make_refunds() == 0


def test_second_card_after_a_decline_is_captured(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.acquirer.decline(harness.number(started))
    harness.call_back(started)
    assert harness.view(started)["failure"] == "declined"
    harness.acquirer.pay(harness.number(started))
    harness.advance(minutes=21)
    assert harness.poll() == 1
    shown = harness.view(started)
    assert (shown["state"], shown["failure"]) == ("captured", None)


def test_declined_card_is_polled_once_more_after_the_session(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.acquirer.decline(harness.number(started))
    harness.call_back(started)
    harness.advance(minutes=21)
    assert harness.poll() == 1
    assert harness.poll_of(started) is None


def test_payer_who_is_late_expires_the_payment(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.acquirer.decline(harness.number(started), late=True)
    harness.call_back(started)
    shown = harness.view(started)
    assert (shown["state"], shown["failure"]) == ("expired", "expired")
    assert harness.poll_of(started) is None


def test_charge_returned_in_full_before_we_recorded_it_fails_the_payment(
    harness: Harness,
) -> None:
    started = harness.start(ONE)
    order = harness.acquirer.orders[harness.number(started)]
    order |= {"state": OrderState.RETURNED, "charged": 451_250, "returned": 451_250}
    harness.call_back(started)
    assert harness.view(started)["failure"] == "given_back"


def test_charge_returned_in_part_before_we_recorded_it_is_both(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.acquirer.pay(harness.number(started))
    harness.acquirer.give_back_at_bank(harness.number(started), 1_250)
    harness.call_back(started)
    shown = harness.view(started)
    assert (shown["state"], shown["refunded"]) == ("partly_refunded", 1_250)


def test_return_of_the_payer_polls_until_captured(harness: Harness) -> None:
    started = harness.start(ONE)
    payment_id = UUID(started["payment_id"])
    harness.acquirer.pay(harness.number(started))
    refresh_own(harness.store, harness.acquirers, PERSON, payment_id)
    refresh_own(harness.store, harness.acquirers, PERSON, payment_id)
    assert harness.view(started)["state"] == "captured"
    assert len(harness.acquirer.polled) == 1


def test_return_during_an_outage_is_an_unknown_outcome(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.acquirer.is_silent = True
    refresh_own(harness.store, harness.acquirers, PERSON, UUID(started["payment_id"]))
    shown = harness.view(started)
    assert (shown["state"], shown["outcome"]) == ("unknown", "unknown")
    # The page of the bank is not offered again: the card may have been charged.
    assert shown["redirect_url"] is None
    harness.acquirer.is_silent = False
    harness.advance(seconds=5)
    harness.poll()
    assert harness.view(started)["state"] == "awaiting_payment"


def test_payment_of_somebody_else_is_neither_shown_nor_polled(harness: Harness) -> None:
    started = harness.start(ONE)
    payment_id = UUID(started["payment_id"])
    query = OwnPayment(person_id=OTHER_PERSON, payment_id=payment_id)
    with pytest.raises(NotFound):
        harness.store.query(lambda session: own_payment(session, query))
    with pytest.raises(NotFound):
        refresh_own(harness.store, harness.acquirers, OTHER_PERSON, payment_id)
    assert harness.acquirer.polled == []


def test_unknown_outcome_is_polled_by_schedule_and_never_charged(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.acquirer.is_silent = True
    polled_at = []
    while (row := harness.poll_of(started)) is not None and row["due_at"]:
        harness.clock.advance(row["due_at"] - harness.clock.now())
        assert harness.poll() == 1
        assert harness.poll() == 0
        polled_at.append(harness.clock.now() - NOON)
    assert polled_at == list(POLL_AFTER)
    assert [after.total_seconds() for after in polled_at[:3]] == [5, 30, 300]
    assert polled_at[4] == timedelta(hours=1)
    assert polled_at[-1] == timedelta(days=5)
    assert len(harness.acquirer.registered) == 1
    assert harness.view(started)["state"] == "unknown"
    assert harness.events().count("OutcomeUnknown") == 1


def test_polls_missed_in_an_outage_are_not_made_up_for(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.advance(hours=3)
    assert harness.poll() == 1
    poll_row = harness.poll_of(started)
    assert poll_row is not None
    assert poll_row["due_at"] == NOON + timedelta(days=1)


def test_schedule_makes_up_for_a_dropped_callback(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.advance(minutes=1)
    harness.acquirer.pay(harness.number(started))
    harness.advance(minutes=4)
    harness.poll()
    assert harness.view(started)["state"] == "captured"


def test_order_that_never_got_a_page_fails_after_the_session(harness: Harness) -> None:
    harness.acquirer.is_silent = True
    started = harness.start(ONE)
    harness.advance(minutes=21)
    harness.acquirer.is_silent = False
    harness.poll()
    assert harness.view(started)["failure"] == "not_registered"
    assert harness.tables.polls.rows == {}


def test_order_that_the_acquirer_denies_is_in_doubt(harness: Harness) -> None:
    started = harness.start(ONE)
    order = harness.acquirer.orders.pop(harness.number(started))
    harness.advance(minutes=25)
    harness.poll()
    assert harness.view(started)["state"] == "unknown"
    harness.acquirer.orders[harness.number(started)] = order
    harness.acquirer.pay(harness.number(started))
    harness.swept()
    harness.poll()
    assert harness.view(started)["state"] == "captured"


def test_held_order_is_charged_once_it_is_what_was_ordered(harness: Harness) -> None:
    harness.acquirer.two_steps = True
    started = harness.start(ONE)
    harness.acquirer.pay(harness.number(started))
    harness.call_back(started)
    assert harness.view(started)["state"] == "captured"


def test_held_order_of_another_sum_is_released(harness: Harness) -> None:
    harness.acquirer.two_steps = True
    started = harness.start(ONE)
    harness.acquirer.pay(harness.number(started), amount=7)
    harness.call_back(started)
    assert harness.acquirer.closed == [harness.number(started)]
    assert harness.view(started)["state"] == "expired"


def test_history_pages_go_back_in_time(harness: Harness) -> None:
    started = [harness.start(Line(f"000{n}", 100 * n, 0)) for n in (1, 2, 3)]
    harness.start(ONE, person=OTHER_PERSON)

    def page(before: str | None) -> dict[str, Any]:
        query = History(person_id=PERSON, before=before, limit=2)
        return harness.store.query(lambda session: history(session, query))

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
        page = harness.store.query(lambda session: history(session, query))
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
        harness.store.query(lambda session: history(session, query))


def test_posting_of_a_payment_from_elsewhere_is_ignored(harness: Harness) -> None:
    harness.ledger_posts(str(uuid4()), "0001", 1)
    harness.ledger_posts("register-2026-11-20/17", "0001", 2)
    assert harness.store.log == []


def test_undecided_payment_shows_the_last_outcome_and_the_next_poll(
    harness: Harness,
) -> None:
    started = harness.start(ONE)
    shown = harness.view(started)
    assert (shown["outcome"], shown["redirect_url"]) == ("pending", started["redirect_url"])
    assert shown["next_check_at"] == (NOON + timedelta(seconds=5)).isoformat()
    assert shown["closes_at"] == (NOON + timedelta(minutes=20)).isoformat()

    command = RecordPoll(payment_id=UUID(started["payment_id"]), outcome="unknown")
    harness.store.transact(record_outcome, command)
    assert harness.view(started)["outcome"] == "unknown"

    harness.acquirer.pay(harness.number(started))
    harness.call_back(started)
    shown = harness.view(started)
    assert [shown[name] for name in ("outcome", "next_check_at", "redirect_url")] == [None] * 3


def test_refresh_records_the_outcome(harness: Harness) -> None:
    started = harness.start(ONE)
    command = RecordPoll(payment_id=UUID(started["payment_id"]), outcome="unknown")
    harness.store.transact(record_outcome, command)
    refresh_own(harness.store, harness.acquirers, PERSON, UUID(started["payment_id"]))
    assert harness.view(started)["outcome"] == "pending"
