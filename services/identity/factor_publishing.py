"""What happens to second factors, as published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
from shared.contracts.identity import FactorChange
from shared.eventstore import Event

FACTOR_CHANGES: Mapping[type[Event], FactorChange] = {
    PasskeyAdded: FactorChange.PASSKEY_ADDED,
    PasskeyRemoved: FactorChange.PASSKEY_REMOVED,
    TotpEnabled: FactorChange.TOTP_ENABLED,
    TotpDisabled: FactorChange.TOTP_DISABLED,
    RecoveryCodesIssued: FactorChange.RECOVERY_CODES_ISSUED,
    SecondFactorReset: FactorChange.RESET_BY_STAFF,
}


def published_factor(event: Any, subject: str) -> tuple[str, dict[str, Any]] | None:
    """Return type and data of an event of a second factor; None for any other event."""
    match event:
        case RecoveryCodeUsed(left=left):
            return "recovery_code_used", {"person_id": subject, "left": left}
        case SecondFactorGuessed():
            return "second_factor_guessed", {"person_id": subject}
    change = FACTOR_CHANGES.get(type(event))
    if change is None:
        return None
    return "second_factor_changed", {"person_id": subject, "change": change.value}
