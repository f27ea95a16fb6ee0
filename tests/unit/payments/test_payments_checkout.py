"""Starting a payment: a crash or a repetition between any two steps."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from payment_doubles import OTHER_PERSON, PERSON, SIGNATURE, FakeAcquirer, Harness

from services.payments import application
from services.payments.acquirers import CallbackRequest, Refused
from services.payments.callback import receive_callback
from services.payments.domain import payment_id_of
from services.payments.events import Line
from shared import context
from shared.errors import Conflict, NotFound, ValidationFailed

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
    started = harness.start(ONE)
    assert harness.events() == ["PaymentStarted"]
    assert started["state"] == "created"
    assert started["redirect_url"] == f"https://saldo.example/payments/{started['payment_id']}/go"


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
    assert harness.start(ONE, command_id=command_id)["state"] == "created"
    harness.acquirer.is_silent = False
    started = harness.start(ONE, command_id=command_id)
    assert started["state"] == "awaiting_payment"
    # The silence was before there was anything to pay.
    assert harness.view(started)["outcome"] == "pending"
    assert harness.events() == ["PaymentStarted", "OrderRegistered"]


def test_worker_gets_the_page_after_an_outage_of_the_acquirer(harness: Harness) -> None:
    harness.acquirer.is_silent = True
    started = harness.start(ONE)
    harness.acquirer.is_silent = False
    harness.advance(seconds=5)
    harness.poll()
    assert harness.view(started)["redirect_url"].startswith("https://bank.example/page")


def test_start_resumes_after_a_crash_before_the_registration(harness: Harness) -> None:
    command_id = uuid4()
    payment_id = payment_id_of(PERSON, command_id)
    command = application.StartPayment(payment_id=payment_id, person_id=PERSON, lines=(ONE,))
    with context.bind(command_id=command_id):
        harness.store.execute(application.start_payment, command)
    started = harness.start(ONE, command_id=command_id)
    assert started["payment_id"] == str(payment_id)
    assert len(harness.acquirer.registered) == 1


def test_answer_that_is_lost_leads_to_another_order(harness: Harness) -> None:
    harness.acquirer.lose_next = 1
    started = harness.start(ONE)
    assert started["state"] == "awaiting_payment"
    assert harness.events() == ["PaymentStarted", "OrderLost", "OrderRegistered"]
    first, second = harness.acquirer.registered
    assert first.order_number != second.order_number
    assert len(second.order_number) == 32
    assert second.order_number in started["redirect_url"]
    assert harness.acquirer.closed == [first.order_number]


def test_charge_of_an_order_that_was_lost_is_credited(harness: Harness) -> None:
    harness.acquirer.can_close = False
    harness.acquirer.lose_next = 1
    started = harness.start(ONE)
    lost = harness.acquirer.registered[0].order_number
    harness.acquirer.pay(lost)
    parameters = {"order": lost, "signature": SIGNATURE}
    receive_callback(harness.store, harness.acquirers, "", CallbackRequest(parameters=parameters))
    assert harness.view(started)["state"] == "captured"


def test_another_acquirer_takes_what_the_first_refuses(harness: Harness) -> None:
    harness.others["kassa"] = FakeAcquirer(harness.clock)
    harness.acquirer.refuses_with = Refused("5")
    started = harness.start(ONE)
    assert started["state"] == "awaiting_payment"
    assert harness.view(started)["acquirer"] == "kassa"
    [order] = harness.others["kassa"].registered
    harness.others["kassa"].pay(order.order_number)
    harness.call_back(started)
    harness.advance(minutes=1)
    harness.poll()
    assert harness.view(started)["state"] == "captured"


def test_another_acquirer_takes_what_the_first_does_not_answer(harness: Harness) -> None:
    harness.others["kassa"] = FakeAcquirer(harness.clock)
    harness.acquirer.is_silent = True
    started = harness.start(ONE)
    assert harness.view(started)["acquirer"] == "kassa"
    assert started["state"] == "awaiting_payment"


def test_payer_chooses_an_acquirer(harness: Harness) -> None:
    harness.others["kassa"] = FakeAcquirer(harness.clock)
    assert harness.view(harness.start(ONE, acquirer="kassa"))["acquirer"] == "kassa"
    with pytest.raises(ValidationFailed) as refusal:
        harness.start(TWO, acquirer="unheard-of")
    assert refusal.value.code == "acquirer_unknown"


def test_refused_order_fails_the_payment(harness: Harness) -> None:
    command_id = uuid4()
    harness.acquirer.refuses_with = Refused("5")
    for _ in range(2):
        with pytest.raises(Conflict) as refusal:
            harness.start(ONE, command_id=command_id)
        assert refusal.value.code == "payment_must_be_restarted"
    assert harness.events() == ["PaymentStarted", "PaymentFailed"]
    assert harness.tables.polls.rows == {}


def test_second_start_of_the_same_split_leads_to_the_first_page(harness: Harness) -> None:
    first = harness.start(ONE, TWO)
    command_id = uuid4()
    assert harness.start(TWO, ONE, command_id=command_id) == first
    assert len(harness.acquirer.registered) == 1
    # The repetition of a command that led to another one's payment never makes an order.
    harness.acquirer.pay(harness.number(first))
    harness.call_back(first)
    assert harness.start(TWO, ONE, command_id=command_id)["payment_id"] == first["payment_id"]
    assert len(harness.acquirer.registered) == 1


def test_payments_of_other_persons_do_not_meet(harness: Harness) -> None:
    assert harness.start(ONE) != harness.start(ONE, person=OTHER_PERSON)


def test_changed_split_closes_the_first_order(harness: Harness) -> None:
    first = harness.start(ONE)
    second = harness.start(Line("0001", 100, 0))
    assert second["payment_id"] != first["payment_id"]
    assert harness.acquirer.closed == [harness.number(first)]
    shown = harness.view(first)
    assert (shown["state"], shown["failure"]) == ("failed", "replaced")


def test_changed_split_waits_for_an_order_that_cannot_be_closed(harness: Harness) -> None:
    first = harness.start(ONE)
    harness.acquirer.can_close = False
    with pytest.raises(Conflict) as refusal:
        harness.start(Line("0001", 100, 0))
    assert refusal.value.code == "payment_open"
    assert refusal.value.params["payment_id"] == first["payment_id"]
    assert harness.view(first)["state"] == "awaiting_payment"
    assert len(harness.acquirer.registered) == 1


def test_changed_split_finds_that_the_first_order_was_paid(harness: Harness) -> None:
    first = harness.start(ONE)
    harness.acquirer.pay(harness.number(first))
    with pytest.raises(Conflict) as refusal:
        harness.start(Line("0001", 100, 0))
    assert refusal.value.code == "payment_open"
    assert harness.view(first)["state"] == "captured"
    assert len(harness.acquirer.registered) == 1


def test_order_that_is_only_held_need_not_be_closed(harness: Harness) -> None:
    harness.others["kassa"] = kassa = FakeAcquirer(harness.clock, two_steps=True)
    kassa.can_close = False
    first = harness.start(ONE, acquirer="kassa")
    harness.start(Line("0001", 100, 0), acquirer="kassa")
    assert harness.view(first)["failure"] == "replaced"
    kassa.pay(harness.number(first))
    harness.advance(seconds=5)
    harness.poll()
    assert kassa.closed == [harness.number(first)]
    assert kassa.orders[harness.number(first)]["charged"] == 0
    assert harness.view(first)["failure"] == "replaced"


def test_open_payments_of_a_person_are_limited(harness: Harness) -> None:
    harness.allow(most_open=2)
    harness.start(ONE)
    harness.start(TWO)
    with pytest.raises(Conflict) as refusal:
        harness.start(Line("0003", 1, 0))
    assert refusal.value.code == "too_many_open_payments"
    assert refusal.value.params == {"limit": 2}


def test_largest_payment_is_the_operators(harness: Harness) -> None:
    harness.allow(largest=451_250)
    harness.start(ONE)
    with pytest.raises(ValidationFailed) as refusal:
        harness.start(ONE, TWO)
    assert refusal.value.code == "amount_too_large"
    assert refusal.value.params == {"limit": 451_250}


def test_mismatch_blocks_its_accounts(harness: Harness) -> None:
    first = harness.start(ONE)
    harness.acquirer.pay(harness.number(first), amount=7)
    harness.call_back(first)
    with pytest.raises(Conflict) as refusal:
        harness.start(ONE)
    assert refusal.value.code == "payment_open"


def test_order_whose_session_is_over_is_not_paid_again(harness: Harness) -> None:
    first = harness.start(ONE)
    harness.acquirer.decline(harness.number(first), late=True)
    harness.advance(minutes=21)
    second = harness.start(ONE)
    assert second["payment_id"] != first["payment_id"]
    assert harness.view(first)["state"] == "expired"


def test_decided_payment_does_not_stand_in_the_way(harness: Harness) -> None:
    first = harness.captured(ONE)
    # Until it is posted, the debt is still there: nobody is to pay it again.
    assert harness.start(ONE)["payment_id"] == first["payment_id"]
    harness.ledger_posts(first["payment_id"], "0001", 1)
    assert harness.start(ONE)["payment_id"] != first["payment_id"]


def test_start_that_was_refused_is_refused_to_its_repetitions_when_the_way_is_free(
    harness: Harness,
) -> None:
    """Two executions of one call: the payer has been told of the first one's refusal."""
    harness.start(ONE)
    harness.acquirer.can_close = False
    command_id, asked_at = uuid4(), harness.clock.now().timestamp()
    harness.advance(seconds=1)
    with context.bind(asked_at=asked_at), pytest.raises(Conflict) as first:
        harness.start(Line("0001", 100, 0), command_id=command_id)
    harness.acquirer.can_close = True
    with context.bind(asked_at=asked_at), pytest.raises(Conflict) as second:
        harness.start(Line("0001", 100, 0), command_id=command_id)
    assert (second.value.code, second.value.params) == (first.value.code, first.value.params)
    harness.advance(seconds=1)
    with context.bind(asked_at=harness.clock.now().timestamp()):
        started = harness.start(Line("0001", 100, 0), command_id=command_id)
    assert started["state"] == "awaiting_payment"


def test_start_in_whose_way_an_order_was_closed_is_not_refused_for_it(harness: Harness) -> None:
    first = harness.start(ONE)
    with context.bind(asked_at=harness.clock.now().timestamp()):
        second = harness.start(Line("0001", 100, 0))
    assert harness.view(first)["failure"] == "replaced"
    assert second["state"] == "awaiting_payment"
