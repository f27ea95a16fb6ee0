"""What a link in a letter completes: recoveries of a password, changes of an address.

As everywhere in identity, no event holds a secret, and an address is in one only sealed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from shared.errors import Conflict, NotFound
from shared.eventstore import Aggregate, Event


class EmailChangeWay(StrEnum):
    """Who stands up for a change of address: both mailboxes, a bill of the account, or staff."""

    BOTH = "both"
    ACCOUNT = "account"
    STAFF = "staff"


class EmailChangeEnd(StrEnum):
    """Why a change of address did not happen."""

    REFUSED = "refused"
    CANCELLED = "cancelled"
    REPLACED = "replaced"
    EXPIRED = "expired"
    TAKEN = "taken"


class PasswordResetRequested(Event, frozen=True, kw_only=True):
    """A recovery was requested; ``person_id`` is None for an unknown address."""

    topic: ClassVar[str] = "identity.password_reset_requested.v1"
    person_id: UUID | None = None


class PasswordResetCompleted(Event, frozen=True, kw_only=True):
    """The link was followed, and the person's password was changed."""

    topic: ClassVar[str] = "identity.password_reset_completed.v1"


class EmailChangeRequested(Event, frozen=True, kw_only=True):
    """A change to a sealed address was requested."""

    topic: ClassVar[str] = "identity.email_change_requested.v1"
    person_id: UUID
    email: str
    way: EmailChangeWay


class EmailChangeConfirmed(Event, frozen=True, kw_only=True):
    """A mailbox, ``new`` or ``old``, has confirmed."""

    topic: ClassVar[str] = "identity.email_change_confirmed.v1"
    by: str


class EmailChangeCompleted(Event, frozen=True, kw_only=True):
    """The person has the new address; the sealed one before it gets a last letter."""

    topic: ClassVar[str] = "identity.email_change_completed.v1"
    previous: str


class EmailChangeEnded(Event, frozen=True, kw_only=True):
    """The change did not happen."""

    topic: ClassVar[str] = "identity.email_change_ended.v1"
    how: EmailChangeEnd


class PasswordReset(Aggregate):
    """One recovery: requested for an address, completed by a link.

    It exists, without a person, for an unknown address too: neither the time nor the result of a
    request must reveal which addresses are known.
    """

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.person_id: UUID | None = None
        self.completed = False

    def request(self, person_id: UUID | None) -> None:
        """Start the recovery."""
        if self.version:
            raise Conflict("password_reset_exists", "This recovery has been started already.")
        self.trigger(PasswordResetRequested(person_id=person_id))

    def complete(self) -> None:
        """Complete the recovery; the caller has checked the link and changed the password."""
        self.must_be_open()
        self.trigger(PasswordResetCompleted())

    def must_be_open(self) -> None:
        """Raise NotFound ``password_reset_not_found`` or Conflict ``password_reset_completed``."""
        if not self.version:
            raise NotFound("password_reset_not_found", "There is no such recovery; ask again.")
        if self.completed:
            raise Conflict(
                "password_reset_completed", "This recovery is completed; sign in, or ask again."
            )

    def apply(self, event: Any) -> None:
        match event:
            case PasswordResetRequested():
                self.person_id = event.person_id
            case PasswordResetCompleted():
                self.completed = True


class EmailChange(Aggregate):
    """One change of a person's address, from its request to its end."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.person_id: UUID | None = None
        self.email = ""
        self.previous: str | None = None

    def record_request(self, person_id: UUID, email: str, way: EmailChangeWay) -> None:
        """Start the change to a sealed address."""
        self.trigger(EmailChangeRequested(person_id=person_id, email=email, way=way))

    def record_confirmation(self, by: str) -> None:
        """Confirm for the ``new`` or the ``old`` mailbox."""
        self.trigger(EmailChangeConfirmed(by=by))

    def record_completion(self, previous: str) -> None:
        """Complete the change; the caller has given the person the address."""
        self.trigger(EmailChangeCompleted(previous=previous))

    def record_end(self, how: EmailChangeEnd) -> None:
        """End the change without effect."""
        self.trigger(EmailChangeEnded(how=how))

    def apply(self, event: Any) -> None:
        match event:
            case EmailChangeRequested():
                self.person_id = event.person_id
                self.email = event.email
            case EmailChangeCompleted():
                self.previous = event.previous
