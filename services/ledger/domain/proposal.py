"""Corrections that take two people: what one of the staff proposes, another approves.

A proposal has its own stream in the ledger's log, beside the accounts, so that who wanted what,
why, and who agreed is as tamper-evident as the money itself. The approval and the correction of
the accounts are one transaction.
"""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar, TypeAlias
from uuid import UUID

import msgspec

from services.ledger.domain.events import ServiceAmount
from shared.errors import Conflict, Forbidden, NotFound
from shared.eventstore import Aggregate, Event
from shared.money import Kopecks

OPEN, APPROVED, REJECTED = "open", "approved", "rejected"


class AdjustCharges(msgspec.Struct, frozen=True, kw_only=True, tag="adjust_charges"):
    """Recalculate the bill of a month by signed sums; no day means the day it is carried out."""

    account: str
    period: str
    lines: tuple[ServiceAmount, ...]
    effective_on: date | None = None


class ReversePayment(msgspec.Struct, frozen=True, kw_only=True, tag="reverse_payment"):
    """Undo a payment in the accounts that are named, or in all that it was posted to."""

    payment_id: UUID
    accounts: tuple[str, ...] = ()
    effective_on: date | None = None


class MovePayment(msgspec.Struct, frozen=True, kw_only=True, tag="move_payment"):
    """Undo a payment in the account that it was made to by mistake, and post it to another."""

    payment_id: UUID
    account: str
    to_account: str
    effective_on: date | None = None


class WriteOffPenalty(msgspec.Struct, frozen=True, kw_only=True, tag="write_off_penalty"):
    """Waive a part of the penalty that an account owes."""

    account: str
    amount: Kopecks
    effective_on: date | None = None


Correction: TypeAlias = AdjustCharges | ReversePayment | MovePayment | WriteOffPenalty


def as_json(correction: Correction) -> dict[str, Any]:
    """Return a correction as the plain values that the read model keeps."""
    values: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(correction))
    return values


class ProposalMade(Event, frozen=True):
    """A correction awaits a second person; ``amount`` is the money that it moves, in kopecks.

    ``verified``: ``by`` is as the broker knew him. Before, it was what his terminal said.
    """

    topic: ClassVar[str] = "ledger.proposal_made.v1"

    correction: Correction
    accounts: tuple[str, ...]
    amount: Kopecks
    reason: str
    by: str
    verified: bool = False


class ProposalApproved(Event, frozen=True):
    """A second person agreed; the correction is in the log under the same command id."""

    topic: ClassVar[str] = "ledger.proposal_approved.v1"

    by: str
    reason: str = ""


class ProposalRejected(Event, frozen=True):
    """The correction will not be made: a second person refused, or the first one withdrew.

    ``withdrawn`` tells them apart; older events do not have it.
    """

    topic: ClassVar[str] = "ledger.proposal_rejected.v1"

    by: str
    reason: str
    withdrawn: bool = False


PROPOSAL_EVENTS: tuple[type[Event], ...] = (ProposalMade, ProposalApproved, ProposalRejected)
PROPOSAL_TOPICS = frozenset(event.topic for event in PROPOSAL_EVENTS)


class Proposal(Aggregate):
    """A correction that awaits a second person, or has been decided.

    The id of its stream is that of the correction.
    """

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.state = ""
        self.made: ProposalMade | None = None
        self.decided_by = ""

    def make(
        self,
        correction: Correction,
        accounts: tuple[str, ...],
        amount: Kopecks,
        reason: str,
        by: str,
    ) -> None:
        """Propose a correction. Raises Conflict ``proposal_exists``."""
        if self.version:
            raise Conflict("proposal_exists", "This correction is proposed already.")
        self.trigger(
            ProposalMade(
                correction=correction,
                accounts=accounts,
                amount=amount,
                reason=reason,
                by=by,
                verified=True,
            )
        )

    def approve(self, by: str, reason: str = "") -> ProposalMade:
        """Approve the correction and return it; the second person may add a reason.

        Raises NotFound ``proposal_not_found``, Conflict ``proposal_decided`` or, for one whose
        author named himself, ``author_not_verified``, and Forbidden ``second_person_needed`` for
        the person who proposed it.
        """
        made = self._must_be_open()
        if by == made.by:
            raise Forbidden(
                "second_person_needed", "Somebody else than who proposed it must approve it."
            )
        if not made.verified:
            raise Conflict(
                "author_not_verified",
                f"It was proposed when anybody could call himself {made.by}: reject it, and "
                "propose it again.",
            )
        self.trigger(ProposalApproved(by=by, reason=reason))
        return made

    def reject(self, by: str, reason: str) -> None:
        """Reject the correction; its author may do so too. Raises what approve raises."""
        made = self._must_be_open()
        self.trigger(ProposalRejected(by=by, reason=reason, withdrawn=by == made.by))

    def apply(self, event: Any) -> None:
        """Change the state by one event."""
        match event:
            case ProposalMade():
                self.state, self.made = OPEN, event
            case ProposalApproved():
                self.state, self.decided_by = APPROVED, event.by
            case ProposalRejected():
                self.state, self.decided_by = REJECTED, event.by
            case _:
                raise TypeError(f"not an event of a proposal: {type(event).__name__}")

    def snapshot(self) -> dict[str, Any]:
        """Return the columns of the row that the read model keeps."""
        made = self.made
        return {
            "version": self.version,
            "state": self.state,
            "correction": as_json(made.correction) if made else {},
            "accounts": list(made.accounts) if made else [],
            "amount": made.amount if made else 0,
            "reason": made.reason if made else "",
            "proposed_by": made.by if made else "",
            "decided_by": self.decided_by,
        }

    def _must_be_open(self) -> ProposalMade:
        if self.made is None:
            raise NotFound("proposal_not_found", "There is no such proposal.")
        if self.state != OPEN:
            raise Conflict(
                "proposal_decided",
                f"This proposal is {self.state} already.",
                state=self.state,
            )
        return self.made
