"""What all changes of a second factor share: the challenge, and what a change entails.

Each change ends the person's other sessions, which one factor less may have opened, and gives this
one another token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.identity.challenges import Challenge, Purpose
from services.identity.current_password import Change, ConfirmedChange
from services.identity.domain import Person
from services.identity.eviction import leave_only
from services.identity.factor_events import (
    PasskeyAdded,
    PasskeyRemoved,
    RecoveryCodesIssued,
    RecoveryCodeUsed,
    SecondFactorChange,
    SecondFactorGuessed,
    SecondFactorReset,
    TotpDisabled,
    TotpEnabled,
)
from services.identity.limits import (
    CHALLENGE_ATTEMPTS,
    CHALLENGE_LIFE,
    FRESH_FACTOR,
    SESSION_LIFE,
)
from services.identity.personal_data import reveal
from services.identity.recovery_codes import CodeDigests
from services.identity.refusals import refused
from services.identity.second_factors import PASSKEY, TOTP
from shared.eventstore import Event, Session
from shared.ids import new_id

FIELDS: Mapping[Purpose, str] = {"add_passkey": PASSKEY, "add_totp": TOTP}
"""The field as which a challenge keeps a text."""
LOGGED: Mapping[type[Event], tuple[str, str]] = {
    PasskeyAdded: ("factor_added", "passkey"),
    PasskeyRemoved: ("factor_removed", "passkey"),
    TotpEnabled: ("factor_added", "totp"),
    TotpDisabled: ("factor_removed", "totp"),
    RecoveryCodesIssued: ("factor_added", "recovery_codes"),
    RecoveryCodeUsed: ("recovery_code_used", ""),
    SecondFactorGuessed: ("second_factor_guessed", ""),
    SecondFactorReset: ("second_factor_reset", ""),
}
"""The entry of each event in the security log: the action, and about what it is."""


class FinishChange(Change, frozen=True, kw_only=True):
    """The end of what a challenge began.

    ``recovery_codes`` are fresh ones, for whoever has none yet.
    """

    challenge_id: UUID
    token_digest: bytes
    recovery_codes: CodeDigests | None


def open_challenge(
    session: Session, command: Change, purpose: Purpose, text: str, nonce: bytes
) -> dict[str, Any]:
    """Open a challenge that keeps a text sealed; return {challenge_id, expires_at}."""
    challenge = Challenge(
        challenge_id=new_id(),
        purpose=purpose,
        person_id=command.person_id,
        bound_to=command.session_id.bytes,
        nonce=nonce,
        sealed=session.vault.seal(command.person_id, text, FIELDS[purpose]),
        attempts_left=CHALLENGE_ATTEMPTS,
        expires_at=session.now + CHALLENGE_LIFE,
    )
    session.read.second_factors.challenges.open(challenge)
    return {
        "challenge_id": str(challenge.challenge_id),
        "expires_at": challenge.expires_at.isoformat(),
    }


def opened(
    session: Session, change: Change, challenge_id: UUID, purpose: Purpose
) -> tuple[Challenge, str]:
    """Return a challenge of this session, and the text that it keeps.

    Raises Conflict ``challenge_expired``, also for one of another session.
    """
    found = session.read.second_factors.challenges.pending(challenge_id, purpose, session.now)
    own = found is not None and (found.person_id, found.bound_to) == (
        change.person_id,
        change.session_id.bytes,
    )
    if not own or found.attempts_left <= 0:
        raise refused("challenge_expired")
    return found, reveal(session, change.person_id, found.sealed, FIELDS[purpose])


def finish(session: Session, command: FinishChange, change: SecondFactorChange) -> dict[str, Any]:
    """Note that a factor was added; return {expires_at, recovery_codes: whether they were issued}.

    Whoever has no recovery codes left gets the fresh ones.
    """
    factors = session.read.second_factors
    factors.challenges.close_all(command.person_id)
    codes = command.recovery_codes
    issue = False
    if codes is not None and not factors.recovery_codes.left(command.person_id)[0]:
        issue = True
        factors.recovery_codes.replace(command.person_id, codes, session.now)
    # The new factor was just used: that is the second step.
    session.read.sessions.second_step_taken(command.session_id, session.now)
    renewed = _renew(session, command, command.token_digest)
    note(session, command.person_id, change)
    return {**renewed, "recovery_codes": issue}


def finish_removal(
    session: Session, command: ConfirmedChange, token_digest: bytes, change: SecondFactorChange
) -> dict[str, Any]:
    """Note that a factor was removed; return {expires_at}. The last one takes the codes along."""
    factors = session.read.second_factors
    factors.challenges.close_all(command.person_id)
    if not factors.methods(command.person_id):
        factors.recovery_codes.remove(command.person_id)
    renewed = _renew(session, command, token_digest)
    note(session, command.person_id, change)
    return renewed


def distrust(session: Session, person_id: UUID) -> None:
    """Remove the factors that were added lately, which a recovery takes for a stranger's.

    The passkeys that stay sign in only after the new password, until each was used so. The caller
    has locked the credential.
    """
    factors, since = session.read.second_factors, session.now - FRESH_FACTOR
    factors.challenges.close_all(person_id)
    for passkey in factors.passkeys.of_person(person_id):
        if passkey.added_at > since:
            factors.passkeys.remove(person_id, passkey.passkey_id)
            note(session, person_id, PasskeyRemoved(passkey_id=passkey.passkey_id))
    totp = factors.totp.of_person(person_id)
    if totp is not None and totp.added_at > since:
        factors.totp.remove(person_id)
        note(session, person_id, TotpDisabled())
    left, issued_at = factors.recovery_codes.left(person_id)
    if left and (issued_at > since or not factors.methods(person_id)):
        factors.recovery_codes.remove(person_id)
        session.security.note("factor_removed", person_id=person_id, about="recovery_codes")
    factors.passkeys.need_password(person_id)


def note(
    session: Session, person_id: UUID, change: SecondFactorChange, *, reason: str = ""
) -> None:
    """Append what has happened to the person's second factor, to both logs."""
    action, about = LOGGED[type(change)]
    session.security.note(action, person_id=person_id, about=about, reason=reason)
    session.load(Person, person_id).change_second_factor(change)


def _renew(session: Session, command: Change, token_digest: bytes) -> dict[str, Any]:
    expires_at = session.now + SESSION_LIFE
    leave_only(session, command.person_id, command.session_id)
    session.read.sessions.extend(command.session_id, expires_at)
    session.read.sessions.renew_token(command.session_id, token_digest)
    return {"expires_at": expires_at.isoformat()}
