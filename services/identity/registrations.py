"""Registrations: their events and rules.

Personal data is sealed under the key of the person that a registration becomes (`person_id_of`).
"""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from shared.contracts.identity import Language, PersonType
from shared.errors import Conflict, NotFound
from shared.eventstore import Aggregate, Event
from shared.ids import NAMESPACE, derived_id


class RegistrationStarted(Event, frozen=True, kw_only=True):
    """A registration was started, for a known address as for an unknown one."""

    topic: ClassVar[str] = "identity.registration_started.v1"
    person_type: PersonType
    email: str
    organisation: str | None = None
    language: Language = Language.RUSSIAN


class RegistrationCodeRequested(Event, frozen=True, kw_only=True):
    """A letter with a code was requested: the first one, or «Выслать код заново»."""

    topic: ClassVar[str] = "identity.registration_code_requested.v1"


class RegistrationEmailCorrected(Event, frozen=True, kw_only=True):
    """A mistyped address was corrected before the code; ``email`` is sealed."""

    topic: ClassVar[str] = "identity.registration_email_corrected.v1"
    email: str


class RegistrationConfirmed(Event, frozen=True, kw_only=True):
    """The right code was entered, with both consents."""

    topic: ClassVar[str] = "identity.registration_confirmed.v1"
    person_id: UUID


class RegistrationAbandoned(Event, frozen=True, kw_only=True):
    """The registration expired unconfirmed; its key was destroyed."""

    topic: ClassVar[str] = "identity.registration_abandoned.v1"


def person_id_of(registration_id: UUID) -> UUID:
    """Return the id of the person that a registration becomes, always the same."""
    return derived_id(NAMESPACE, "identity/person", str(registration_id))


def registration_expired() -> Conflict:
    """Return the error of a registration that no code can confirm any more."""
    return Conflict("registration_expired", "This registration is too old; start again.")


class Registration(Aggregate):
    """From an e-mail address to a person."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.person_type = PersonType.INDIVIDUAL
        self.email = ""
        self.organisation: str | None = None
        self.language = Language.RUSSIAN
        self.confirmed = False
        self.abandoned = False

    @property
    def person_id(self) -> UUID:
        """Return the id of the future person, under whose key everything here is sealed."""
        return person_id_of(self.id)

    def start(
        self,
        person_type: PersonType,
        email: str,
        organisation: str | None,
        language: Language,
    ) -> None:
        """Start, and request the first letter; ``email`` and ``organisation`` are sealed."""
        if self.version:
            raise Conflict("registration_exists", "This registration has been started already.")
        self.trigger(
            RegistrationStarted(
                person_type=person_type, email=email, organisation=organisation, language=language
            )
        )
        self.trigger(RegistrationCodeRequested())

    def request_code(self) -> None:
        """Request another letter."""
        self.must_be_open()
        self.trigger(RegistrationCodeRequested())

    def correct_email(self, email: str) -> None:
        """Replace the address by a sealed one."""
        self.must_be_open()
        self.trigger(RegistrationEmailCorrected(email=email))

    def confirm(self) -> None:
        """Confirm; the caller has checked the code and both consents."""
        self.must_be_open()
        self.trigger(RegistrationConfirmed(person_id=self.person_id))

    def abandon(self) -> None:
        """Abandon the registration."""
        self.must_be_open()
        self.trigger(RegistrationAbandoned())

    @property
    def is_open(self) -> bool:
        """Return whether a code can still confirm this registration."""
        return bool(self.version) and not self.confirmed and not self.abandoned

    def must_be_open(self) -> None:
        """Raise unless a code can still confirm this registration.

        NotFound ``registration_not_found``; Conflict ``registration_confirmed`` or
        ``registration_expired``.
        """
        if not self.version:
            raise NotFound("registration_not_found", "There is no such registration; start one.")
        if self.confirmed:
            raise Conflict(
                "registration_confirmed",
                "This registration is confirmed; sign in with the password from the letter.",
            )
        if self.abandoned:
            raise registration_expired()

    def apply(self, event: Any) -> None:
        match event:
            case RegistrationStarted():
                self.person_type = event.person_type
                self.email = event.email
                self.organisation = event.organisation
                self.language = event.language
            case RegistrationEmailCorrected():
                self.email = event.email
            case RegistrationConfirmed():
                self.confirmed = True
            case RegistrationAbandoned():
                self.abandoned = True
