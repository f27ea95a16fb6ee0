"""What a book does with events that concern numbers of another book."""

from __future__ import annotations

from typing import Any, cast
from uuid import uuid4

import pytest
from corrected_ledger import FIRST, Ledger

from services.ledger.domain.events import AccountOpened, PaymentPosted
from services.ledger.reactions import REACTIONS
from shared.bus import Message
from shared.bus.waiting import NotYet

OTHER = "7700000001"
PAID = {"amount": 500_00, "penalty": 0}


@pytest.fixture
def ledger() -> Ledger:
    made = Ledger()
    made.read_model.others[OTHER] = True
    return made


def hears(ledger: Ledger, upstream: str, type_: str, **data: Any) -> None:
    message = Message(
        id=f"{upstream}-7",
        type=type_,
        source=upstream,
        subject="",
        time=ledger.clock.now(),
        position=7,
        predecessor=6,
        correlation_id="",
        data=data,
    )
    react = REACTIONS[upstream][type_]
    ledger.does(lambda session, message: react(session, message, cast(Any, None)), message)


def opened(ledger: Ledger) -> list[str]:
    return [one.event.account for one in ledger.store.log if isinstance(one.event, AccountOpened)]


def posted(ledger: Ledger) -> list[str]:
    return [one.event.account for one in ledger.store.log if isinstance(one.event, PaymentPosted)]


def test_a_contract_opens_its_account_in_its_own_book_alone(ledger: Ledger) -> None:
    before = opened(ledger)
    hears(ledger, "accounts", "contract_registered", number=OTHER, payer_kind="household")
    assert opened(ledger) == before
    ledger.read_model.others.clear()
    hears(ledger, "accounts", "contract_registered", number=OTHER, payer_kind="household")
    assert opened(ledger) == [*before, OTHER]


def test_a_contract_waits_while_its_numbers_are_given_to_this_book(ledger: Ledger) -> None:
    ledger.read_model.others[OTHER] = False
    with pytest.raises(NotYet):
        hears(ledger, "accounts", "contract_registered", number=OTHER, payer_kind="household")


def test_tenures_and_amendments_of_another_book_are_passed_over(ledger: Ledger) -> None:
    before = list(ledger.store.log)
    hears(
        ledger, "accounts", "tenure_opened",
        number=OTHER, tenure=2, since="2026-11-01", payer_kind="household",
    )  # fmt: skip
    hears(ledger, "accounts", "tenure_closed", number=OTHER, tenure=1, until="2026-10-31")
    hears(ledger, "accounts", "contract_amended", number=OTHER, payer_kind="organisation")
    assert list(ledger.store.log) == before


def test_each_book_posts_the_lines_of_its_own_accounts(ledger: Ledger) -> None:
    hears(
        ledger, "payments", "payment_captured",
        payment_id=str(uuid4()), paid_on="2026-11-18",
        lines=[{"account": FIRST, **PAID}, {"account": OTHER, **PAID}],
    )  # fmt: skip
    assert posted(ledger) == [FIRST]
    hears(
        ledger, "payments", "payment_captured",
        payment_id=str(uuid4()), paid_on="2026-11-18", lines=[{"account": OTHER, **PAID}],
    )  # fmt: skip
    assert posted(ledger) == [FIRST]


def test_a_payment_of_an_account_that_nobody_has_opened_still_waits(ledger: Ledger) -> None:
    with pytest.raises(NotYet):
        hears(
            ledger, "payments", "payment_captured",
            payment_id=str(uuid4()), paid_on="2026-11-18",
            lines=[{"account": FIRST, **PAID}, {"account": "0199999999", **PAID}],
        )  # fmt: skip
    assert posted(ledger) == []


def test_a_refund_is_taken_back_in_the_books_where_the_payment_is(ledger: Ledger) -> None:
    payment = str(uuid4())
    hears(
        ledger, "payments", "payment_captured",
        payment_id=payment, paid_on="2026-11-18",
        lines=[{"account": FIRST, **PAID}, {"account": OTHER, **PAID}],
    )  # fmt: skip
    before = len(ledger.store.log)
    lines = [{"account": OTHER, "amount": 500_00}]
    refund: dict[str, Any] = {"payment_id": payment, "refunded_on": "2026-11-18"}
    hears(ledger, "payments", "payment_refunded", refund_id=str(uuid4()), lines=lines, **refund)
    assert len(ledger.store.log) == before
    lines.append({"account": FIRST, "amount": 500_00})
    hears(ledger, "payments", "payment_refunded", refund_id=str(uuid4()), lines=lines, **refund)
    assert len(ledger.store.log) > before


def test_a_register_of_a_bank_is_posted_in_the_book_of_its_account(ledger: Ledger) -> None:
    data: dict[str, Any] = {"amount": 1_000_00, "paid_on": "2026-11-18", "document": "7"}
    for account in (OTHER, FIRST):
        hears(
            ledger, "payments", "bank_payment_accepted",
            payment_id=str(uuid4()), account=account, **data,
        )  # fmt: skip
    assert posted(ledger) == [FIRST]
