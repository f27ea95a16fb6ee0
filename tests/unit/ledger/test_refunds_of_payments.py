"""What the ledger does when payments say that money went back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast
from uuid import uuid4

import pytest
from corrected_ledger import FIRST, SECOND, Ledger

from services.ledger.domain.events import PaymentRefunded
from services.ledger.domain.proposal import ReversePayment
from services.ledger.publishing import publish
from services.ledger.reactions import REACTIONS
from shared.bus import Message
from shared.bus.waiting import NotYet
from shared.contracts.payments import CONTRACTS
from shared.errors import Conflict

PAYMENT, PERSON = str(uuid4()), str(uuid4())


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def hears(ledger: Ledger, type_: str, old: timedelta = timedelta(0), **data: Any) -> None:
    message = Message(
        id="payments-7",
        type=type_,
        source="payments",
        subject=PAYMENT,
        time=ledger.clock.now() - old,
        position=7,
        predecessor=6,
        correlation_id="",
        data={"payment_id": PAYMENT, "person_id": PERSON, **data},
    )
    [contract] = [one for one in CONTRACTS if one.type == type_]
    contract.check(message.data)
    react = REACTIONS["payments"][type_]
    ledger.does(lambda session, message: react(session, message, cast(Any, None)), message)


def captured(ledger: Ledger, *accounts: str, amount: int = 1_000_00) -> None:
    hears(
        ledger,
        "payment_captured",
        lines=[{"account": account, "amount": amount, "penalty": 0} for account in accounts],
        total=amount * len(accounts),
        paid_on="2026-11-18",
        captured_at="2026-11-18T09:00:00+00:00",
    )


def refunded(
    ledger: Ledger,
    amount: int,
    *accounts: str,
    refund_id: str = "",
    day: str = "2026-11-19",
    old: timedelta = timedelta(0),
) -> None:
    hears(
        ledger,
        "payment_refunded",
        old=old,
        refund_id=refund_id or str(uuid4()),
        lines=[{"account": account, "amount": amount} for account in accounts],
        total=amount * len(accounts),
        refunded_on=day,
        whole=False,
        reason="bank",
    )


def test_all_lines_are_taken_back_in_one_transaction(ledger: Ledger) -> None:
    captured(ledger, FIRST, SECOND)
    length = ledger.log_length()
    refunded(ledger, 400_00, FIRST, SECOND)
    assert ledger.balance(FIRST) == ledger.balance(SECOND) == (5_400_00, 0, 0)
    first, second = ledger.store.log[length:]
    assert first.command_id == second.command_id
    publication = publish(first)
    assert publication is not None
    assert publication.type == "payment_refunded"
    assert (publication.data["amount"], publication.data["effective_on"]) == (400_00, "2026-11-19")
    assert publication.data["change"] == {"principal": 400_00, "penalty": 0, "advance": 0}


def test_one_line_too_many_takes_nothing_back(ledger: Ledger) -> None:
    captured(ledger, FIRST)
    with pytest.raises(NotYet):
        refunded(ledger, 400_00, FIRST, SECOND, old=timedelta(days=1))
    with pytest.raises(Conflict) as refused:
        refunded(ledger, 1_000_01, FIRST)
    assert refused.value.code == "refund_too_large"
    assert ledger.balance(FIRST) == (5_000_00, 0, 0)


def test_the_same_refund_again_has_no_effect(ledger: Ledger) -> None:
    captured(ledger, FIRST)
    for _ in range(2):
        refunded(ledger, 400_00, FIRST, refund_id="11111111-2222-4333-8444-555555555555")
    assert ledger.balance(FIRST) == (5_400_00, 0, 0)


def test_a_refund_waits_for_its_payment(ledger: Ledger) -> None:
    with pytest.raises(NotYet):
        refunded(ledger, 400_00, FIRST)
    with pytest.raises(NotYet):
        refunded(ledger, 400_00, FIRST, old=timedelta(days=1))


def test_after_a_reversal_by_staff_nothing_is_recorded(ledger: Ledger) -> None:
    captured(ledger, FIRST)
    [posted] = ledger.read_model.postings
    ledger.corrects(ReversePayment(payment_id=posted))
    length = ledger.log_length()
    refunded(ledger, 1_000_00, FIRST)
    assert (ledger.log_length(), ledger.balance(FIRST)) == (length, (6_000_00, 0, 0))


def test_a_closed_month_takes_the_refund_of_one_of_its_days(ledger: Ledger) -> None:
    captured(ledger, FIRST)
    ledger.read_model.closed = ledger.clock.today()
    refunded(ledger, 400_00, FIRST)
    event = ledger.store.log[-1].event
    assert isinstance(event, PaymentRefunded)
    assert event.effective_on.isoformat() == "2026-11-19"
