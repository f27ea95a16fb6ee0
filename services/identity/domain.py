"""Persons: their events and rules.

`registrations` has what comes before, `link_aggregates` what links complete.

No event holds a code, a password or a hash. Personal data (e-mail, name, phone, organisation
details, network address) is in events only sealed by the vault, under the key of the person:
destroying that key erases the person everywhere.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from services.identity.factor_events import FACTOR_EVENTS, SecondFactorChange
from services.identity.link_aggregates import (
    EmailChangeCompleted,
    EmailChangeConfirmed,
    EmailChangeEnded,
    EmailChangeRequested,
    PasswordResetCompleted,
    PasswordResetRequested,
)
from services.identity.registrations import (
    RegistrationAbandoned,
    RegistrationCodeRequested,
    RegistrationConfirmed,
    RegistrationEmailCorrected,
    RegistrationStarted,
)
from shared.contracts.identity import Language, PersonType
from shared.errors import Conflict, NotFound
from shared.eventstore import Aggregate, Event, EventTypes
from shared.ids import NAMESPACE, derived_id


class PasswordOrigin(StrEnum):
    """How a password was changed: in the settings, or by recovery."""

    CHANGED = "changed"
    RESET = "reset"


class ErasureCause(StrEnum):
    """Why a person was erased."""

    WITHDRAWN = "withdrawn"
    """The person withdrew the consent to personal-data processing."""
    STAFF = "staff"


class PersonRegistered(Event, frozen=True, kw_only=True):
    """A person has registered, accepted the rules and consented to data processing.

    The consent must be provable (152-ФЗ ст. 9 ч. 3): hence the versions of both texts, the time,
    and the sealed network address.
    """

    topic: ClassVar[str] = "identity.person_registered.v1"
    registration_id: UUID
    person_type: PersonType
    email: str
    organisation: str | None = None
    rules_version: str
    consent_version: str
    consented_at: datetime
    consented_from: str
    language: Language = Language.RUSSIAN


class DocumentsAccepted(Event, frozen=True, kw_only=True):
    """The person accepted new versions of the rules or the consent; None was not in question."""

    topic: ClassVar[str] = "identity.documents_accepted.v1"
    rules_version: str | None = None
    consent_version: str | None = None
    accepted_at: datetime
    accepted_from: str


class TemporaryPasswordRequested(Event, frozen=True, kw_only=True):
    """Staff had the letter with the password for the first sign-in written again."""

    topic: ClassVar[str] = "identity.temporary_password_requested.v1"


class TemporaryPasswordIssued(Event, frozen=True, kw_only=True):
    """A password for the first sign-in was issued for a letter; an earlier one is void."""

    topic: ClassVar[str] = "identity.temporary_password_issued.v1"
    expires_at: datetime


class PasswordChanged(Event, frozen=True, kw_only=True):
    """The person has chosen a new password."""

    topic: ClassVar[str] = "identity.password_changed.v1"
    origin: PasswordOrigin


class SignInLinkRequested(Event, frozen=True, kw_only=True):
    """The right password came from a strange place while strangers were guessing: a letter is due.

    The link that it will have is in no event.
    """

    topic: ClassVar[str] = "identity.sign_in_link_requested.v1"
    link_id: UUID


class SignedInFromNewDevice(Event, frozen=True, kw_only=True):
    """The person has signed in on a device that was not known."""

    topic: ClassVar[str] = "identity.signed_in_from_new_device.v1"
    session_id: UUID


class ProfileChanged(Event, frozen=True, kw_only=True):
    """The settings were saved: None leaves a value, the empty text clears it."""

    topic: ClassVar[str] = "identity.profile_changed.v1"
    full_name: str | None = None
    phone: str | None = None


class LanguageChosen(Event, frozen=True, kw_only=True):
    """The person has chosen the language of the letters."""

    topic: ClassVar[str] = "identity.language_chosen.v1"
    language: Language


class EmailChanged(Event, frozen=True, kw_only=True):
    """The person has another address, sealed; the change tells who confirmed it."""

    topic: ClassVar[str] = "identity.email_changed.v1"
    email: str
    change_id: UUID


class PersonErased(Event, frozen=True, kw_only=True):
    """The person's key is destroyed, and with it the data sealed under it.

    ``cause`` is an `ErasureCause`; empty: recorded before there was one.
    """

    topic: ClassVar[str] = "identity.person_erased.v1"
    cause: str = ""


EVENTS = EventTypes(
    RegistrationStarted,
    RegistrationCodeRequested,
    RegistrationEmailCorrected,
    RegistrationConfirmed,
    RegistrationAbandoned,
    PersonRegistered,
    DocumentsAccepted,
    TemporaryPasswordRequested,
    TemporaryPasswordIssued,
    PasswordChanged,
    SignInLinkRequested,
    SignedInFromNewDevice,
    ProfileChanged,
    LanguageChosen,
    PersonErased,
    *FACTOR_EVENTS,
    PasswordResetRequested,
    PasswordResetCompleted,
    EmailChanged,
    EmailChangeRequested,
    EmailChangeConfirmed,
    EmailChangeCompleted,
    EmailChangeEnded,
)


def farewell_id(person_id: UUID) -> UUID:
    """Return the subject under whose key an erased person's address waits for the last letter."""
    return derived_id(NAMESPACE, "identity/farewell", str(person_id))


