"""Who may correct what, and how much a day: the two-person rule in every order of events."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from corrected_ledger import FIRST, LIMIT, Ledger, adjustment

from services.ledger.corrections import (
    Approve,
    Correct,
    Reject,
    correct,
    preview,
    preview_approval,
    preview_rejection,
    reject,
)
from services.ledger.domain.proposal import Proposal, ProposalMade, WriteOffPenalty
from shared.errors import Conflict, Forbidden, ServiceError

IVANOVA, ORLOVA, PETROV, SIDOROV = (
    f"staff:{name}" for name in ("ivanova", "orlova", "petrov", "sidorov")
)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def refusal(ledger: Ledger, actor: str) -> str:
    length = ledger.log_length()
    with pytest.raises(Forbidden) as refused:
        ledger.corrects(adjustment(-1), actor)
    assert ledger.log_length() == length
    return refused.value.code


@pytest.mark.parametrize(
    "actor",
    [
        "staff:nobody",
        PETROV,  # he may only approve
        "staff:IVANOVA",
        "staff:ｉｖａｎｏｖａ",
        "staff:ivanova ",
        "ivanova",
        "person:ivanova",
        "service:ledger",
        "anonymous",
    ],
)
def test_only_who_is_granted_it_corrects(ledger: Ledger, actor: str) -> None:
    assert refusal(ledger, actor) == "staff_may_not"
    command = Correct(correction_id=uuid4(), correction=adjustment(-1), reason="a look")
    with pytest.raises(Forbidden):
        ledger.previews(preview, command, actor)


def test_a_permission_for_one_correction_is_none_for_another(ledger: Ledger) -> None:
    ledger.may_not("ivanova", "write-off")
    with pytest.raises(Forbidden, match="write-off"):
        ledger.corrects(WriteOffPenalty(account=FIRST, amount=1))
    assert ledger.corrects(adjustment(-1))["state"] == "done"


def test_a_correction_divided_into_small_ones_is_proposed_from_the_limit_on(
    ledger: Ledger,
) -> None:
    for _ in range(4):
        assert ledger.corrects(adjustment(-LIMIT // 4))["state"] == "done"
    assert ledger.corrects(adjustment(-1))["state"] == "proposed"
    assert ledger.corrects(adjustment(-1), ORLOVA)["state"] == "done"


def test_giving_and_taking_do_not_cancel_out(ledger: Ledger) -> None:
    ledger.corrects(adjustment(-LIMIT // 2))
    ledger.corrects(adjustment(LIMIT // 2))
    assert ledger.corrects(adjustment(1))["state"] == "proposed"


def test_all_verbs_of_a_person_count_together(ledger: Ledger) -> None:
    assert ledger.corrects(adjustment(-LIMIT))["state"] == "done"
    ledger.owes_a_penalty()
    assert ledger.corrects(WriteOffPenalty(account=FIRST, amount=1))["state"] == "proposed"
    ledger.may("ivanova", "write-off", LIMIT + 1)
    assert ledger.corrects(WriteOffPenalty(account=FIRST, amount=1))["state"] == "done"


def test_the_next_day_has_the_whole_limit_again(ledger: Ledger) -> None:
    assert ledger.corrects(adjustment(-LIMIT))["state"] == "done"
    assert ledger.corrects(adjustment(-1))["state"] == "proposed"
    ledger.clock.advance(timedelta(days=1))
    assert ledger.corrects(adjustment(-LIMIT))["state"] == "done"


def test_what_is_proposed_or_refused_uses_up_nothing(ledger: Ledger) -> None:
    ledger.proposes()
    with pytest.raises(ServiceError):
        ledger.corrects(adjustment(-LIMIT, service="nothing"))
    assert ledger.corrects(adjustment(-LIMIT))["state"] == "done"


def test_a_repeated_command_uses_up_nothing(ledger: Ledger) -> None:
    command = Correct(correction_id=uuid4(), correction=adjustment(-LIMIT // 2), reason="act 7")
    for _ in range(3):
        made = ledger.does(correct, command, IVANOVA, command.correction_id)
        assert made["state"] == "done"
    assert ledger.corrects(adjustment(-LIMIT // 2))["state"] == "done"


def test_a_limit_that_was_lowered_meanwhile_holds(ledger: Ledger) -> None:
    ledger.corrects(adjustment(-LIMIT // 2))
    ledger.may("ivanova", "adjust", LIMIT // 4)
    assert ledger.corrects(adjustment(-1))["state"] == "proposed"
    ledger.may("ivanova", "adjust", 0)
    assert ledger.corrects(adjustment(-1))["state"] == "proposed", "0: always two people"
    ledger.may("ivanova", "adjust", None)
    assert ledger.corrects(adjustment(-100 * LIMIT))["state"] == "done", "None: no limit"


def test_nobody_approves_his_own_proposal_though_he_may_do_both(ledger: Ledger) -> None:
    ledger.may("ivanova", "approve")
    proposal = ledger.proposes()
    assert ledger.approves(proposal, IVANOVA) == "second_person_needed"
    with pytest.raises(Forbidden, match="Somebody else"):
        ledger.previews(preview_approval, Approve(proposal_id=proposal), IVANOVA)
    for spelling in ("staff:Ivanova", "staff:IVANOVA", "staff:ivanovа", "staff:ivanova\u200b"):
        assert ledger.approves(proposal, spelling) == "staff_may_not"
    assert ledger.approves(proposal, PETROV) == "approved"


def test_who_may_not_approve_is_not_the_second_person(ledger: Ledger) -> None:
    proposal = ledger.proposes()
    assert ledger.approves(proposal, ORLOVA) == "staff_may_not"
    ledger.may_not("petrov", "approve")
    assert ledger.approves(proposal, PETROV) == "staff_may_not"
    assert ledger.approves(proposal, SIDOROV) == "approved"


def test_a_proposal_of_somebody_removed_since_is_not_approved(ledger: Ledger) -> None:
    proposal = ledger.proposes()
    ledger.may_not("ivanova", "adjust")
    assert ledger.approves(proposal, PETROV) == "author_may_not"
    assert ledger.balance() == (6_000_00, 0, 0)
    ledger.does(reject, Reject(proposal_id=proposal, reason="he left"), PETROV)


def test_the_same_command_of_another_person_is_no_approval(ledger: Ledger) -> None:
    command = Correct(correction_id=uuid4(), correction=adjustment(-LIMIT - 1), reason="act 7")
    for actor in (IVANOVA, ORLOVA):
        made = ledger.does(correct, command, actor, command.correction_id)
        assert (made["state"], made["by"]) == ("proposed", IVANOVA)
    assert ledger.balance() == (6_000_00, 0, 0)
    other = Correct(correction_id=uuid4(), correction=adjustment(-LIMIT), reason="act 8")
    with pytest.raises(Conflict, match="another command"):
        ledger.does(correct, other, ORLOVA, command.correction_id)


def test_an_approver_has_a_limit_of_the_day_of_his_own(ledger: Ledger) -> None:
    ledger.may("petrov", "approve", 2 * LIMIT + 2)
    first, second, third = ledger.proposes(), ledger.proposes(), ledger.proposes()
    assert ledger.approves(first, PETROV) == "approved"
    ledger.may("petrov", "adjust", LIMIT)
    assert ledger.corrects(adjustment(LIMIT), PETROV)["state"] == "done", "alone: apart"
    assert ledger.approves(second, PETROV) == "approved"
    assert ledger.approves(third, PETROV) == "above_limit"
    with pytest.raises(Forbidden):
        ledger.previews(preview_approval, Approve(proposal_id=third), PETROV)
    assert ledger.approves(third, SIDOROV) == "approved"


def test_only_its_author_or_an_approver_rejects_a_proposal(ledger: Ledger) -> None:
    proposal = ledger.proposes()
    rejecting = Reject(proposal_id=proposal, reason="typo")
    with pytest.raises(Forbidden):
        ledger.does(reject, rejecting, ORLOVA)
    with pytest.raises(Forbidden):
        ledger.previews(preview_rejection, rejecting, ORLOVA)
    for actor in (IVANOVA, PETROV):
        assert ledger.previews(preview_rejection, rejecting, actor)["would_be"] == "rejected"
    assert ledger.does(reject, rejecting, PETROV)["state"] == "rejected"


def test_a_proposal_whose_author_named_himself_is_not_approved(ledger: Ledger) -> None:
    def propose_as_before(session, command):  # type: ignore[no-untyped-def]
        session.load(Proposal, command.correction_id).trigger(
            ProposalMade(
                correction=command.correction,
                accounts=(FIRST,),
                amount=LIMIT + 1,
                reason=command.reason,
                by=IVANOVA,
            )
        )

    command = Correct(correction_id=uuid4(), correction=adjustment(LIMIT + 1), reason="act 7")
    ledger.does(propose_as_before, command)
    assert ledger.approves(command.correction_id, PETROV) == "author_not_verified"
    rejecting = Reject(proposal_id=command.correction_id, reason="anew")
    assert ledger.does(reject, rejecting, PETROV)["state"] == "rejected"


def test_a_preview_counts_what_was_moved_today(ledger: Ledger) -> None:
    command = Correct(correction_id=uuid4(), correction=adjustment(-LIMIT), reason="a look")
    assert ledger.previews(preview, command, IVANOVA)["would_be"] == "done"
    ledger.corrects(adjustment(-1))
    assert ledger.previews(preview, command, IVANOVA)["would_be"] == "proposed"
