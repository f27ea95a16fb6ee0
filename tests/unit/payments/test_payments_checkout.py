"""Starting a payment: every crash and every repetition between the steps."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from payment_doubles import PERSON, STRANGER, House

from services.payments import application
from services.payments.acquirer import Refused
from services.payments.domain import Line, payment_id_of
from shared import context
from shared.errors import Conflict, NotFound, Unavailable, ValidationFailed

ONE = Line("0001", 450_000, 1_250)
TWO = Line("0002", 20_000, 0)


def test_one_order_over_several_accounts(house: House) -> None:
    started = house.start(ONE, TWO, Line("0003", 0, 0))
    assert started["state"] == "awaiting_payment"
    assert started["total"] == 471_250
    assert started["redirect_url"].startswith("https://bank.example/page?mdOrder=bank-")
    order = house.acquirer.registered[0]
    assert order.amount == 471_250
    assert order.order_number == UUID(started["payment_id"]).hex
    assert order.return_url == f"https://saldo.example/payments/{started['payment_id']}"
    assert house.events() == ["PaymentStarted", "OrderRegistered"]


def test_the_number_is_stored_before_the_acquirer_is_asked(house: House) -> None:
    house.acquirer.is_silent = True
    with pytest.raises(Unavailable) as refusal:
        house.start(ONE)
    assert refusal.value.code == "acquirer_unavailable"
    assert house.events() == ["PaymentStarted"]


def test_an_account_of_somebody_else_cannot_be_paid(house: House) -> None:
    with pytest.raises(NotFound) as refusal:
        house.start(ONE, Line("7777", 1, 0))
    assert refusal.value.params["accounts"] == ["7777"]
    assert house.store.log == []
    assert house.acquirer.registered == []


def test_all_zeros_are_refused_before_anybody_is_asked(house: House) -> None:
    with pytest.raises(ValidationFailed):
        house.start(Line("0001", 0, 0))
    assert house.ownership_asked == 0


def test_a_repeated_start_answers_the_first_answer(house: House) -> None:
    command_id = uuid4()
    first = house.start(ONE, command_id=command_id)
    house.acquirer.pay(house.number(first))
    house.linked.clear()
    assert house.start(ONE, command_id=command_id) == first
    assert len(house.acquirer.registered) == 1


def test_the_same_command_id_with_other_lines_is_refused(house: House) -> None:
    command_id = uuid4()
    house.start(ONE, command_id=command_id)
    with pytest.raises(Conflict) as refusal:
        house.start(TWO, command_id=command_id)
    assert refusal.value.code == "command_reused"


def test_a_stranger_with_the_same_command_id_gets_nothing_of_it(house: House) -> None:
    command_id = uuid4()
    house.start(ONE, command_id=command_id)
    with pytest.raises(Conflict):
        house.start(ONE, command_id=command_id, person=STRANGER)


def test_after_a_silent_acquirer_the_same_command_goes_on(house: House) -> None:
    command_id = uuid4()
    house.acquirer.is_silent = True
    with pytest.raises(Unavailable):
        house.start(ONE, command_id=command_id)
    house.acquirer.is_silent = False
    assert house.start(ONE, command_id=command_id)["state"] == "awaiting_payment"
    assert house.events() == ["PaymentStarted", "OrderRegistered"]


def test_a_crash_before_the_acquirer_was_asked_is_picked_up(house: House) -> None:
    command_id = uuid4()
    payment_id = payment_id_of(PERSON, command_id)
    command = application.StartPayment(payment_id=payment_id, person_id=PERSON, lines=(ONE,))
    with context.bind(command_id=command_id):
        house.store.execute(application.start_payment, command)
    started = house.start(ONE, command_id=command_id)
    assert started["payment_id"] == str(payment_id)
    assert len(house.acquirer.registered) == 1


def test_a_lost_answer_fails_the_payment_and_charges_nothing(house: House) -> None:
    command_id = uuid4()
    house.acquirer.lose_next = True
    with pytest.raises(Unavailable):
        house.start(ONE, command_id=command_id)
    # At first another call of the same command may still be keeping the address of the page.
    with pytest.raises(Unavailable) as refusal:
        house.start(ONE, command_id=command_id)
    assert refusal.value.code == "payment_under_way"
    house.advance(seconds=13)
    for _ in range(2):
        with pytest.raises(Conflict) as conflict:
            house.start(ONE, command_id=command_id)
        assert conflict.value.code == "payment_must_be_restarted"
    assert house.events() == ["PaymentStarted", "PaymentFailed"]
    assert house.start(ONE)["state"] == "awaiting_payment"


def test_a_call_that_was_slower_than_its_repetition_hands_out_no_page(house: House) -> None:
    command_id = uuid4()
    house.acquirer.lose_next = True
    with pytest.raises(Unavailable):
        house.start(ONE, command_id=command_id)
    payment_id = payment_id_of(PERSON, command_id)
    house.store.transact(application.lose_form, application.LoseForm(payment_id=payment_id))
    late = application.NoteRegistered(
        payment_id=payment_id, acquirer_order_id="b", form_url="https://bank.example/b"
    )
    with pytest.raises(Conflict):
        house.store.execute(application.note_registered, late)


def test_a_refused_order_fails_the_payment(house: House) -> None:
    command_id = uuid4()
    house.acquirer.refuses_with = Refused("5")
    for _ in range(2):
        with pytest.raises(Conflict) as refusal:
            house.start(ONE, command_id=command_id)
        assert refusal.value.code == "payment_must_be_restarted"
    assert house.events() == ["PaymentStarted", "PaymentFailed"]
    assert house.tables.polls.rows == {}


def test_without_a_command_id_every_start_is_a_payment_of_its_own(house: House) -> None:
    first, second = house.checkout.start(PERSON, [ONE]), house.checkout.start(PERSON, [ONE])
    assert first["payment_id"] != second["payment_id"]
