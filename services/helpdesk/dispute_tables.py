"""The tables of disputes, within one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import psycopg

from services.helpdesk.dispute import Outcome
from services.helpdesk.domain import Question
from services.helpdesk.views import DisputeView
from shared.eventstore import Recorded

_DISPUTE = (
    "SELECT question_id, number, person_id, disputes.account, period, service, disputes.state,"
    " since FROM disputes JOIN questions USING (question_id)"
)
_WRITE = (
    "INSERT INTO disputes (question_id, account, period, service, state, since)"
    " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (question_id) DO UPDATE"
    " SET state = EXCLUDED.state, since = EXCLUDED.since"
    " WHERE disputes.state <> EXCLUDED.state"
)
_DECIDE = (
    "INSERT INTO decisions (proposal_id, decision) VALUES (%s, %s)"
    " ON CONFLICT (proposal_id) DO UPDATE"
    " SET decision = coalesce(EXCLUDED.decision, decisions.decision) RETURNING decision"
)


class Disputes:
    """Disputed lines, their proposals, and what the ledger has decided."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def project(self, record: Recorded, question: Question) -> None:
        """Write the row of a question's dispute as it is now; an erased question has none."""
        dispute = question.dispute
        if dispute is None:
            if question.erased:
                self._erase(question.id)
            return
        line = dispute.line
        self._cursor.execute(
            _WRITE,
            (
                question.id,
                line.account,
                line.period,
                line.service,
                dispute.state,
                record.recorded_at,
            ),
        )

    def add_proposal(self, question_id: UUID, proposal_id: UUID) -> None:
        """Note the proposal of a question."""
        self._cursor.execute(
            "INSERT INTO dispute_proposals (question_id, proposal_id) VALUES (%s, %s)"
            " ON CONFLICT DO NOTHING",
            (question_id, proposal_id),
        )

    def note_decision(self, proposal_id: UUID, decision: Outcome | None) -> Outcome | None:
        """Note a decision, or that one is awaited; return what is decided.

        The row stays locked until the commit: who awaits a decision and who brings it both write
        it, so that the second of them sees the first.
        """
        row = self._cursor.execute(_DECIDE, (proposal_id, decision)).fetchone()
        return row["decision"] if row else None

    def questions_of(self, proposal_id: UUID) -> list[UUID]:
        """Return the questions that a proposal was made for."""
        self._cursor.execute(
            "SELECT question_id FROM dispute_proposals WHERE proposal_id = %s ORDER BY question_id",
            (proposal_id,),
        )
        return [row["question_id"] for row in self._cursor]

    def of_question(self, question_id: UUID) -> DisputeView | None:
        """Return the dispute of a question."""
        found = self.of_questions([question_id])
        return found[0] if found else None

    def of_questions(self, question_ids: Sequence[UUID]) -> list[DisputeView]:
        """Return the disputes of questions, in no order."""
        return self._views(f"{_DISPUTE} WHERE question_id = ANY(%s)", (list(question_ids),))

    def of_accounts(self, accounts: Collection[str]) -> list[DisputeView]:
        """Return the disputes of accounts (keys), the newest first."""
        return self._views(
            f"{_DISPUTE} WHERE disputes.account = ANY(%s) ORDER BY since DESC, number DESC",
            (list(accounts),),
        )

    def in_state(self, state: str | None, limit: int) -> list[DisputeView]:
        """Return disputes for staff, those first that have waited longest."""
        return self._views(
            f"{_DISPUTE} WHERE (%(state)s::text IS NULL OR disputes.state = %(state)s)"
            " ORDER BY since, number LIMIT %(limit)s",
            {"state": state, "limit": limit},
        )

    def proposals_of(self, question_id: UUID) -> list[dict[str, Any]]:
        """Return ``[{proposal_id, decision}]`` of a question; None: it is not decided."""
        self._cursor.execute(
            "SELECT proposal_id, decision FROM dispute_proposals"
            " LEFT JOIN decisions USING (proposal_id) WHERE question_id = %s ORDER BY proposal_id",
            (question_id,),
        )
        return [
            {"proposal_id": str(row["proposal_id"]), "decision": row["decision"]}
            for row in self._cursor
        ]

    def _views(self, query: str, parameters: Any) -> list[DisputeView]:
        return [
            DisputeView(**{**row, "since": row["since"].isoformat()})
            for row in self._cursor.execute(query, parameters)
        ]

    def _erase(self, question_id: UUID) -> None:
        for table in ("disputes", "dispute_proposals"):
            self._cursor.execute(f"DELETE FROM {table} WHERE question_id = %s", (question_id,))
