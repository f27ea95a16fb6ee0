"""Identity's events as published: ids only, nothing about the person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.identity.domain import (
    PasswordChanged,
    PersonErased,
    PersonRegistered,
    ProfileChanged,
    SignedInFromNewDevice,
    SignInLinkRequested,
    TemporaryPasswordRequested,
)
from services.identity.factor_publishing import published_factor
from services.identity.link_aggregates import (
    EmailChangeCompleted,
    EmailChangeRequested,
    PasswordResetRequested,
)
from services.identity.registrations import RegistrationCodeRequested
from shared.bus import Publication
from shared.eventstore import Event, Recorded

_OF_A_PERSON: Mapping[type[Event], str] = {
    TemporaryPasswordRequested: "temporary_password_requested",
    PasswordChanged: "password_changed",
    ProfileChanged: "profile_changed",
    PersonErased: "person_erased",
}
"""What is said of a person alone."""


def publish(recorded: Recorded) -> Publication | None:
    """Return the published form of an event, or None if it is internal."""
    subject = str(recorded.originator_id)
    published: tuple[str, dict[str, Any]] | None
    match recorded.event:
        case RegistrationCodeRequested():
            published = ("registration_code_requested", {"registration_id": subject})
        case PersonRegistered(person_type=person_type):
            person = {"person_id": subject, "person_type": str(person_type)}
            published = ("person_registered", person)
        case event if type(event) in _OF_A_PERSON:
            published = (_OF_A_PERSON[type(event)], {"person_id": subject})
        case SignInLinkRequested(link_id=link_id):
            published = ("sign_in_link_requested", {"link_id": str(link_id)})
        case SignedInFromNewDevice(session_id=session_id):
            opened = {"person_id": subject, "session_id": str(session_id)}
            published = ("new_device_signed_in", opened)
        # For an unknown address (no person) nothing is published: no letter will be sent.
        case PasswordResetRequested(person_id=person_id) if person_id is not None:
            published = ("password_reset_requested", {"reset_id": subject})
        case EmailChangeRequested():
            published = ("email_change_requested", {"change_id": subject})
        case EmailChangeCompleted():
            published = ("email_changed", {"change_id": subject})
        case event:
            published = published_factor(event, subject)
    if published is None:
        return None
    return Publication(type=published[0], subject=subject, data=published[1])
