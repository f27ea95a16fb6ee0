"""Use cases: the second step once more, in a session, before a change of access.

Where a second factor is set up, the password alone changes neither factors nor the address nor the
password: who has found an open cabinet and knows the password must not take it over. Recovery codes
serve here too, and whoever has lost everything but the mailbox is helped by staff, as at a log-in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from services.identity.authenticators import Authenticators
from services.identity.current_password import Change, live_session, second_step_is_due
from services.identity.factor_use import SignedRequest, use_code, use_passkey
from services.identity.limits import REAUTHENTICATION_LIFE, SESSION_CODES, SESSION_CODES_OF_DAY
from services.identity.refusals import refusal, refused
from shared.errors import Conflict
from shared.eventstore import Session


class Reauthenticate(Change, frozen=True, kw_only=True):
    """A code, or what a passkey signed."""

    code: str | None
    recovery_digest: bytes | None
    signed: SignedRequest | None


def reauthentication(
    session: Session, authenticators: Authenticators, change: Change, nonce: bytes
) -> dict[str, Any]:
    """Return {required, methods, passkey: options or None, until} of the second step of a session.

    ``until`` is the moment until which a step already taken serves, None without one. Raises
    Forbidden ``session_expired``.
    """
    factors = session.read.second_factors
    entry = live_session(session, change)
    methods = factors.methods(change.person_id)
    required = second_step_is_due(session, entry)
    options = None
    if required and "passkey" in methods and authenticators.available:
        known = factors.passkeys.of_person(change.person_id)
        options = authenticators.request_options(nonce, known)
    taken = entry.second_step_at
    serves = methods and not required and taken is not None
    return {
        "required": required,
        "methods": methods,
        "passkey": options,
        "until": (taken + REAUTHENTICATION_LIFE).isoformat() if serves and taken else None,
    }


def recipe_of_session(session: Session, change: Change) -> str | None:
    """Return how a recovery code of a session is stretched; None where none would be looked at."""
    wait = session.read.attempts.wait(SESSION_CODES, change.session_id.bytes, session.now)
    recipe: str | None = session.read.second_factors.recovery_codes.recipe_of(change.person_id)
    return None if wait else recipe


def reauthenticator(
    authenticators: Authenticators,
) -> Callable[[Session, Reauthenticate], dict[str, Any]]:
    """Return the use case of the step, given the ceremonies of this installation."""

    def reauthenticate(session: Session, command: Reauthenticate) -> dict[str, Any]:
        """Note that the step was taken; return {until}, or a counted refusal.

        ``wrong_second_factor``, ``too_many_attempts``, ``session_expired``. Raises Forbidden
        ``session_expired``, Conflict ``second_factor_missing``, ``challenge_expired`` or
        ``passkeys_unavailable``, ValidationFailed ``passkey_refused``.
        """
        read, person_id = session.read, command.person_id
        read.credentials.lock(person_id)
        live_session(session, command)
        if not read.second_factors.methods(person_id):
            raise Conflict("second_factor_missing", "There is no second factor to be asked for.")
        if (signed := command.signed) is not None:
            use_passkey(session, authenticators, person_id, signed.nonce, signed.credential)
            if not read.second_factors.challenges.spend(signed.nonce, signed.expires_at):
                raise refused("challenge_expired")
        elif (refused_code := _try_code(session, command)) is not None:
            return refused_code
        read.sessions.second_step_taken(command.session_id, session.now)
        session.security.note("second_step_taken", person_id=person_id)
        return {"until": (session.now + REAUTHENTICATION_LIFE).isoformat()}

    return reauthenticate


def _try_code(session: Session, command: Reauthenticate) -> dict[str, Any] | None:
    """Use a code up; return the refusal of a wrong one, which is counted by session."""
    read, subject = session.read, command.session_id.bytes
    wait = read.attempts.take(SESSION_CODES, subject, session.now)
    if wait:
        return refusal("too_many_attempts", **SESSION_CODES.exceeded(wait))
    if read.attempts.take(SESSION_CODES_OF_DAY, subject, session.now):
        _end(session, command.person_id, command.session_id)
        return refusal("session_expired")
    if use_code(session, command.person_id, command.code, command.recovery_digest) is None:
        left = read.attempts.left(SESSION_CODES, subject, session.now)
        return refusal("wrong_second_factor", attempts_left=left)
    for limit in (SESSION_CODES, SESSION_CODES_OF_DAY):
        read.attempts.clear(limit, subject)
    return None


def _end(session: Session, person_id: UUID, session_id: UUID) -> None:
    if session.read.sessions.end(person_id, session_id):
        session.security.note("session_ended", person_id=person_id, about="second_step")
