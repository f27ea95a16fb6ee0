"""The RPCs of disputed lines: for whoever reads an account, and for staff."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.helpdesk import dispute_schemas as schemas
from services.helpdesk import disputes
from services.helpdesk.rpcs.base import HelpdeskRpcs
from services.helpdesk.schemas import AnyQuestion
from services.helpdesk.views import DisputeView
from shared import context
from shared.config import GATEWAY
from shared.errors import ValidationFailed
from shared.ids import NAMESPACE, derived_id
from shared.rpc.callers import staff
from shared.rpc.server import rpc


class DisputeRpcs(HelpdeskRpcs):
    """What is disputed, and what staff propose about it."""

    @rpc(schemas.DisputesOf, callers=(GATEWAY,))
    def disputes(self, person_id: UUID, accounts: list[str]) -> dict[str, Any]:
        """Return ``{disputes: [{account, period, service, state, since, question_id|None}]}``.

        The caller has checked that the person may read these accounts; a question has its id only
        for whoever asked it.
        """
        found = self.store.query(lambda session: disputes.disputes_of(session, person_id, accounts))
        return {"disputes": found}

    @rpc(schemas.DisputesOfState, callers=(staff("read"),))
    def disputes_of_state(self, state: str | None, limit: int) -> dict[str, Any]:
        """Return ``{disputes: [...]}`` of all persons, those first that have waited longest."""
        found = self.store.query(lambda session: disputes.disputes_in(session, state, limit))
        return {"disputes": found}

    @rpc(AnyQuestion, callers=(staff("propose"),))
    def disputed_line(self, question: str) -> dict[str, Any]:
        """Return the line that a question disputes, the account as staff may type it.

        Raises NotFound, and Conflict ``not_disputed``.
        """
        question_id = self._id_of(question)
        result: dict[str, Any] = self.store.query(
            lambda session: disputes.disputed_line_for_staff(session, question_id)
        )
        return result

    @rpc(schemas.NoteProposal, callers=(staff("propose"),))
    def note_proposal(self, question: str, proposal_id: UUID) -> dict[str, Any]:
        """Note a proposal of the ledger as that of a question; once, whoever repeats it.

        Raises ValidationFailed ``another_line`` for a proposal that does not adjust the line, and
        as `disputes.note_proposal`.
        """
        question_id = self._id_of(question)
        line: DisputeView = self.store.query(
            lambda session: disputes.disputed_line(session, question_id)
        )
        found = self.services.call(
            "ledger",
            "proposed_adjustment",
            proposal_id=str(proposal_id),
            account=line.account,
            period=line.period,
            code=line.service,
        )
        if not found["adjusts"]:
            raise ValidationFailed(
                "another_line", "This proposal does not adjust the line that is disputed."
            )
        command = disputes.NoteProposal(question_id=question_id, proposal_id=proposal_id)
        id_ = derived_id(NAMESPACE, "helpdesk", "proposal", str(question_id), str(proposal_id))
        with context.bind(command_id=id_):
            result: dict[str, Any] = self.store.execute(disputes.note_proposal, command)
            return result
