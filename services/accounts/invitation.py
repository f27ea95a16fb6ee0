"""Invitations: an owner gives somebody else access to an account, by e-mail."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal
from uuid import UUID

import msgspec

from services.accounts.cabinet import GuestRole
from shared.errors import Conflict
from shared.eventstore import Aggregate, Event

INVITATION_LIFE = timedelta(days=7)
MAX_OPEN_INVITATIONS = 10
"""Open invitations to one account."""

Ended = Literal["withdrawn", "expired"]


class InvitationSent(Event, frozen=True, kw_only=True):
    """An owner invited somebody; the e-mail is sealed under the id of the invitation."""

    topic: ClassVar[str] = "accounts.invitation_sent.v1"
    invitation_id: UUID
    number: str
    tenure: int
    role: GuestRole
    invited_by: UUID
    email: str
    expires_at: datetime


class InvitationAccepted(Event, frozen=True, kw_only=True):
    """Somebody used the link of an invitation; nobody can use it again."""

    topic: ClassVar[str] = "accounts.invitation_accepted.v1"
    invitation_id: UUID
    person_id: UUID


class InvitationEnded(Event, frozen=True, kw_only=True):
    """An invitation was withdrawn, or its time passed."""

    topic: ClassVar[str] = "accounts.invitation_ended.v1"
    invitation_id: UUID
    reason: Ended


class OpenInvitation(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation that nobody has used yet; its e-mail is sealed."""

    invitation_id: UUID
    number: str
    tenure: int
    role: GuestRole
    invited_by: UUID
    email: str
    sent_at: datetime
    expires_at: datetime


class Invitation(Aggregate):
    """One invitation: open until it is accepted or ended."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.sent: InvitationSent | None = None
        self.is_open = False

    def apply(self, event: Any) -> None:
        match event:
            case InvitationSent():
                self.sent, self.is_open = event, True
            case InvitationAccepted() | InvitationEnded():
                self.is_open = False

    def send(self, event: InvitationSent) -> None:
        """Open the invitation."""
        self.trigger(event)

    def accept(self, person_id: UUID, now: datetime) -> InvitationSent:
        """Use the invitation up and return it. Raises Conflict ``invitation_ended``."""
        if self.sent is None or not self.is_open or now >= self.sent.expires_at:
            raise ended()
        sent = self.sent
        self.trigger(InvitationAccepted(invitation_id=self.id, person_id=person_id))
        return sent

    def end(self, reason: Ended) -> None:
        """End the invitation; does nothing when it is not open."""
        if self.is_open:
            self.trigger(InvitationEnded(invitation_id=self.id, reason=reason))


def ended() -> Conflict:
    """Return the refusal of an invitation that is used up, withdrawn or too old."""
    return Conflict(
        "invitation_ended",
        "This invitation is used, withdrawn or older than a week; ask the owner for another one.",
    )
