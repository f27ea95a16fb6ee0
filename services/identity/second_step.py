"""Use cases: the second step of signing in, and signing in by a passkey alone.

Codes are guessed only by whoever has the right password already. Wrong ones are counted for each
known device of the person, and for all other places together, so that nobody spends the attempts of
the owner's devices; for one password, so that a new one begins anew; and, of the other places, in
total, so that whoever recovers it again and again gains little. A signature cannot be guessed, and
is never counted.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from services.identity.access import open_session
from services.identity.authenticators import Authenticators, id_of
from services.identity.challenges import Challenge
from services.identity.commands import Command
from services.identity.credentials import Credential
from services.identity.factor_changes import note
from services.identity.factor_events import SecondFactorGuessed
from services.identity.factor_use import use_code, use_passkey
from services.identity.limits import (
    CHALLENGE_ATTEMPTS,
    CHALLENGE_LIFE,
    GUESSING_LETTERS,
    SECOND_FACTOR_CODES,
    SECOND_FACTOR_CODES_OF_PERSON,
)
from services.identity.places import Place
from services.identity.refusals import refusal, refused
from shared.eventstore import Session
from shared.ids import new_id

_NONCE_BYTES = 32


class TakeSecondStep(Command, frozen=True, kw_only=True):
    """``code`` is one of an app or a recovery code; ``recovery_digest`` is its digest as such.

    That digest is stretched as `recipe_of_step` says.
    """

    challenge_id: UUID
    code: str | None
    recovery_digest: bytes | None
    passkey: dict[str, Any] | None
    token_digest: bytes
    place: Place


class SignInByPasskey(Command, frozen=True, kw_only=True):
    """``nonce`` is ours, and has not expired."""

    passkey: dict[str, Any]
    nonce: bytes
    nonce_expires_at: datetime
    token_digest: bytes
    place: Place


def enter(
    session: Session, person_id: UUID, token_digest: bytes, place: Place, how: str
) -> dict[str, Any]:
    """Return what follows the first factor: a session, as `open_session` returns it.

    A person with a second factor gets {second_factor: {challenge_id, methods, expires_at}} instead,
    and nothing is opened. The caller has locked the credential.
    """
    factors = session.read.second_factors
    methods = factors.methods(person_id)
    if not methods:
        return open_session(session, person_id, token_digest, place, how)
    challenge = Challenge(
        challenge_id=new_id(),
        purpose="second_step",
        person_id=person_id,
        bound_to=_first_factor(session.read.credentials.of_person(person_id), how),
        nonce=secrets.token_bytes(_NONCE_BYTES),
        sealed=None,
        attempts_left=CHALLENGE_ATTEMPTS,
        expires_at=session.now + CHALLENGE_LIFE,
    )
    factors.challenges.open(challenge)
    return {"second_factor": _described(challenge, methods)}


def second_step(
    session: Session, authenticators: Authenticators, challenge_id: UUID
) -> dict[str, Any]:
    """Return {challenge_id, methods, expires_at, passkey: options or None} of a second step.

    Raises Conflict ``challenge_expired``.
    """
    factors = session.read.second_factors
    challenge = factors.challenges.pending(challenge_id, "second_step", session.now)
    if challenge is None:
        raise refused("challenge_expired")
    methods = factors.methods(challenge.person_id)
    options = None
    if "passkey" in methods and authenticators.available:
        known = factors.passkeys.of_person(challenge.person_id)
        options = authenticators.request_options(challenge.nonce, known)
    return {**_described(challenge, methods), "passkey": options}


def recipe_of_step(session: Session, challenge_id: UUID) -> str | None:
    """Return how a recovery code of a second step is stretched.

    None where the step cannot be taken: whoever did not give the password has us compute nothing.
    """
    factors = session.read.second_factors
    challenge = factors.challenges.pending(challenge_id, "second_step", session.now)
    if challenge is None or challenge.attempts_left <= 0:
        return None
    recipe: str | None = factors.recovery_codes.recipe_of(challenge.person_id)
    return recipe


def _described(challenge: Challenge, methods: list[str]) -> dict[str, Any]:
    return {
        "challenge_id": str(challenge.challenge_id),
        "methods": methods,
        "expires_at": challenge.expires_at.isoformat(),
    }


def _first_factor(credential: Credential | None, how: str) -> bytes:
    """Return what binds a second step to the first: with another password it is void."""
    stored = "" if credential is None else credential.password_hash or ""
    return hashlib.sha256(stored.encode()).digest() + how.encode()


def second_step_taker(
    authenticators: Authenticators,
) -> Callable[[Session, TakeSecondStep], dict[str, Any]]:
    """Return the use case that takes the second step, given the ceremonies of this installation."""

    def take_second_step(session: Session, command: TakeSecondStep) -> dict[str, Any]:
        """Open a session, as `open_session` returns it, or return a counted refusal.

        ``challenge_expired``, ``second_factor_guessed``, ``wrong_second_factor``. Raises
        ValidationFailed ``passkey_refused``, Conflict ``passkeys_unavailable``.
        """
        read = session.read
        challenges = read.second_factors.challenges
        challenge = challenges.pending(command.challenge_id, "second_step", session.now)
        if challenge is None:
            return refusal("challenge_expired")
        credential = read.credentials.lock(challenge.person_id)
        # Read again under the lock: it may have served, or been tried, meanwhile.
        challenge = challenges.pending(command.challenge_id, "second_step", session.now)
        if challenge is None or credential is None or challenge.attempts_left <= 0:
            return refusal("challenge_expired")
        before = challenge.bound_to[hashlib.sha256().digest_size :].decode()
        if challenge.bound_to != _first_factor(credential, before):
            return refusal("challenge_expired")
        if command.passkey is not None:
            use_passkey(
                session, authenticators, challenge.person_id, challenge.nonce, command.passkey
            )
            how = "passkey"
        else:
            tried = _try_code(session, challenge, credential, command)
            if isinstance(tried, dict):
                return tried
            how = tried
        challenges.close(challenge.challenge_id)
        return open_session(
            session, challenge.person_id, command.token_digest, command.place, f"{before}+{how}"
        )

    return take_second_step


def _try_code(
    session: Session, challenge: Challenge, credential: Credential, command: TakeSecondStep
) -> str | dict[str, Any]:
    """Return what a right code is, else the refusal, which is counted."""
    read, person_id = session.read, challenge.person_id
    place = command.place
    is_known = read.devices.is_known(person_id, place.device_digest, session.now)
    subject = _counted(credential, place.device_digest if is_known else None)
    limits = [(SECOND_FACTOR_CODES, subject)]
    if not is_known:
        limits.append((SECOND_FACTOR_CODES_OF_PERSON, person_id.bytes))
    for limit, counted in limits:
        wait = read.attempts.wait(limit, counted, session.now)
        if wait:
            return refusal("second_factor_guessed", **limit.exceeded(wait))
    how = use_code(session, person_id, command.code, command.recovery_digest)
    if how is not None:
        return how
    for limit, counted in limits:
        read.attempts.take(limit, counted, session.now)
    read.second_factors.challenges.miss(challenge.challenge_id)
    left = challenge.attempts_left - 1
    if not left:
        _tell_of_guessing(session, person_id)
    return refusal("wrong_second_factor", attempts_left=left)


def _counted(credential: Credential, device_digest: bytes | None) -> bytes:
    parts = (credential.person_id.bytes, (credential.password_hash or "").encode())
    return hashlib.sha256(b"\0".join((*parts, device_digest or b""))).digest()


def _tell_of_guessing(session: Session, person_id: UUID) -> None:
    """Have the owner told, once a day, that somebody has the password and guesses the rest."""
    if not session.read.attempts.take(GUESSING_LETTERS, person_id.bytes, session.now):
        note(session, person_id, SecondFactorGuessed())


def passkey_sign_in(
    authenticators: Authenticators,
) -> Callable[[Session, SignInByPasskey], dict[str, Any]]:
    """Return the use case that signs in by a passkey, given the ceremonies of this installation."""

    def sign_in_by_passkey(session: Session, command: SignInByPasskey) -> dict[str, Any]:
        """Open a session, as `open_session` returns it: the key and its user are two factors.

        Raises ValidationFailed ``passkey_refused`` (unknown, not verified, a copy, not used
        with a recovered password yet), Conflict ``challenge_expired``: what was signed had served.
        """
        read = session.read
        found = read.second_factors.passkeys.of_credential(id_of(command.passkey))
        if found is None:
            raise refused("passkey_refused")
        read.credentials.lock(found.person_id)
        # Read again under the lock: its counter may have grown, or it was removed.
        found = read.second_factors.passkeys.of_credential(found.credential_id)
        if found is None or found.needs_password:
            raise refused("passkey_refused")
        count = authenticators.used(command.passkey, command.nonce, found, alone=True)
        if not read.second_factors.challenges.spend(command.nonce, command.nonce_expires_at):
            raise refused("challenge_expired")
        read.second_factors.passkeys.used(found.passkey_id, count, session.now)
        return open_session(
            session, found.person_id, command.token_digest, command.place, "passkey"
        )

    return sign_in_by_passkey
