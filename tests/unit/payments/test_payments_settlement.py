"""Callback, return and schedule: who asks, and what the acquirer's answer does."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from payment_doubles import NOON, PERSON, STRANGER, House

from services.payments import application
from services.payments.acquirer import OrderStatus
from services.payments.application import POLL_AFTER, History, OwnPayment
from services.payments.callback import receive_callback, refresh_own
from services.payments.domain import Line
from services.payments.jobs import poll
from shared.errors import Forbidden, NotFound, Unavailable, ValidationFailed

SECRET = "secret"
ONE = Line("0001", 450_000, 1_250)
TWO = Line("0002", 20_000, 0)


def signed(**parameters: str) -> dict[str, str]:
    # The bank's own implementation signs, ours verifies.
    from deploy.acquirer.signature import checksum

    return {**parameters, "checksum": checksum(parameters, SECRET)}


def call_back(house: House, started: dict[str, Any], **changes: str) -> dict[str, Any]:
    number = house.number(started)
    parameters = {"mdOrder": f"bank-{number}", "orderNumber": number, "status": "1"}
    parameters |= {"operation": "deposited", **changes}
    return receive_callback(house.store, house.acquirer, SECRET, signed(**parameters))


def view(house: House, started: dict[str, Any]) -> dict[str, Any]:
    query = OwnPayment(person_id=PERSON, payment_id=UUID(started["payment_id"]))
    return house.store.query(lambda session: application.own_payment(session, query))


def test_paid_called_back_posted_completed(house: House) -> None:
    started = house.start(ONE, TWO)
    house.acquirer.pay(house.number(started))
    assert call_back(house, started) == {"accepted": True}
    shown = view(house, started)
    assert shown["state"] == "captured"
    assert shown["masked_card"] == "411111**1111"
    assert shown["captured_at"] == NOON.isoformat()
    house.ledger_posts(started["payment_id"], "0001", 41)
    assert [line["posted"] for line in view(house, started)["lines"]] == [True, False]
    house.ledger_posts(started["payment_id"], "0002", 42)
    house.ledger_posts(started["payment_id"], "0002", 42)
    assert view(house, started)["state"] == "completed"
    assert house.events().count("PaymentCompleted") == 1
    assert house.poll_of(started) is None


def test_the_day_of_payment_is_that_of_the_business_zone(house: House) -> None:
    started = house.start(ONE)
    house.advance(hours=12, minutes=30)  # 21:30 UTC is half past midnight in Moscow
    house.acquirer.pay(house.number(started))
    house.advance(days=2)
    call_back(house, started)
    assert house.row(started)["paid_on"] == date(2026, 11, 21)


def test_an_acquirer_whose_clock_runs_ahead_makes_no_payment_of_tomorrow(house: House) -> None:
    started = house.start(ONE)
    house.acquirer.pay(house.number(started))
    house.acquirer.orders[house.number(started)]["charged_at"] = NOON + timedelta(days=1)
    call_back(house, started)
    assert house.row(started)["captured_at"] == NOON


def test_a_callback_alone_credits_nothing(house: House) -> None:
    started = house.start(ONE)
    assert call_back(house, started) == {"accepted": True}
    assert view(house, started)["state"] == "awaiting_payment"


def test_a_forged_callback_is_refused_and_asks_nobody(house: House) -> None:
    started = house.start(ONE)
    house.acquirer.pay(house.number(started))
    parameters = signed(orderNumber=house.number(started), operation="deposited", status="1")
    for forged in (
        {**parameters, "status": "0"},
        {**parameters, "checksum": parameters["checksum"].lower()},
        {**parameters, "checksum": "подделка"},
        {key: value for key, value in parameters.items() if key != "checksum"},
    ):
        with pytest.raises(Forbidden):
            receive_callback(house.store, house.acquirer, SECRET, forged)
    with pytest.raises(Forbidden):
        receive_callback(house.store, house.acquirer, "", parameters)
    assert house.acquirer.asked == []


def test_callbacks_twice_and_out_of_order_charge_once(house: House) -> None:
    started = house.start(ONE)
    house.acquirer.pay(house.number(started))
    call_back(house, started)
    call_back(house, started)
    call_back(house, started, operation="created")
    call_back(house, started, operation="declinedByTimeout", status="0")
    assert house.events().count("PaymentCaptured") == 1
    assert len(house.acquirer.asked) == 1


def test_a_genuine_callback_of_another_shop_is_accepted(house: House) -> None:
    parameters = signed(orderNumber="10747", operation="deposited", status="1")
    assert receive_callback(house.store, house.acquirer, SECRET, parameters) == {"accepted": True}


def test_a_silent_acquirer_is_asked_again_soon(house: House) -> None:
    started = house.start(ONE)
    house.advance(minutes=10)
    house.acquirer.is_silent = True
    with pytest.raises(Unavailable):
        call_back(house, started)
    poll_row = house.poll_of(started)
    assert poll_row is not None
    assert poll_row["due_at"] == house.clock.now() + timedelta(seconds=5)


def test_another_amount_is_left_to_staff(house: House) -> None:
    started = house.start(ONE)
    house.acquirer.pay(house.number(started), amount=1)
    call_back(house, started)
    house.advance(seconds=5)
    poll(house.store, house.acquirer)
    assert view(house, started)["state"] == "awaiting_payment"
    poll_row = house.poll_of(started)
    assert poll_row is not None
    assert poll_row["outcome"] == "mismatch"


def test_a_declined_card_and_another_try_on_the_same_page(house: House) -> None:
    started = house.start(ONE)
    house.acquirer.decline(house.number(started))
    call_back(house, started, status="0")
    assert view(house, started)["failure"] == "declined"
    house.acquirer.pay(house.number(started))
    house.advance(minutes=21)
    assert poll(house.store, house.acquirer) == 1
    shown = view(house, started)
    assert (shown["state"], shown["failure"]) == ("captured", None)


def test_a_declined_card_is_asked_about_once_more_and_then_no_more(house: House) -> None:
    started = house.start(ONE)
    house.acquirer.decline(house.number(started))
    call_back(house, started, status="0")
    house.advance(minutes=21)
    assert poll(house.store, house.acquirer) == 1
    assert house.poll_of(started) is None


def test_a_payer_who_does_not_come_in_time(house: House) -> None:
    started = house.start(ONE)
    house.acquirer.decline(house.number(started), late=True)
    call_back(house, started, operation="declinedByTimeout")
    shown = view(house, started)
    assert (shown["state"], shown["failure"]) == ("expired", "expired")
    assert house.poll_of(started) is None


@pytest.mark.parametrize("status", [OrderStatus.REVERSED, OrderStatus.REFUNDED])
def test_money_given_back_before_we_knew_of_it(house: House, status: OrderStatus) -> None:
    started = house.start(ONE)
    house.acquirer.orders[house.number(started)] |= {"status": status, "refunded": 451_250}
    call_back(house, started, operation="refunded")
    assert view(house, started)["failure"] == "given_back"


def test_money_given_back_in_part_before_we_knew_of_it(house: House) -> None:
    started = house.start(ONE)
    order = house.acquirer.orders[house.number(started)]
    order |= {"status": OrderStatus.REFUNDED, "refunded": 1}
    call_back(house, started, operation="refunded")
    assert view(house, started)["state"] == "awaiting_payment"


def test_the_return_of_the_payer_asks(house: House) -> None:
    started = house.start(ONE)
    payment_id = UUID(started["payment_id"])
    house.acquirer.pay(house.number(started))
    refresh_own(house.store, house.acquirer, PERSON, payment_id)
    refresh_own(house.store, house.acquirer, PERSON, payment_id)
    assert view(house, started)["state"] == "captured"
    assert len(house.acquirer.asked) == 1


def test_the_return_to_a_silent_acquirer_changes_nothing(house: House) -> None:
    started = house.start(ONE)
    house.acquirer.is_silent = True
    refresh_own(house.store, house.acquirer, PERSON, UUID(started["payment_id"]))
    assert view(house, started)["state"] == "awaiting_payment"


def test_a_stranger_sees_nothing_and_cannot_make_us_ask(house: House) -> None:
    started = house.start(ONE)
    payment_id = UUID(started["payment_id"])
    query = OwnPayment(person_id=STRANGER, payment_id=payment_id)
    with pytest.raises(NotFound):
        house.store.query(lambda session: application.own_payment(session, query))
    with pytest.raises(NotFound):
        refresh_own(house.store, house.acquirer, STRANGER, payment_id)
    assert house.acquirer.asked == []


def test_an_unknown_outcome_is_asked_about_by_schedule_and_charged_never(house: House) -> None:
    house.acquirer.is_silent = True
    command_id = uuid4()
    with pytest.raises(Unavailable):
        house.start(ONE, command_id=command_id)
    asked_at = []
    while any(row["due_at"] for row in house.tables.polls.rows.values()):
        due_at = next(iter(house.tables.polls.rows.values()))["due_at"]
        house.clock.advance(due_at - house.clock.now())
        assert poll(house.store, house.acquirer) == 1
        assert poll(house.store, house.acquirer) == 0
        asked_at.append(house.clock.now() - NOON)
    assert asked_at == list(POLL_AFTER)
    assert [after.total_seconds() for after in asked_at[:3]] == [5, 30, 300]
    assert asked_at[4] == timedelta(hours=1)
    assert asked_at[-1] == timedelta(days=5)
    assert house.acquirer.registered == []


def test_after_an_outage_missed_questions_are_not_made_up_for(house: House) -> None:
    started = house.start(ONE)
    house.advance(hours=3)
    assert poll(house.store, house.acquirer) == 1
    poll_row = house.poll_of(started)
    assert poll_row is not None
    assert poll_row["due_at"] == NOON + timedelta(days=1)


def test_a_dropped_callback_is_made_up_for_by_the_schedule(house: House) -> None:
    started = house.start(ONE)
    house.advance(minutes=1)
    house.acquirer.pay(house.number(started))
    house.advance(minutes=4)
    poll(house.store, house.acquirer)
    assert view(house, started)["state"] == "captured"


def test_an_order_that_the_acquirer_never_heard_of_fails_when_its_time_is_over(
    house: House,
) -> None:
    house.acquirer.is_silent = True
    with pytest.raises(Unavailable):
        house.start(ONE)
    house.acquirer.is_silent = False
    house.advance(seconds=5)
    poll(house.store, house.acquirer)
    assert house.events() == ["PaymentStarted"]
    house.advance(minutes=21)
    poll(house.store, house.acquirer)
    assert house.events() == ["PaymentStarted", "PaymentFailed"]
    assert house.tables.polls.rows == {}


def test_a_lost_form_is_asked_about_until_the_acquirer_closes_the_order(house: House) -> None:
    command_id = uuid4()
    house.acquirer.lose_next = True
    with pytest.raises(Unavailable):
        house.start(ONE, command_id=command_id)
    payment_id = next(iter(house.tables.payments))
    house.store.transact(application.lose_form, application.LoseForm(payment_id=payment_id))
    house.advance(minutes=21)
    poll(house.store, house.acquirer)
    assert payment_id in house.tables.polls.rows
    house.acquirer.decline(payment_id.hex, late=True)
    house.advance(hours=1)
    poll(house.store, house.acquirer)
    assert house.tables.polls.rows == {}
    assert house.tables.payments[payment_id]["state"] == "failed"


def test_the_history_goes_back_page_by_page(house: House) -> None:
    started = [house.start(Line("0001", sum_, 0)) for sum_ in (100, 200, 300)]
    house.start(ONE, person=STRANGER)

    def page(before: str | None) -> dict[str, Any]:
        query = History(person_id=PERSON, before=before, limit=2)
        return house.store.query(lambda session: application.history(session, query))

    first = page(None)
    assert [payment["total"] for payment in first["payments"]] == [300, 200]
    second = page(first["next"])
    assert [payment["payment_id"] for payment in second["payments"]] == [started[0]["payment_id"]]
    assert second["next"] is None


@pytest.mark.parametrize("cursor", ["", "x", "cA", "0J_RgNC40LLQtdGC", "cC0x", "cA==", "a" * 40])
def test_a_cursor_that_we_did_not_make_is_refused(house: House, cursor: str) -> None:
    query = History(person_id=PERSON, before=cursor, limit=2)
    with pytest.raises(ValidationFailed):
        house.store.query(lambda session: application.history(session, query))


def test_a_posting_of_a_payment_from_elsewhere_is_passed(house: House) -> None:
    house.ledger_posts(str(uuid4()), "0001", 1)
    house.ledger_posts("register-2026-11-20/17", "0001", 2)
    assert house.store.log == []


def test_an_undecided_payment_says_what_the_bank_says_and_when_it_is_asked_next(
    house: House,
) -> None:
    started = house.start(ONE)
    shown = view(house, started)
    assert (shown["outcome"], shown["redirect_url"]) == ("pending", started["redirect_url"])
    assert shown["next_check_at"] == (NOON + timedelta(seconds=5)).isoformat()

    command = application.NotePoll(payment_id=UUID(started["payment_id"]), outcome="unknown")
    house.store.transact(application.note_outcome, command)
    assert view(house, started)["outcome"] == "unknown"

    house.acquirer.pay(house.number(started))
    call_back(house, started)
    shown = view(house, started)
    assert [shown[name] for name in ("outcome", "next_check_at", "redirect_url")] == [None] * 3


def test_a_refresh_keeps_what_the_bank_answered(house: House) -> None:
    started = house.start(ONE)
    command = application.NotePoll(payment_id=UUID(started["payment_id"]), outcome="unknown")
    house.store.transact(application.note_outcome, command)
    refresh_own(house.store, house.acquirer, PERSON, UUID(started["payment_id"]))
    assert view(house, started)["outcome"] == "pending"
