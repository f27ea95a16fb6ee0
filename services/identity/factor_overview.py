"""What a person has of second factors, without a secret."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from services.identity.personal_data import reveal
from services.identity.second_factors import PASSKEY
from shared.eventstore import Session


def overview(session: Session, person_id: UUID) -> dict[str, Any]:
    """Return {passkeys: [{passkey_id, name, added_at, last_used_at}], totp, recovery_codes}.

    ``totp`` is {added_at, last_used_at} or None, ``recovery_codes`` {left, issued_at} or None.
    """
    factors = session.read.second_factors
    passkeys, totp = factors.passkeys.of_person(person_id), factors.totp.of_person(person_id)
    left, issued_at = factors.recovery_codes.left(person_id)
    return {
        "passkeys": [
            {
                "passkey_id": str(passkey.passkey_id),
                "name": reveal(session, person_id, passkey.name, PASSKEY),
                "added_at": passkey.added_at.isoformat(),
                "last_used_at": _moment(passkey.last_used_at),
            }
            for passkey in passkeys
        ],
        "totp": totp
        and {
            "added_at": totp.added_at.isoformat(),
            "last_used_at": _moment(totp.last_used_at),
        },
        "recovery_codes": (
            {"left": left, "issued_at": _moment(issued_at)} if passkeys or totp else None
        ),
    }


def _moment(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
