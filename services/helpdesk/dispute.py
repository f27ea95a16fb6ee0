"""A dispute: a line of a bill that a person does not agree with, until it is decided."""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

import msgspec

from shared.eventstore import Event

DisputeState = Literal["under_review", "corrected", "rejected"]
"""``under_review`` until a proposed adjustment is decided on, or the question is answered without
one; ``corrected`` by an adjustment; ``rejected``: the line stays as it is."""

Decision = Literal["approved", "rejected"]


class DisputedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a bill that the person disputes; ``account`` is the key of the account."""

    account: str
    period: str
    service: str


class AdjustmentProposed(Event, frozen=True, kw_only=True):
    """Staff proposed an adjustment of the disputed line, by the actor of the record."""

    topic: ClassVar[str] = "helpdesk.adjustment_proposed.v1"
    proposal_id: UUID


class DisputeDecided(Event, frozen=True, kw_only=True):
    """A proposed adjustment of the disputed line was approved or rejected in the ledger."""

    topic: ClassVar[str] = "helpdesk.dispute_decided.v1"
    person_id: UUID
    proposal_id: UUID
    decision: Decision


class Dispute:
    """What has become of one disputed line."""

    def __init__(self, line: DisputedLine) -> None:
        self.line = line
        self.state: DisputeState = "under_review"
        self.proposals: dict[UUID, Decision | None] = {}

    @property
    def is_proposed(self) -> bool:
        """Return whether a proposal awaits its decision."""
        return None in self.proposals.values()

    def propose(self, proposal_id: UUID) -> None:
        """Await the decision on an adjustment."""
        self.proposals[proposal_id] = None
        self.state = "under_review"

    def decide(self, proposal_id: UUID, decision: Decision) -> None:
        """Note a decision; what was approved once has corrected the line."""
        self.proposals[proposal_id] = decision
        if not self.is_proposed:
            approved = "approved" in self.proposals.values()
            self.state = "corrected" if approved else "rejected"

    def answer(self) -> None:
        """Note that the department has said its word: without a proposal the line stays."""
        if not self.is_proposed and self.state == "under_review":
            self.state = "rejected"

    def go_on(self) -> None:
        """Note that the person has written again: he does not agree with what was said."""
        if self.state == "rejected":
            self.state = "under_review"
