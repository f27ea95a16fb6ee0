"""What the ledger does when payments say that a bank took money."""

from __future__ import annotations

from datetime import date
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from corrected_ledger import FIRST, SECOND, Ledger

from services.ledger.application import PaidLine, PostPayment, post_payment
from services.ledger.domain.events import PaymentPosted, TakenElsewhere
from services.ledger.reactions import REACTIONS
from shared.bus import Message
from shared.bus.waiting import NotYet
from shared.contracts.payments import CONTRACTS
from shared.errors import Conflict

PAYMENT = str(uuid4())


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def hears(ledger: Ledger, account: str = FIRST, **changes: Any) -> None:
    data = {
        "payment_id": PAYMENT,
        "account": account,
        "amount": 1_000_00,
        "paid_on": "2026-11-18",
        "document": "000777",
    } | changes
    message = Message(
        id="payments-7",
        type="bank_payment_accepted",
        source="payments",
        subject=PAYMENT,
        time=ledger.clock.now(),
        position=7,
        predecessor=6,
        correlation_id="",
        data=data,
    )
    [contract] = [one for one in CONTRACTS if one.type == message.type]
    contract.check(message.data)
    react = REACTIONS["payments"][message.type]
    ledger.does(lambda session, message: react(session, message, cast(Any, None)), message)


def posted(ledger: Ledger) -> list[PaymentPosted]:
    return [one.event for one in ledger.store.log if isinstance(one.event, PaymentPosted)]


def test_a_payment_of_a_bank_is_posted_once_on_its_day_with_its_document(ledger: Ledger) -> None:
    hears(ledger)
    hears(ledger)
    [event] = posted(ledger)
    assert (event.payment_id, event.effective_on) == (UUID(PAYMENT), date(2026, 11, 18))
    assert event.taken == TakenElsewhere(place="bank", document="000777")
    assert event.amount == 1_000_00


def test_the_same_payment_with_another_sum_is_refused(ledger: Ledger) -> None:
    hears(ledger)
    with pytest.raises(Conflict):
        hears(ledger, amount=1_000_01)
    assert len(posted(ledger)) == 1


def test_a_payment_of_an_account_that_is_not_open_is_refused(ledger: Ledger) -> None:
    with pytest.raises(NotYet):
        hears(ledger, "0999999999")
    assert posted(ledger) == []


def test_a_payment_that_went_to_another_account_may_be_posted_to_this_one(ledger: Ledger) -> None:
    hears(ledger)
    hears(ledger, SECOND)
    assert [event.account for event in posted(ledger)] == [FIRST, SECOND]


def test_without_a_document_it_is_posted_all_the_same(ledger: Ledger) -> None:
    hears(ledger, document="")
    assert [event.taken for event in posted(ledger)] == [TakenElsewhere(place="bank")]


def test_it_is_an_ordinary_payment(ledger: Ledger) -> None:
    hears(ledger)
    line = PaidLine(account=FIRST, amount=1_000_00, penalty=0)
    command = PostPayment(payment_id=UUID(PAYMENT), paid_on=date(2026, 11, 18), lines=(line,))
    result = ledger.does(post_payment, command)
    assert result["posted"] == []
