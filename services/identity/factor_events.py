"""What happens to the second factor of a person; keys, secrets and codes are in no event."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from shared.eventstore import Event


class PasskeyAdded(Event, frozen=True, kw_only=True):
    """A passkey was added."""

    topic: ClassVar[str] = "identity.passkey_added.v1"
    passkey_id: UUID


class PasskeyRemoved(Event, frozen=True, kw_only=True):
    """A passkey was removed, by the person or by a recovery."""

    topic: ClassVar[str] = "identity.passkey_removed.v1"
    passkey_id: UUID


class TotpEnabled(Event, frozen=True, kw_only=True):
    """Codes of an authenticator app are asked for from now on."""

    topic: ClassVar[str] = "identity.totp_enabled.v1"


class TotpDisabled(Event, frozen=True, kw_only=True):
    """Codes of an authenticator app are asked for no more."""

    topic: ClassVar[str] = "identity.totp_disabled.v1"


class RecoveryCodesIssued(Event, frozen=True, kw_only=True):
    """Fresh recovery codes were issued; earlier ones are void."""

    topic: ClassVar[str] = "identity.recovery_codes_issued.v1"


class RecoveryCodeUsed(Event, frozen=True, kw_only=True):
    """A recovery code stood in for the second factor; ``left`` is how many remain."""

    topic: ClassVar[str] = "identity.recovery_code_used.v1"
    left: int


class SecondFactorGuessed(Event, frozen=True, kw_only=True):
    """Somebody had the right password, and used up the attempts at the second factor."""

    topic: ClassVar[str] = "identity.second_factor_guessed.v1"


class SecondFactorReset(Event, frozen=True, kw_only=True):
    """Staff removed every factor but the password; the reason is in the security log."""

    topic: ClassVar[str] = "identity.second_factor_reset.v1"


FACTOR_EVENTS = (
    PasskeyAdded,
    PasskeyRemoved,
    TotpEnabled,
    TotpDisabled,
    RecoveryCodesIssued,
    RecoveryCodeUsed,
    SecondFactorGuessed,
    SecondFactorReset,
)

SecondFactorChange = (
    PasskeyAdded
    | PasskeyRemoved
    | TotpEnabled
    | TotpDisabled
    | RecoveryCodesIssued
    | RecoveryCodeUsed
    | SecondFactorGuessed
    | SecondFactorReset
)
