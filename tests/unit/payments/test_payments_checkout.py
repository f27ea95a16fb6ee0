"""Starting a payment: a crash or a repetition between any two steps."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from payment_doubles import OTHER_PERSON, PERSON, Harness

from services.payments import application
from services.payments.acquirers import Refused
from services.payments.domain import Line, payment_id_of
from shared import context
from shared.errors import Conflict, NotFound, Unavailable, ValidationFailed

ONE = Line("0001", 450_000, 1_250)
TWO = Line("0002", 20_000, 0)


def test_one_order_pays_several_accounts(harness: Harness) -> None:
    started = harness.start(ONE, TWO, Line("0003", 0, 0))
    assert started["state"] == "awaiting_payment"
    assert started["total"] == 471_250
    assert started["redirect_url"].startswith("https://bank.example/page?order=bank-")
    order = harness.acquirer.registered[0]
    assert order.amount == 471_250
    assert order.order_number == UUID(started["payment_id"]).hex
    assert order.return_url == f"https://saldo.example/payments/{started['payment_id']}"
    assert harness.events() == ["PaymentStarted", "OrderRegistered"]


def test_number_is_stored_before_the_order_is_registered(harness: Harness) -> None:
    harness.acquirer.is_silent = True
    with pytest.raises(Unavailable) as refusal:
        harness.start(ONE)
    assert refusal.value.code == "acquirer_unavailable"
    assert harness.events() == ["PaymentStarted"]


def test_unlinked_account_cannot_be_paid(harness: Harness) -> None:
    with pytest.raises(NotFound) as refusal:
        harness.start(ONE, Line("7777", 1, 0))
    assert refusal.value.params["accounts"] == ["7777"]
    assert harness.store.log == []
    assert harness.acquirer.registered == []


def test_zero_amounts_are_refused_before_any_call(harness: Harness) -> None:
    with pytest.raises(ValidationFailed):
        harness.start(Line("0001", 0, 0))
    assert harness.ownership_asked == 0


def test_repeated_start_returns_the_first_result(harness: Harness) -> None:
    command_id = uuid4()
    first = harness.start(ONE, command_id=command_id)
    harness.acquirer.pay(harness.number(first))
    harness.linked.clear()
    assert harness.start(ONE, command_id=command_id) == first
    assert len(harness.acquirer.registered) == 1


def test_same_command_id_with_other_lines_is_refused(harness: Harness) -> None:
    command_id = uuid4()
    harness.start(ONE, command_id=command_id)
    with pytest.raises(Conflict) as refusal:
        harness.start(TWO, command_id=command_id)
    assert refusal.value.code == "command_reused"


def test_same_command_id_of_another_person_is_refused(harness: Harness) -> None:
    command_id = uuid4()
    harness.start(ONE, command_id=command_id)
    with pytest.raises(Conflict):
        harness.start(ONE, command_id=command_id, person=OTHER_PERSON)


def test_same_command_resumes_after_an_outage_of_the_acquirer(harness: Harness) -> None:
    command_id = uuid4()
    harness.acquirer.is_silent = True
    with pytest.raises(Unavailable):
        harness.start(ONE, command_id=command_id)
    harness.acquirer.is_silent = False
    assert harness.start(ONE, command_id=command_id)["state"] == "awaiting_payment"
    assert harness.events() == ["PaymentStarted", "OrderRegistered"]


def test_start_resumes_after_a_crash_before_the_registration(harness: Harness) -> None:
    command_id = uuid4()
    payment_id = payment_id_of(PERSON, command_id)
    command = application.StartPayment(payment_id=payment_id, person_id=PERSON, lines=(ONE,))
    with context.bind(command_id=command_id):
        harness.store.execute(application.start_payment, command)
    started = harness.start(ONE, command_id=command_id)
    assert started["payment_id"] == str(payment_id)
    assert len(harness.acquirer.registered) == 1


def test_lost_registration_fails_the_payment_and_charges_nothing(harness: Harness) -> None:
    command_id = uuid4()
    harness.acquirer.lose_next = True
    with pytest.raises(Unavailable):
        harness.start(ONE, command_id=command_id)
    # At first a concurrent call of the same command may still be recording the page.
    with pytest.raises(Unavailable) as refusal:
        harness.start(ONE, command_id=command_id)
    assert refusal.value.code == "payment_under_way"
    assert refusal.value.params == {"retry_after_seconds": 12}
    harness.advance(seconds=refusal.value.params["retry_after_seconds"])
    for _ in range(2):
        with pytest.raises(Conflict) as conflict:
            harness.start(ONE, command_id=command_id)
        assert conflict.value.code == "payment_must_be_restarted"
    assert harness.events() == ["PaymentStarted", "PaymentFailed"]
    assert harness.start(ONE)["state"] == "awaiting_payment"


def test_call_slower_than_its_repetition_returns_no_page(harness: Harness) -> None:
    command_id = uuid4()
    harness.acquirer.lose_next = True
    with pytest.raises(Unavailable):
        harness.start(ONE, command_id=command_id)
    payment_id = payment_id_of(PERSON, command_id)
    harness.store.transact(
        application.abandon_order, application.AbandonOrder(payment_id=payment_id)
    )
    late = application.RecordRegistration(
        payment_id=payment_id, acquirer_order_id="b", form_url="https://bank.example/b"
    )
    with pytest.raises(Conflict):
        harness.store.execute(application.record_registration, late)


def test_refused_order_fails_the_payment(harness: Harness) -> None:
    command_id = uuid4()
    harness.acquirer.refuses_with = Refused("5")
    for _ in range(2):
        with pytest.raises(Conflict) as refusal:
            harness.start(ONE, command_id=command_id)
        assert refusal.value.code == "payment_must_be_restarted"
    assert harness.events() == ["PaymentStarted", "PaymentFailed"]
    assert harness.tables.polls.rows == {}


def test_every_start_without_a_command_id_is_a_new_payment(harness: Harness) -> None:
    first, second = harness.checkout.start(PERSON, [ONE]), harness.checkout.start(PERSON, [ONE])
    assert first["payment_id"] != second["payment_id"]
