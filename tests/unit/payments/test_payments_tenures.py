"""Payments of a number that has several holders: each is of the holder for whom it was ordered."""

from __future__ import annotations

from typing import Any, cast
from uuid import uuid4

import pytest
from payment_doubles import PERSON, Harness

from services.payments import jobs
from services.payments.events import Line, PaymentStarted, RefundLine
from services.payments.fiscal.receipts import Item, positions
from services.payments.jobs import close_orders
from services.payments.publishing import publish
from services.payments.reactions import REACTIONS
from services.payments.splits import refund_of
from services.payments.views import History, held_about, history
from shared.bus import Message
from shared.contracts.payments import CONTRACTS
from shared.errors import Conflict, Forbidden, ServiceError

NUMBER, SECOND = "0001", "0001-2"


@pytest.fixture
def harness() -> Harness:
    """Payments of a person who holds a number as its second holder."""
    made = Harness()
    made.access[NUMBER] = {"account": SECOND}
    return made


def started(harness: Harness) -> list[PaymentStarted]:
    log = harness.store.log
    return [one.event for one in log if isinstance(one.event, PaymentStarted)]


def closes(harness: Harness, number: str, tenure: int) -> None:
    message = Message(
        id="accounts-9",
        type="tenure_closed",
        source="accounts",
        subject=number,
        time=harness.clock.now(),
        position=9,
        predecessor=8,
        correlation_id="",
        data={"number": number, "tenure": tenure, "until": "2026-11-19"},
    )
    react = REACTIONS["accounts"]["tenure_closed"]
    harness.store.transact(lambda session, _: react(session, message, cast(Any, None)), None)


def test_line_has_the_key_of_the_holder_and_people_see_the_number(harness: Harness) -> None:
    payment = harness.start(Line(NUMBER, 100_00, 0))
    [event] = started(harness)
    assert [line.account for line in event.lines] == [SECOND]
    assert [line["account"] for line in harness.view(payment)["lines"]] == [NUMBER]


def test_repeated_start_is_the_same_payment_whoever_holds_the_number_by_now(
    harness: Harness,
) -> None:
    command_id = uuid4()
    first = harness.start(Line(NUMBER, 100_00, 0), command_id=command_id)
    harness.access[NUMBER] = {"account": "0001-3"}
    again = harness.start(Line(NUMBER, 100_00, 0), command_id=command_id)
    assert again == first
    assert harness.ownership_asked == 1


@pytest.mark.parametrize(
    ("access", "kind", "code"),
    [
        ({"role": "viewer"}, Forbidden, "may_not_pay"),
        ({"state": "closed"}, Conflict, "account_closed"),
        ({"role": "viewer", "state": "closed"}, Conflict, "account_closed"),
    ],
)
def test_viewer_and_former_holder_cannot_pay(
    harness: Harness, access: dict[str, str], kind: type[ServiceError], code: str
) -> None:
    harness.access[NUMBER] = {"account": SECOND, **access}
    with pytest.raises(kind) as refused:
        harness.start(Line("0002", 1_00, 0), Line(NUMBER, 100_00, 0))
    assert (refused.value.code, refused.value.params) == (code, {"account": NUMBER})
    assert harness.store.log == []


def test_payer_who_is_not_the_owner_can_pay(harness: Harness) -> None:
    harness.access[NUMBER] = {"account": SECOND, "role": "payer"}
    harness.start(Line(NUMBER, 100_00, 0))
    assert len(started(harness)) == 1


def test_subscribers_and_the_ledger_learn_which_tenure_is_paid(harness: Harness) -> None:
    payment = harness.captured(Line(NUMBER, 100_00, 0))
    contracts = {contract.type: contract for contract in CONTRACTS}
    published = [one for recorded in harness.store.log if (one := publish(recorded))]
    for publication in published:
        contracts[publication.type].check(publication.data)
    [captured] = [one.data for one in published if one.type == "payment_captured"]
    [line] = captured["lines"]
    assert (line["account"], line["tenure"]) == (NUMBER, 2)
    harness.ledger_posts(payment["payment_id"], NUMBER, 7, tenure=2)
    assert harness.view(payment)["state"] == "completed"


def test_posting_to_another_tenure_does_not_complete_the_payment(harness: Harness) -> None:
    payment = harness.captured(Line(NUMBER, 100_00, 0))
    harness.ledger_posts(payment["payment_id"], NUMBER, 7)
    assert harness.view(payment)["state"] == "captured"


