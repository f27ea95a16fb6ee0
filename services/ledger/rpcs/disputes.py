"""The RPCs for the help desk, which knows neither bills nor corrections."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.ledger import schemas
from services.ledger.reports import disputed_lines
from shared.rpc.server import StoreProvider, rpc


class DisputeRpcs:
    """Lines of bills that persons dispute, and what is proposed about them."""

    store = StoreProvider()

    @rpc(schemas.DisputedLine, callers=("helpdesk",))
    def is_billed(self, account: str, period: str, code: str) -> Any:
        """Return ``{billed}``: whether the bill of a month has a line for a service."""
        billed = self.store.query(
            lambda session: disputed_lines.is_billed(session, account, period, code)
        )
        return {"billed": billed}

    @rpc(schemas.ProposedAdjustment, callers=("helpdesk",))
    def proposed_adjustment(self, proposal_id: UUID, account: str, period: str, code: str) -> Any:
        """Return ``{adjusts}``: whether a proposal adjusts this line."""
        adjusts = self.store.query(
            lambda session: disputed_lines.adjusts(session, proposal_id, account, period, code)
        )
        return {"adjusts": adjusts}
