"""The tables of disputes as dictionaries, for the in-memory store."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from services.helpdesk.dispute import Outcome
from services.helpdesk.domain import Question
from services.helpdesk.views import DisputeView, QuestionView
from shared.eventstore import Recorded


class FakeDisputes:
    def __init__(self, questions: dict[UUID, QuestionView]) -> None:
        self._questions = questions
        self._disputes: dict[UUID, DisputeView] = {}
        self._proposals: dict[UUID, list[UUID]] = {}
        self.decisions: dict[UUID, Outcome | None] = {}

    def project(self, record: Recorded, question: Question) -> None:
        dispute = question.dispute
        if dispute is None:
            self._disputes.pop(question.id, None)
            return
        known = self._disputes.get(question.id)
        if known is None or known.state != dispute.state:
            asked = self._questions[question.id]
            self._disputes[question.id] = DisputeView(
                question_id=question.id,
                number=asked.number,
                person_id=asked.person_id,
                account=dispute.line.account,
                period=dispute.line.period,
                service=dispute.line.service,
                state=dispute.state,
                since=record.recorded_at.isoformat(),
            )

    def add_proposal(self, question_id: UUID, proposal_id: UUID) -> None:
        self._proposals.setdefault(question_id, []).append(proposal_id)

    def note_decision(self, proposal_id: UUID, decision: Outcome | None) -> Outcome | None:
        self.decisions[proposal_id] = decision or self.decisions.get(proposal_id)
        return self.decisions[proposal_id]

    def questions_of(self, proposal_id: UUID) -> list[UUID]:
        return [key for key, made in self._proposals.items() if proposal_id in made]

    def of_question(self, question_id: UUID) -> DisputeView | None:
        return self._disputes.get(question_id)

    def of_questions(self, question_ids: Sequence[UUID]) -> list[DisputeView]:
        return [self._disputes[each] for each in question_ids if each in self._disputes]

    def of_accounts(self, accounts: Collection[str]) -> list[DisputeView]:
        return [view for view in self._disputes.values() if view.account in accounts]

    def in_state(self, state: str | None, limit: int) -> list[DisputeView]:
        return [view for view in self._disputes.values() if state in (None, view.state)][:limit]

    def proposals_of(self, question_id: UUID) -> list[dict[str, Any]]:
        return [
            {"proposal_id": str(one), "decision": self.decisions.get(one)}
            for one in self._proposals.get(question_id, [])
        ]
