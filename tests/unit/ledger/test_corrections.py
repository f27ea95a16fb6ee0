"""Corrections by staff: one person up to his limit of the day, two above it."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from corrected_ledger import FIRST, LIMIT, SECOND, Ledger, adjustment

from services.ledger import corrections
from services.ledger.application import (
    PaidLine,
    PostPayment,
    post_payment,
)
from services.ledger.corrections import (
    Approve,
    Correct,
    Reject,
    approve,
    correct,
    preview,
    proposals,
    reject,
)
from services.ledger.domain import account_id
from services.ledger.domain.proposal import (
    ReversePayment,
    WriteOffPenalty,
)
from services.ledger.publishing import publish
from shared.errors import Conflict, Forbidden, NotFound, ValidationFailed


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def test_one_person_moves_up_to_the_limit(ledger: Ledger) -> None:
    assert ledger.corrects(adjustment(-LIMIT))["state"] == "done"
    # The 2 000.00 beyond the bill for heating pay that for water.
    assert ledger.balance() == (1_000_00, 0, 0)


def test_more_than_the_limit_waits_for_a_second_person(ledger: Ledger) -> None:
    result = ledger.corrects(adjustment(-LIMIT - 1))
    assert result["state"] == "proposed"
    assert ledger.balance() == (6_000_00, 0, 0)
    done = ledger.does(
        approve, Approve(proposal_id=UUID(result["correction_id"])), actor="staff:petrov"
    )
    assert done["state"] == "approved"
    assert ledger.balance() == (999_99, 0, 0)
    entry = ledger.store.log[-1]
    assert entry.actor == "staff:petrov"
    assert entry.event.reason == "act 7"  # type: ignore[attr-defined]


def test_nobody_approves_his_own_proposal(ledger: Ledger) -> None:
    ledger.may("ivanova", "approve")
    proposal_id = UUID(ledger.corrects(adjustment(LIMIT + 1))["correction_id"])
    length = ledger.log_length()
    with pytest.raises(Forbidden, match="Somebody else"):
        ledger.does(approve, Approve(proposal_id=proposal_id), actor="staff:ivanova")
    assert ledger.log_length() == length


def test_a_proposal_is_decided_once(ledger: Ledger) -> None:
    proposal_id = UUID(ledger.corrects(adjustment(LIMIT + 1))["correction_id"])
    ledger.does(approve, Approve(proposal_id=proposal_id), actor="staff:petrov")
    after = ledger.balance()
    for decide, command in (
        (approve, Approve(proposal_id=proposal_id)),
        (reject, Reject(proposal_id=proposal_id, reason="no")),
    ):
        with pytest.raises(Conflict, match="approved already"):
            ledger.does(decide, command, actor="staff:sidorov")
    assert ledger.balance() == after


def test_the_author_of_a_proposal_may_withdraw_it(ledger: Ledger) -> None:
    proposal_id = UUID(ledger.corrects(adjustment(LIMIT + 1))["correction_id"])
    ledger.does(reject, Reject(proposal_id=proposal_id, reason="typo"), actor="staff:ivanova")
    assert ledger.balance() == (6_000_00, 0, 0)
    with pytest.raises(Conflict, match="rejected already"):
        ledger.does(approve, Approve(proposal_id=proposal_id), actor="staff:petrov")


@pytest.mark.parametrize("id_", [uuid4(), account_id(FIRST)])
def test_an_unknown_proposal_cannot_be_decided(ledger: Ledger, id_: UUID) -> None:
    with pytest.raises(NotFound, match="no such proposal"):
        ledger.does(approve, Approve(proposal_id=id_), actor="staff:petrov")


def test_an_impossible_correction_is_not_proposed(ledger: Ledger) -> None:
    length = ledger.log_length()
    with pytest.raises(NotFound, match="no bill of 2026-09"):
        ledger.corrects(adjustment(LIMIT + 1, period="2026-09"))
    with pytest.raises(ValidationFailed, match="has no heatng; it has heating, water"):
        ledger.corrects(adjustment(-LIMIT - 1, service="heatng"))
    with pytest.raises(ValidationFailed, match="today or earlier"):
        ledger.corrects(adjustment(1, effective_on=date(2026, 11, 21)))
    with pytest.raises(NotFound, match="no such account"):
        ledger.corrects(adjustment(1, account="777"))
    assert ledger.log_length() == length


def test_an_approval_that_cannot_be_carried_out_leaves_the_proposal_open(ledger: Ledger) -> None:
    ledger.owes_a_penalty()
    proposal_id = UUID(
        ledger.corrects(WriteOffPenalty(account=FIRST, amount=9_000_00))["correction_id"]
    )
    line = PaidLine(account=FIRST, amount=90_000_00, penalty=0)
    ledger.does(
        post_payment, PostPayment(payment_id=uuid4(), paid_on=date(2026, 5, 15), lines=(line,))
    )
    # Paid in the 30 days that bear nothing: no penalty is owed.
    assert ledger.balance() == (6_000_00, 0, 0)
    with pytest.raises(Conflict, match="Only a penalty that is owed"):
        ledger.does(approve, Approve(proposal_id=proposal_id), actor="staff:petrov")
    [row] = ledger.store.query(proposals)
    assert row["state"] == "open"


def test_a_payment_is_reversed_in_all_its_accounts(ledger: Ledger) -> None:
    payment_id = uuid4()
    lines = tuple(PaidLine(account=n, amount=1_000_00, penalty=0) for n in (FIRST, SECOND))
    ledger.does(
        post_payment, PostPayment(payment_id=payment_id, paid_on=date(2026, 11, 17), lines=lines)
    )
    result = ledger.corrects(ReversePayment(payment_id=payment_id))
    assert (result["state"], result["amount"]) == ("done", 2_000_00)
    assert ledger.balance(FIRST) == ledger.balance(SECOND) == (6_000_00, 0, 0)
    again = ledger.corrects(ReversePayment(payment_id=payment_id))
    assert (again["state"], again["amount"]) == ("unchanged", 0)


def test_a_correction_made_by_another_since_the_trial_is_unchanged(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment_id = uuid4()
    line = PaidLine(account=FIRST, amount=1_000_00, penalty=0)
    paid_on = date(2026, 11, 17)
    ledger.does(post_payment, PostPayment(payment_id=payment_id, paid_on=paid_on, lines=(line,)))
    trial = corrections._try

    def then_another_is_quicker(session: Any, command: Correct) -> Any:
        result = trial(session, command)
        monkeypatch.setattr(corrections, "_try", trial)
        assert ledger.corrects(ReversePayment(payment_id=payment_id))["state"] == "done"
        return result

    monkeypatch.setattr(corrections, "_try", then_another_is_quicker)
    result = ledger.corrects(ReversePayment(payment_id=payment_id))
    assert (result["state"], result["amount"], result["accounts"]) == ("unchanged", 0, [])
    assert ledger.balance() == (6_000_00, 0, 0)


def test_a_payment_is_reversed_in_one_account_alone(ledger: Ledger) -> None:
    payment_id = uuid4()
    lines = tuple(PaidLine(account=n, amount=1_000_00, penalty=0) for n in (FIRST, SECOND))
    ledger.does(
        post_payment, PostPayment(payment_id=payment_id, paid_on=date(2026, 11, 17), lines=lines)
    )
    ledger.corrects(ReversePayment(payment_id=payment_id, accounts=(SECOND,)))
    assert ledger.balance(FIRST) == (5_000_00, 0, 0)
    assert ledger.balance(SECOND) == (6_000_00, 0, 0)


def test_an_unknown_payment_cannot_be_reversed(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match="not in the ledger"):
        ledger.corrects(ReversePayment(payment_id=uuid4()))


@pytest.mark.parametrize(("amount", "would_be"), [(-1_00, "done"), (LIMIT + 1, "proposed")])
def test_a_preview_changes_nothing(ledger: Ledger, amount: int, would_be: str) -> None:
    length = ledger.log_length()
    command = Correct(correction_id=uuid4(), correction=adjustment(amount), reason="a look")
    result = ledger.previews(preview, command, "staff:ivanova")
    assert (result["state"], result["would_be"]) == ("dry_run", would_be)
    assert result["before"][0]["principal"] == 6_000_00
    assert result["accounts"][0]["principal"] == 6_000_00 + amount
    assert ledger.log_length() == length


def test_a_proposal_is_published_when_it_is_decided(ledger: Ledger) -> None:
    length = ledger.log_length()
    proposal_id = UUID(ledger.corrects(adjustment(LIMIT + 1))["correction_id"])
    assert publish(ledger.store.log[length]) is None
    ledger.does(approve, Approve(proposal_id=proposal_id), actor="staff:petrov")
    published = [one for one in map(publish, ledger.store.log[length:]) if one]
    assert sorted(one.type for one in published) == ["charges_adjusted", "correction_decided"]
    [decided] = [one for one in published if one.type == "correction_decided"]
    assert decided.data == {"proposal_id": str(proposal_id), "decision": "approved"}


def test_a_rejection_is_published_without_who_and_why(ledger: Ledger) -> None:
    proposal_id = UUID(ledger.corrects(adjustment(LIMIT + 1))["correction_id"])
    ledger.does(reject, Reject(proposal_id=proposal_id, reason="по акту"), actor="staff:petrov")
    decided = publish(ledger.store.log[-1])
    assert decided
    assert decided.data == {"proposal_id": str(proposal_id), "decision": "rejected"}


def test_a_withdrawal_by_the_author_is_no_rejection(ledger: Ledger) -> None:
    proposal_id = UUID(ledger.corrects(adjustment(LIMIT + 1))["correction_id"])
    withdraw = Reject(proposal_id=proposal_id, reason="опечатка")
    ledger.does(reject, withdraw, actor="staff:ivanova")
    decided = publish(ledger.store.log[-1])
    assert decided
    assert decided.type == "correction_withdrawn"
    assert decided.data == {"proposal_id": str(proposal_id)}


def test_what_is_to_be_proposed_awaits_a_second_person_whatever_it_moves(ledger: Ledger) -> None:
    command = Correct(
        correction_id=uuid4(), correction=adjustment(-1_00), reason="спор", propose=True
    )
    assert ledger.previews(preview, command, "staff:ivanova")["would_be"] == "proposed"
    assert ledger.does(correct, command, actor="staff:ivanova")["state"] == "proposed"
    assert ledger.balance() == (6_000_00, 0, 0)
