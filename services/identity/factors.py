"""Use cases: adding and removing second factors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from services.identity.authenticators import Authenticators
from services.identity.commands import Command
from services.identity.current_password import Change, ConfirmedChange, confirm
from services.identity.domain import Person
from services.identity.eviction import leave_only
from services.identity.factor_changes import (
    FinishChange,
    finish,
    finish_removal,
    note,
    open_challenge,
    opened,
)
from services.identity.factor_events import (
    PasskeyAdded,
    PasskeyRemoved,
    RecoveryCodesIssued,
    SecondFactorReset,
    TotpDisabled,
    TotpEnabled,
)
from services.identity.limits import PASSKEYS_PER_PERSON, SECOND_FACTOR_CODES_OF_PERSON
from services.identity.one_time_codes import accepted_step, plain_code, totp_uri
from services.identity.passkeys import Passkey
from services.identity.personal_data import reveal
from services.identity.recovery_codes import CodeDigests
from services.identity.refusals import refusal
from services.identity.second_factors import PASSKEY, TOTP
from shared.errors import Conflict, NotFound
from shared.eventstore import Session
from shared.ids import new_id


class StartPasskey(ConfirmedChange, frozen=True, kw_only=True):
    name: str
    nonce: bytes


class StartTotp(ConfirmedChange, frozen=True, kw_only=True):
    secret: str
    nonce: bytes


class AddPasskey(FinishChange, frozen=True, kw_only=True):
    credential: dict[str, Any]


class EnableTotp(FinishChange, frozen=True, kw_only=True):
    code: str


class RemovePasskey(ConfirmedChange, frozen=True, kw_only=True):
    passkey_id: UUID
    token_digest: bytes


class DisableTotp(ConfirmedChange, frozen=True, kw_only=True):
    token_digest: bytes


class IssueRecoveryCodes(ConfirmedChange, frozen=True, kw_only=True):
    codes: CodeDigests


class StretchCodes(Command, frozen=True, kw_only=True):
    """Codes that were issued as plain keyed digests, stretched by ``recipe``."""

    person_id: UUID
    recipe: str
    digests: Mapping[bytes, bytes]


class ResetSecondFactor(Command, frozen=True, kw_only=True):
    """By staff, for a person who has lost every factor but the mailbox; ``dry_run``: only check."""

    person_id: UUID
    reason: str
    dry_run: bool = False


def start_passkey(session: Session, command: StartPasskey) -> dict[str, Any]:
    """Open a challenge for a passkey; return {challenge_id, expires_at}.

    Raises what `confirm` raises, and Conflict ``too_many_passkeys``.
    """
    confirm(session, command)
    known = session.read.second_factors.passkeys.of_person(command.person_id)
    if len(known) >= PASSKEYS_PER_PERSON:
        raise Conflict(
            "too_many_passkeys",
            f"There may be {PASSKEYS_PER_PERSON} passkeys; remove one that is not used.",
            most=PASSKEYS_PER_PERSON,
        )
    return open_challenge(session, command, "add_passkey", command.name, command.nonce)


def start_totp(session: Session, command: StartTotp) -> dict[str, Any]:
    """Open a challenge for an authenticator app; return {challenge_id, expires_at}.

    Raises what `confirm` raises, and Conflict ``totp_enabled``.
    """
    confirm(session, command)
    if session.read.second_factors.totp.of_person(command.person_id) is not None:
        raise _totp_enabled()
    return open_challenge(session, command, "add_totp", command.secret, command.nonce)


def passkey_challenge(
    session: Session, authenticators: Authenticators, change: Change, challenge_id: UUID
) -> dict[str, Any]:
    """Return {challenge_id, name, passkey: the options of its creation, expires_at}.

    Raises Conflict ``challenge_expired`` or ``passkeys_unavailable``.
    """
    challenge, name = opened(session, change, challenge_id, "add_passkey")
    known = session.read.second_factors.passkeys.of_person(change.person_id)
    email = _email(session, change.person_id)
    return {
        "challenge_id": str(challenge_id),
        "name": name,
        "passkey": authenticators.creation_options(change.person_id, email, challenge.nonce, known),
        "expires_at": challenge.expires_at.isoformat(),
    }


def totp_challenge(session: Session, change: Change, challenge_id: UUID) -> dict[str, Any]:
    """Return {challenge_id, secret, uri, expires_at}. Raises Conflict ``challenge_expired``."""
    challenge, secret = opened(session, change, challenge_id, "add_totp")
    return {
        "challenge_id": str(challenge_id),
        "secret": secret,
        "uri": totp_uri(secret, _email(session, change.person_id)),
        "expires_at": challenge.expires_at.isoformat(),
    }


def _email(session: Session, person_id: UUID) -> str:
    person = session.load(Person, person_id)
    person.must_exist()
    return reveal(session, person_id, person.email, "email")


def passkey_adder(
    authenticators: Authenticators,
) -> Callable[[Session, AddPasskey], dict[str, Any]]:
    """Return the use case that adds a passkey, given the ceremonies of this installation."""

    def add_passkey(session: Session, command: AddPasskey) -> dict[str, Any]:
        """Add the passkey that was created; return {passkey_id, expires_at, recovery_codes}.

        ``recovery_codes`` says whether the fresh ones are issued. Raises ValidationFailed
        ``passkey_refused``, Conflict ``challenge_expired`` or ``passkey_known``.
        """
        session.read.credentials.lock(command.person_id)
        challenge, name = opened(session, command, command.challenge_id, "add_passkey")
        made = authenticators.created(command.credential, challenge.nonce)
        passkey = Passkey(
            passkey_id=new_id(),
            person_id=command.person_id,
            credential_id=made.credential_id,
            public_key=made.public_key,
            sign_count=made.sign_count,
            name=session.vault.seal(command.person_id, name, PASSKEY),
            added_at=session.now,
        )
        if not session.read.second_factors.passkeys.add(passkey):
            raise Conflict("passkey_known", "This authenticator has a passkey here already.")
        added = PasskeyAdded(passkey_id=passkey.passkey_id)
        return {"passkey_id": str(passkey.passkey_id), **finish(session, command, added)}

    return add_passkey


def enable_totp(session: Session, command: EnableTotp) -> dict[str, Any]:
    """Ask for codes of an app from now on; return {expires_at, recovery_codes}.

    Returns a counted refusal ``wrong_second_factor`` for a wrong code. Raises Conflict
    ``challenge_expired`` or ``totp_enabled``.
    """
    factors = session.read.second_factors
    session.read.credentials.lock(command.person_id)
    challenge, secret = opened(session, command, command.challenge_id, "add_totp")
    step = accepted_step(secret, plain_code(command.code), 0, session.now)
    if step is None:
        factors.challenges.miss(challenge.challenge_id)
        return refusal("wrong_second_factor", attempts_left=challenge.attempts_left - 1)
    sealed = session.vault.seal(command.person_id, secret, TOTP)
    if not factors.totp.add(command.person_id, sealed, step, session.now):
        raise _totp_enabled()
    return finish(session, command, TotpEnabled())


def remove_passkey(session: Session, command: RemovePasskey) -> dict[str, Any]:
    """Remove a passkey; return {expires_at}.

    Raises what `confirm` raises, and NotFound ``passkey_not_found``.
    """
    confirm(session, command)
    if not session.read.second_factors.passkeys.remove(command.person_id, command.passkey_id):
        raise NotFound("passkey_not_found", "There is no such passkey; it may have been removed.")
    removed = PasskeyRemoved(passkey_id=command.passkey_id)
    return finish_removal(session, command, command.token_digest, removed)


def disable_totp(session: Session, command: DisableTotp) -> dict[str, Any]:
    """Ask for codes of an app no more; return {expires_at}.

    Raises what `confirm` raises, and NotFound ``totp_not_enabled``.
    """
    confirm(session, command)
    if not session.read.second_factors.totp.remove(command.person_id):
        raise NotFound(
            "totp_not_enabled", "No authenticator app is set up; there is nothing to do."
        )
    return finish_removal(session, command, command.token_digest, TotpDisabled())


def issue_recovery_codes(session: Session, command: IssueRecoveryCodes) -> dict[str, Any]:
    """Replace the recovery codes; return {}.

    Raises what `confirm` raises, and Conflict ``second_factor_missing``.
    """
    confirm(session, command)
    if not session.read.second_factors.methods(command.person_id):
        raise Conflict(
            "second_factor_missing", "Recovery codes stand in for a second factor; add one first."
        )
    session.read.second_factors.recovery_codes.replace(
        command.person_id, command.codes, session.now
    )
    note(session, command.person_id, RecoveryCodesIssued())
    return {}


def stretch_codes(session: Session, command: StretchCodes) -> int:
    """Replace plain digests of a person's codes; return how many were still there."""
    session.read.credentials.lock(command.person_id)
    codes = session.read.second_factors.recovery_codes
    replaced: int = codes.stretch(command.person_id, command.recipe, command.digests)
    return replaced


def reset_second_factor(session: Session, command: ResetSecondFactor) -> dict[str, Any]:
    """Remove every factor but the password, and end all sessions; return {person_id}.

    Raises NotFound ``person_not_found``, Conflict ``second_factor_missing``.
    """
    read = session.read
    session.load(Person, command.person_id).must_exist()
    if not command.dry_run:
        read.credentials.lock(command.person_id)
    if not read.second_factors.methods(command.person_id):
        raise Conflict("second_factor_missing", "This person has no second factor.")
    if not command.dry_run:
        read.second_factors.forget(command.person_id)
        read.attempts.clear(SECOND_FACTOR_CODES_OF_PERSON, command.person_id.bytes)
        leave_only(session, command.person_id, None)
        note(session, command.person_id, SecondFactorReset(), reason=command.reason)
    return {"person_id": str(command.person_id)}


def _totp_enabled() -> Conflict:
    return Conflict("totp_enabled", "An authenticator app is set up already; remove it first.")
