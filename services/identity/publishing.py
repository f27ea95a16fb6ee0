"""Identity's events as published: ids only, nothing about the person."""

from __future__ import annotations

from collections.abc import Mapping

from services.identity.domain import (
    PasswordChanged,
    PasswordResetRequested,
    PersonRegistered,
    ProfileChanged,
    RegistrationCodeRequested,
)
from services.identity.factor_events import (
    PasskeyAdded,
    PasskeyRemoved,
    RecoveryCodesIssued,
    RecoveryCodeUsed,
    SecondFactorGuessed,
    SecondFactorReset,
    TotpDisabled,
    TotpEnabled,
)
from shared.bus import Publication
from shared.contracts.identity import FactorChange
from shared.eventstore import Event, Recorded

FACTOR_CHANGES: Mapping[type[Event], FactorChange] = {
    PasskeyAdded: FactorChange.PASSKEY_ADDED,
    PasskeyRemoved: FactorChange.PASSKEY_REMOVED,
    TotpEnabled: FactorChange.TOTP_ENABLED,
    TotpDisabled: FactorChange.TOTP_DISABLED,
    RecoveryCodesIssued: FactorChange.RECOVERY_CODES_ISSUED,
    SecondFactorReset: FactorChange.RESET_BY_STAFF,
}


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
        case PasswordChanged():
            return Publication(
                type="password_changed", subject=subject, data={"person_id": subject}
            )
        case ProfileChanged():
            return Publication(type="profile_changed", subject=subject, data={"person_id": subject})
        # For an unknown address (no person) nothing is published: no letter will be sent.
        case PasswordResetRequested(person_id=person_id) if person_id is not None:
            return Publication(
                type="password_reset_requested", subject=subject, data={"reset_id": subject}
            )
        case RecoveryCodeUsed(left=left):
            return Publication(
                type="recovery_code_used",
                subject=subject,
                data={"person_id": subject, "left": left},
            )
        case SecondFactorGuessed():
            return Publication(
                type="second_factor_guessed", subject=subject, data={"person_id": subject}
            )
        case event if type(event) in FACTOR_CHANGES:
            return Publication(
                type="second_factor_changed",
                subject=subject,
                data={"person_id": subject, "change": FACTOR_CHANGES[type(event)].value},
            )
    return None