class Person(Aggregate):
    """Somebody who can sign in: an individual, or the representative of an organisation."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.email = ""
        self.organisation: str | None = None
        self.language = Language.RUSSIAN
        self.full_name = ""
        self.phone = ""
        self.rules_version = ""
        self.consent_version = ""
        self.has_own_password = False
        self.erased = False

    def register(self, event: PersonRegistered) -> None:
        """Register the person. Raises Conflict ``already_registered``."""
        if self.version:
            raise Conflict("already_registered", "This person is registered; sign in.")
        self.trigger(event)

    def accept_documents(self, event: DocumentsAccepted) -> None:
        """Accept versions that the caller has found in force; known ones make no event."""
        self.must_exist()
        rules = event.rules_version not in (None, self.rules_version)
        consent = event.consent_version not in (None, self.consent_version)
        if rules or consent:
            self.trigger(event)

    def request_temporary_password(self) -> None:
        """Have the letter for the first sign-in written again."""
        self.must_exist()
        self.trigger(TemporaryPasswordRequested())

    @property
    def needs_temporary_password(self) -> bool:
        """Return whether the person exists, and has not chosen a password."""
        return bool(self.version) and not self.erased and not self.has_own_password

    def issue_temporary_password(self, expires_at: datetime) -> None:
        """Issue a password for the first sign-in.

        Raises Conflict ``password_already_chosen``: a late letter must not lock out somebody who
        has chosen a password.
        """
        self.must_exist()
        if self.has_own_password:
            raise Conflict(
                "password_already_chosen",
                "This person has chosen a password already; no letter is needed.",
            )
        self.trigger(TemporaryPasswordIssued(expires_at=expires_at))

    def change_password(self, origin: PasswordOrigin) -> None:
        """Change the password; the caller has checked the old one or the link, and the policy."""
        self.must_exist()
        self.trigger(PasswordChanged(origin=origin))

    def request_sign_in_link(self, link_id: UUID) -> None:
        """Request a letter with a link to sign in; the caller has checked the password."""
        self.must_exist()
        self.trigger(SignInLinkRequested(link_id=link_id))

    def sign_in_from_new_device(self, session_id: UUID) -> None:
        """Record a session on a device that was not known."""
        self.must_exist()
        self.trigger(SignedInFromNewDevice(session_id=session_id))

    def change_profile(self, full_name: str | None, phone: str | None) -> None:
        """Save the settings, sealed: None leaves a value, the empty text clears it."""
        self.must_exist()
        if full_name is not None or phone is not None:
            self.trigger(ProfileChanged(full_name=full_name, phone=phone))

    def choose_language(self, language: Language) -> None:
        """Choose the language of the letters; the one in use makes no event."""
        self.must_exist()
        if language is not self.language:
            self.trigger(LanguageChosen(language=language))

    def change_second_factor(self, change: SecondFactorChange) -> None:
        """Note a change of the second factor; the caller has made it in the tables."""
        self.must_exist()
        self.trigger(change)

    def change_email(self, email: str, change_id: UUID) -> None:
        """Replace the address by a sealed one, which a change has confirmed."""
        self.must_exist()
        self.trigger(EmailChanged(email=email, change_id=change_id))

    def erase(self, cause: ErasureCause) -> None:
        """Erase the person; the caller destroys the key and deletes the rows."""
        self.must_exist()
        self.trigger(PersonErased(cause=cause.value))

    def must_exist(self) -> None:
        """Raise NotFound ``person_not_found`` unless the person exists and is not erased."""
        if not self.version or self.erased:
            raise NotFound("person_not_found", "There is no such person.")

    def apply(self, event: Any) -> None:
        match event:
            case PersonRegistered():
                self.email = event.email
                self.organisation = event.organisation
                self.language = event.language
                self.rules_version = event.rules_version
                self.consent_version = event.consent_version
            case DocumentsAccepted():
                self.rules_version = event.rules_version or self.rules_version
                self.consent_version = event.consent_version or self.consent_version
            case PasswordChanged():
                self.has_own_password = True
            case ProfileChanged():
                self.full_name = self.full_name if event.full_name is None else event.full_name
                self.phone = self.phone if event.phone is None else event.phone
            case LanguageChosen():
                self.language = event.language
            case EmailChanged():
                self.email = event.email
            case PersonErased():
                self.erased = True
