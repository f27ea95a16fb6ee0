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
Outcome = Decision | Literal["withdrawn"]
"""What becomes of a proposal: its author may withdraw it, which decides nothing."""


class DisputedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a bill that the person disputes; ``account`` is the key of the account."""

    account: str
    period: str
    service: str


class AdjustmentProposed(Event, frozen=True, kw_only=True):
    """Staff proposed an adjustment of the disputed line, by the actor of the record."""

    topic: ClassVar[str] = "helpdesk.adjustment_proposed.v1"
    proposal_id: UUID


class AdjustmentWithdrawn(Event, frozen=True, kw_only=True):
    """Whoever proposed an adjustment withdrew it in the ledger, before anybody decided on it."""

    topic: ClassVar[str] = "helpdesk.adjustment_withdrawn.v1"
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
        self.proposals: dict[UUID, Outcome | None] = {}
        self._settled: DisputeState = "under_review"

    @property
    def state(self) -> DisputeState:
        """Return what holds while no proposal awaits its decision, else ``under_review``."""
        return "under_review" if self.is_proposed else self._settled

    @property
    def is_proposed(self) -> bool:
        """Return whether a proposal awaits its decision."""
        return None in self.proposals.values()

    def propose(self, proposal_id: UUID) -> None:
        """Await the decision on an adjustment."""
        self.proposals[proposal_id] = None

    def decide(self, proposal_id: UUID, decision: Decision) -> None:
        """Note a decision; what was approved once has corrected the line."""
        self.proposals[proposal_id] = decision
        approved = "approved" in self.proposals.values()
        self._settled = "corrected" if approved else "rejected"

    def withdraw(self, proposal_id: UUID) -> None:
        """Await a proposal no longer; what held before it holds again."""
        self.proposals[proposal_id] = "withdrawn"

    def answer(self) -> None:
        """Note that the department has said its word: without a proposal the line stays."""
        if self.state == "under_review" and not self.is_proposed:
            self._settled = "rejected"

    def go_on(self) -> None:
        """Note that the person has written again: he does not agree with what was said."""
        if self._settled == "rejected":
            self._settled = "under_review"
