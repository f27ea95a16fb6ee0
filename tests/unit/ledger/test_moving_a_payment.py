"""A payment that was made to the wrong account is moved to the one that it was meant for."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from corrected_ledger import FIRST, LIMIT, SECOND, Ledger

from services.ledger.application import (
    PaidLine,
    PostPayment,
    RefundedLine,
    RefundPayment,
    post_payment,
    refund_payment,
)
from services.ledger.corrections import Correct, preview
from services.ledger.domain import Account, account_id
from services.ledger.domain.events import PaymentPosted, PaymentReversed
from services.ledger.domain.proposal import MovePayment, ReversePayment
from services.ledger.penalties.law import law_in_force
from services.ledger.publishing import publish
from services.ledger.reports.refundable import refundable
from services.ledger.reports.statements import statement
from shared.errors import Conflict, NotFound, ValidationFailed

PAID_ON = date(2026, 11, 14)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def paid(ledger: Ledger, amount: int = 1_000_00, penalty: int = 0, account: str = FIRST) -> UUID:
    payment_id = uuid4()
    line = PaidLine(account=account, amount=amount, penalty=penalty, period="2026-10")
    ledger.does(post_payment, PostPayment(payment_id=payment_id, paid_on=PAID_ON, lines=(line,)))
    return payment_id


def move(payment_id: UUID, **changes: Any) -> MovePayment:
    return MovePayment(
        **{"payment_id": payment_id, "account": FIRST, "to_account": SECOND, **changes}
    )


def refund(ledger: Ledger, payment_id: UUID, amount: int, *accounts: str) -> Any:
    lines = tuple(RefundedLine(account=account, amount=amount) for account in accounts)
    command = RefundPayment(
        payment_id=payment_id, refund_id=uuid4(), refunded_on=date(2026, 11, 19), lines=lines
    )
    return ledger.does(refund_payment, command)


def test_a_payment_is_reversed_on_the_one_and_posted_to_the_other(ledger: Ledger) -> None:
    payment_id = paid(ledger)
    length = ledger.log_length()
    result = ledger.corrects(move(payment_id))
    assert (result["state"], result["amount"]) == ("done", 1_000_00)
    assert [account["number"] for account in result["accounts"]] == [FIRST, SECOND]
    assert (ledger.balance(FIRST), ledger.balance(SECOND)) == ((6_000_00, 0, 0), (5_000_00, 0, 0))
    reversal, posting = (entry.event for entry in ledger.store.log[length:])
    assert isinstance(reversal, PaymentReversed)
    assert (reversal.moved_to, reversal.effective_on) == (SECOND, date(2026, 11, 20))
    assert isinstance(posting, PaymentPosted)
    assert (posting.payment_id, posting.moved_from) == (payment_id, FIRST)
    assert (posting.effective_on, posting.named_period) == (PAID_ON, "2026-10")


def test_what_it_published_names_the_other_account(ledger: Ledger) -> None:
    payment_id, length = paid(ledger), ledger.log_length() + 1
    ledger.corrects(move(payment_id))
    reversal, posting = map(publish, ledger.store.log[length - 1 :])
    assert reversal
    assert posting
    assert (reversal.data["account"], reversal.data["moved_to"]) == (FIRST, SECOND)
    assert (posting.data["account"], posting.data["moved_from"]) == (SECOND, FIRST)
    plain = publish(ledger.store.log[length - 2])
    assert plain
    assert "moved_from" not in plain.data


def test_the_statements_say_that_it_was_moved(ledger: Ledger) -> None:
    ledger.corrects(move(paid(ledger)))

    def last(number: str) -> Any:
        return ledger.store.query(
            lambda session: statement(session, number, None, 100)["movements"][-1]
        )

    away, here = last(FIRST), last(SECOND)
    assert (away["kind"], away["amount"], away["other_account"]) == (
        *("payment_moved_away", 1_000_00, SECOND),
    )
    assert (here["kind"], here["amount"], here["other_account"]) == (
        *("payment_moved_here", -1_000_00, FIRST),
    )
    # A payer does not see whose account the other one is.
    assert FIRST not in here["text"]
    assert SECOND not in away["text"]


def test_a_move_is_made_once(ledger: Ledger) -> None:
    payment_id = paid(ledger)
    ledger.corrects(move(payment_id))
    length = ledger.log_length()
    again = ledger.corrects(move(payment_id))
    assert (again["state"], again["amount"]) == ("unchanged", 0)
    assert ledger.log_length() == length


def test_a_captured_message_that_comes_again_posts_nothing(ledger: Ledger) -> None:
    payment_id = paid(ledger)
    ledger.corrects(move(payment_id))
    line = PaidLine(account=FIRST, amount=1_000_00, penalty=0)
    again = PostPayment(payment_id=payment_id, paid_on=PAID_ON, lines=(line,))
    assert ledger.does(post_payment, again)["posted"] == []


def test_above_the_limit_it_takes_two_people(ledger: Ledger) -> None:
    payment_id = paid(ledger, LIMIT + 1)
    made = ledger.corrects(move(payment_id))
    assert made["state"] == "proposed"
    assert ledger.balance(SECOND) == (6_000_00, 0, 0)
    proposal_id = UUID(made["correction_id"])
    assert ledger.approves(proposal_id, "staff:ivanova") == "staff_may_not"
    assert ledger.approves(proposal_id, "staff:petrov") == "approved"
    assert ledger.balance(SECOND) == (6_000_00 - LIMIT - 1, 0, 0)


def test_a_preview_shows_both_accounts(ledger: Ledger) -> None:
    command = Correct(correction_id=uuid4(), correction=move(paid(ledger)), reason="a look")
    length = ledger.log_length()
    result = ledger.previews(preview, command, "staff:ivanova")
    assert (result["state"], result["would_be"], result["amount"]) == (
        *("dry_run", "done", 1_000_00),
    )
    assert [(row["number"], row["principal"]) for row in result["difference"]] == [
        (FIRST, 1_000_00),
        (SECOND, -1_000_00),
    ]
    assert ledger.log_length() == length


def test_what_went_back_before_is_not_moved(ledger: Ledger) -> None:
    payment_id = paid(ledger)
    refund(ledger, payment_id, 300_00, FIRST)
    assert ledger.corrects(move(payment_id))["amount"] == 700_00
    assert ledger.balance(SECOND) == (5_300_00, 0, 0)


def test_a_payment_that_was_moved_is_refunded_where_it_is(ledger: Ledger) -> None:
    payment_id = paid(ledger)
    ledger.corrects(move(payment_id))
    assert refund(ledger, payment_id, 400_00, FIRST)["refunded"] == [SECOND]
    assert (ledger.balance(FIRST), ledger.balance(SECOND)) == ((6_000_00, 0, 0), (5_400_00, 0, 0))


def test_a_refund_of_before_the_move_has_no_effect_again(ledger: Ledger) -> None:
    payment_id = paid(ledger)
    command = RefundPayment(
        payment_id=payment_id,
        refund_id=uuid4(),
        refunded_on=date(2026, 11, 19),
        lines=(RefundedLine(account=FIRST, amount=300_00),),
    )
    assert ledger.does(refund_payment, command)["refunded"] == [FIRST]
    ledger.corrects(move(payment_id))
    assert ledger.does(refund_payment, command)["without_effect"] == [FIRST]
    assert ledger.balance(SECOND) == (5_300_00, 0, 0)


def test_what_is_left_of_a_payment_by_account(ledger: Ledger) -> None:
    payment_id = paid(ledger, 7_500_00)

    def left() -> Any:
        found = ledger.store.query(lambda session: refundable(session, payment_id))
        return [
            (one["account"], one["left"], one["advance"], one["moved_from"])
            for one in found["accounts"]
        ]

    assert left() == [(FIRST, 7_500_00, 1_500_00, None)]
    refund(ledger, payment_id, 1_000_00, FIRST)
    assert left() == [(FIRST, 6_500_00, 500_00, None)]
    ledger.may("ivanova", "reverse")
    ledger.corrects(move(payment_id))
    assert left() == [(FIRST, 0, 0, None), (SECOND, 6_500_00, 500_00, FIRST)]


def test_what_cannot_be_moved_is_refused(ledger: Ledger) -> None:
    payment_id = paid(ledger)
    with pytest.raises(ValidationFailed, match="another account"):
        ledger.corrects(move(payment_id, to_account=FIRST))
    with pytest.raises(NotFound) as refused:
        ledger.corrects(move(payment_id, to_account="0100000009"))
    assert refused.value.code == "account_not_found"
    with pytest.raises(NotFound) as refused:
        ledger.corrects(move(uuid4()))
    assert refused.value.code == "payment_not_posted"
    ledger.corrects(ReversePayment(payment_id=payment_id))
    with pytest.raises(Conflict) as conflict:
        ledger.corrects(move(payment_id))
    assert conflict.value.code == "nothing_left"


def test_a_payment_comes_to_an_account_once(ledger: Ledger) -> None:
    payment_id = paid(ledger)
    ledger.corrects(move(payment_id))
    with pytest.raises(Conflict) as refused:
        ledger.corrects(move(payment_id, account=SECOND, to_account=FIRST))
    assert refused.value.code == "payment_posted_there"


def test_penalties_of_both_follow(ledger: Ledger) -> None:
    """As if it had been paid to the other account on its day."""
    ledger.owes_a_penalty()
    payment_id = paid(ledger, 1_000_00)
    ledger.may("ivanova", "reverse")
    before = penalty(ledger, FIRST)
    ledger.corrects(move(payment_id))
    other = Ledger()
    other.owes_a_penalty()
    paid(other, 1_000_00, account=SECOND)
    assert penalty(ledger, FIRST) == penalty(other, FIRST) > before
    assert penalty(ledger, SECOND) == penalty(other, SECOND)


def penalty(ledger: Ledger, number: str) -> int:
    def due(session: Any) -> int:
        account = session.load(Account, account_id(number))
        account.law = law_in_force()
        owed: int = account.penalty_due(date(2026, 12, 31))
        return owed

    return int(ledger.store.query(due))
