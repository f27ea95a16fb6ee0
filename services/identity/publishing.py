"""Identity's events as published: ids only, nothing about the person."""

from __future__ import annotations

from collections.abc import Mapping

from services.identity.domain import (
    PasswordChanged,
    PasswordResetRequested,
    PersonRegistered,
    ProfileChanged,
    RegistrationCodeRequested,
    TemporaryPasswordRequested,
)
from shared.bus import Publication
from shared.eventstore import Event, Recorded

_OF_A_PERSON: Mapping[type[Event], str] = {
    TemporaryPasswordRequested: "temporary_password_requested",
    PasswordChanged: "password_changed",
    ProfileChanged: "profile_changed",
}
"""What is said of a person alone."""


def publish(recorded: Recorded) -> Publication | None:
    """Return the published form of an event, or None if it is internal."""
    subject = str(recorded.originator_id)
    match recorded.event:
        case RegistrationCodeRequested():
            return Publication(
                type="registration_code_requested",
                subject=subject,
                data={"registration_id": subject},
            )
        case PersonRegistered(person_type=person_type):
            return Publication(
                type="person_registered",
                subject=subject,
                data={"person_id": subject, "person_type": str(person_type)},
            )
        case event if type(event) in _OF_A_PERSON:
            return Publication(
                type=_OF_A_PERSON[type(event)], subject=subject, data={"person_id": subject}
            )
        # For an unknown address (no person) nothing is published: no letter will be sent.
        case PasswordResetRequested(person_id=person_id) if person_id is not None:
            return Publication(
                type="password_reset_requested", subject=subject, data={"reset_id": subject}
            )
    return None