def test_history_of_a_number_has_the_payments_of_its_person_alone(harness: Harness) -> None:
    harness.start(Line(NUMBER, 100_00, 0))
    harness.access[NUMBER] = {"account": NUMBER}
    harness.start(Line(NUMBER, 200_00, 0), person=uuid4())
    query = History(person_id=PERSON, before=None, limit=10, account=NUMBER)
    found = harness.store.query(lambda session: history(session, query))
    assert [payment["total"] for payment in found["payments"]] == [100_00]


def test_what_is_held_about_a_person_has_numbers_and_no_keys(harness: Harness) -> None:
    harness.start(Line(NUMBER, 100_00, 0))
    held = harness.store.query(lambda session: held_about(session, PERSON))
    ([line],) = [payment["lines"] for payment in held["payments"]]
    assert line["account"] == NUMBER
    assert "key" not in line
    assert f"{NUMBER}-2" not in str(held)


def test_open_payment_of_an_account_that_closes_is_closed_at_the_bank(harness: Harness) -> None:
    payment, other = harness.start(Line(NUMBER, 100_00, 0)), harness.start(Line("0002", 1_00, 0))
    closes(harness, NUMBER, 2)
    assert close_orders(harness.store, harness.acquirers) == 1
    assert harness.acquirer.closed == [harness.number(payment)]
    assert harness.view(payment)["failure"] == "account_closed"
    assert harness.view(other)["state"] == "awaiting_payment"
    assert close_orders(harness.store, harness.acquirers) == 0


def test_payment_of_the_next_holder_stays_open(harness: Harness) -> None:
    payment = harness.start(Line(NUMBER, 100_00, 0))
    closes(harness, NUMBER, 1)
    assert close_orders(harness.store, harness.acquirers) == 0
    assert harness.view(payment)["state"] == "awaiting_payment"


def test_payment_that_was_paid_before_its_order_was_closed_is_credited(harness: Harness) -> None:
    payment = harness.start(Line(NUMBER, 100_00, 0))
    harness.acquirer.pay(harness.number(payment))
    closes(harness, NUMBER, 2)
    close_orders(harness.store, harness.acquirers)
    assert harness.view(payment)["state"] == "captured"


def test_payment_whose_bank_is_silent_is_closed_when_it_answers(harness: Harness) -> None:
    payment = harness.start(Line(NUMBER, 100_00, 0))
    closes(harness, NUMBER, 2)
    harness.acquirer.is_silent = True
    close_orders(harness.store, harness.acquirers)
    assert harness.view(payment)["failure"] is None
    harness.acquirer.is_silent = False
    close_orders(harness.store, harness.acquirers)
    assert harness.view(payment)["failure"] == "account_closed"


def test_payments_that_cannot_be_closed_hold_up_no_others(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_BATCH", 1)
    stuck = harness.start(Line(NUMBER, 100_00, 0))
    closable = harness.start(Line("0002", 1_00, 0))
    closes(harness, NUMBER, 2)
    closes(harness, "0002", 1)
    close_order = jobs.close_order

    def refuse(store: Any, acquirers: Any, payment: Any, failure: Any) -> None:
        if payment.payment_id == stuck:
            raise Conflict("payment_being_charged", "Its card is being charged.")
        close_order(store, acquirers, payment, failure)

    monkeypatch.setattr(jobs, "close_order", refuse)
    assert close_orders(harness.store, harness.acquirers) == 2
    assert harness.view(closable)["failure"] == "account_closed"


def test_closed_account_is_forgotten_when_no_order_can_be_open_any_more(harness: Harness) -> None:
    closes(harness, NUMBER, 2)
    harness.advance(days=3)
    close_orders(harness.store, harness.acquirers)
    assert harness.tables.closed_accounts.rows == {}


def test_staff_refund_by_the_number_what_was_paid_of_a_tenure() -> None:
    [line] = refund_of({SECOND: 100_00}, [RefundLine(NUMBER, 40_00)])
    assert line == RefundLine(SECOND, 40_00)


def test_fiscal_receipt_names_the_number() -> None:
    [position] = positions([Item(SECOND, False, 1)], "none", "full_payment")
    assert position.name.endswith(f"лицевой счёт {NUMBER}")
