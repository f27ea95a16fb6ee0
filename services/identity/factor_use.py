"""Using a second factor: a code serves once, a signature is verified. Nothing is counted here."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from services.identity.authenticators import Authenticators, id_of
from services.identity.commands import Command
from services.identity.factor_changes import note
from services.identity.factor_events import RecoveryCodeUsed
from services.identity.one_time_codes import accepted_step
from services.identity.personal_data import reveal
from services.identity.refusals import refused
from services.identity.second_factors import TOTP
from shared.eventstore import Session


class SignedRequest(Command, frozen=True, kw_only=True):
    """What a passkey signed of a ``nonce`` that is ours and has not expired."""

    credential: dict[str, Any]
    nonce: bytes
    expires_at: datetime


def use_passkey(
    session: Session,
    authenticators: Authenticators,
    person_id: UUID,
    nonce: bytes,
    credential: dict[str, Any],
) -> None:
    """Verify what a passkey of a person has signed beside his password.

    Raises ValidationFailed ``passkey_refused``, Conflict ``passkeys_unavailable``.
    """
    passkeys = session.read.second_factors.passkeys
    passkey = passkeys.of_credential(id_of(credential))
    if passkey is None or passkey.person_id != person_id:
        raise refused("passkey_refused")
    count = authenticators.used(credential, nonce, passkey, alone=False)
    passkeys.used(passkey.passkey_id, count, session.now)


def use_code(
    session: Session, person_id: UUID, code: str | None, recovery_digest: bytes | None
) -> str | None:
    """Use a code up; return what kind it is, None for a wrong one."""
    factors = session.read.second_factors
    totp = factors.totp.of_person(person_id)
    if totp is not None and code:
        secret = reveal(session, person_id, totp.sealed, TOTP)
        step = accepted_step(secret, code, totp.last_step, session.now)
        if step is not None:
            factors.totp.used(person_id, step, session.now)
            return "totp"
    if recovery_digest is None or not factors.recovery_codes.spend(person_id, recovery_digest):
        return None
    left, _ = factors.recovery_codes.left(person_id)
    note(session, person_id, RecoveryCodeUsed(left=left))
    return "recovery_code"
