"""The use cases of disputes: propose an adjustment, take the decision on it, list them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

import msgspec

from services.helpdesk.answers import named_for_staff
from services.helpdesk.application import line_for_person, question_of
from services.helpdesk.dispute import Outcome
from services.helpdesk.domain import Question
from services.helpdesk.handling import existing
from services.helpdesk.views import DisputeView
from shared.errors import Conflict
from shared.eventstore import Session


class NoteProposal(msgspec.Struct, frozen=True, kw_only=True):
    """A proposed adjustment of the line that a question disputes."""

    question_id: UUID
    proposal_id: UUID


def note_proposal(session: Session, command: NoteProposal) -> dict[str, Any]:
    """Note a proposal of the ledger; what it has decided on it already holds at once.

    Raises NotFound, and Conflict ``not_disputed`` or ``question_erased``.
    """
    question = existing(session, command.question_id)
    question.propose(command.proposal_id)
    outcome = session.read.disputes.note_decision(command.proposal_id, None)
    if outcome is not None:
        question.decide(command.proposal_id, outcome)
    return {
        "question_id": str(question.id),
        "proposal_id": str(command.proposal_id),
        "state": question.dispute.state if question.dispute else None,
    }


def note_decision(session: Session, proposal_id: UUID, outcome: Outcome) -> None:
    """Take what became of a proposal in the ledger, to whatever questions it belongs."""
    session.read.disputes.note_decision(proposal_id, outcome)
    for question_id in session.read.disputes.questions_of(proposal_id):
        session.load(Question, question_id).decide(proposal_id, outcome)


def disputed_line(session: Session, question_id: UUID) -> DisputeView:
    """Return the dispute of a question. Raises NotFound, and Conflict ``not_disputed``."""
    found: DisputeView | None = session.read.disputes.of_question(question_id)
    if found is None:
        question_of(session, question_id)
        raise Conflict("not_disputed", "The question is not about a line of a bill.")
    return found


def disputes_of(
    session: Session, person_id: UUID, accounts: Collection[str]
) -> list[dict[str, Any]]:
    """Return the disputes of accounts for one of their readers; only his own have a question."""
    return [
        {
            "account": view.account,
            "period": view.period,
            "service": view.service,
            "state": view.state,
            "since": view.since,
            "question_id": str(view.question_id) if view.person_id == person_id else None,
        }
        for view in session.read.disputes.of_accounts(accounts)
    ]


def dispute_for_person(session: Session, question_id: UUID) -> dict[str, Any] | None:
    """Return the line that a question disputes, and what became of it; None without one."""
    return line_for_person(session.read.disputes.of_question(question_id))


def dispute_for_staff(session: Session, question_id: UUID) -> dict[str, Any] | None:
    """Return the same with its proposals, the account as staff may type it."""
    view: DisputeView | None = session.read.disputes.of_question(question_id)
    if view is None:
        return None
    closed = session.read.closed_accounts({view.account})
    return {
        **_for_staff(view, closed),
        "proposals": session.read.disputes.proposals_of(question_id),
    }


def disputed_line_for_staff(session: Session, question_id: UUID) -> dict[str, Any]:
    """Return the line that a question disputes; raises as `disputed_line`."""
    view = disputed_line(session, question_id)
    return _for_staff(view, session.read.closed_accounts({view.account}))


def disputes_in(session: Session, state: str | None, limit: int) -> list[dict[str, Any]]:
    """Return disputes for staff, those first that have waited longest."""
    views = session.read.disputes.in_state(state, limit)
    closed = session.read.closed_accounts({view.account for view in views})
    return [{"number": view.number, **_for_staff(view, closed)} for view in views]


def _for_staff(view: DisputeView, closed: Collection[str]) -> dict[str, Any]:
    return {
        "account": named_for_staff(view.account, closed),
        "period": view.period,
        "service": view.service,
        "state": view.state,
        "since": view.since,
    }
