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
        self._awaits_word = True

    @property
    def state(self) -> DisputeState:
        """Return what holds; ``under_review`` while a decision or the department's word is due."""
        if self.is_proposed or self._awaits_word:
            return "under_review"
        return "corrected" if self._is_corrected else "rejected"

    @property
    def is_proposed(self) -> bool:
        """Return whether a proposal awaits its decision."""
        return None in self.proposals.values()

    @property
    def _is_corrected(self) -> bool:
        return "approved" in self.proposals.values()

    def propose(self, proposal_id: UUID) -> None:
        """Await the decision on an adjustment."""
        self.proposals[proposal_id] = None

    def decide(self, proposal_id: UUID, decision: Decision) -> None:
        """Note a decision; what was approved once has corrected the line."""
        self.proposals[proposal_id] = decision
        self._awaits_word = False

    def withdraw(self, proposal_id: UUID) -> None:
        """Await a proposal no longer; what the department has said holds without it."""
        self.proposals[proposal_id] = "withdrawn"

    def answer(self) -> None:
        """Note that the department has said its word: without a proposal the line stays."""
        self._awaits_word = False

    def go_on(self, *, again: bool) -> None:
        """Note that the person has written again: he does not agree with what was said.

        A line that was corrected he disputes again only where he says so.
        """
        if again or not self._is_corrected:
            self._awaits_word = True
