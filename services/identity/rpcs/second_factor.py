"""The RPCs of second factors: adding and removing them, and signing in with them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any
from uuid import UUID

from services.identity import (
    factor_overview,
    factors,
    reauthentication,
    schemas,
    second_step,
    staff_schemas,
)
from services.identity.authenticators import Authenticators, nonce_of
from services.identity.current_password import Change
from services.identity.factor_use import SignedRequest
from services.identity.fingerprints import new_token, token_digest
from services.identity.limits import CHALLENGE_LIFE
from services.identity.one_time_codes import (
    RECOVERY_DIGITS,
    new_recovery_codes,
    new_totp_secret,
    plain_code,
)
from services.identity.recovery_codes import CodeDigests
from services.identity.refusals import raise_if_refused, refused
from services.identity.rpcs.base import IP, IdentityRpcs
from shared.config import GATEWAY
from shared.eventstore import Session
from shared.rpc.callers import staff
from shared.rpc.server import rpc


class SecondFactorRpcs(IdentityRpcs):
    """Passkeys, an authenticator app, recovery codes."""

    @property
    def _authenticators(self) -> Authenticators:
        return Authenticators(self.settings.url)

    # In the settings

    @rpc(schemas.PersonId, callers=(GATEWAY,))
    def second_factors(self, person_id: UUID) -> dict[str, Any]:
        return self.store.query(lambda session: factor_overview.overview(session, person_id))

    @rpc(schemas.StartPasskey, callers=(GATEWAY,))
    def start_passkey(
        self, person_id: UUID, session_id: UUID, current_password: str, name: str
    ) -> dict[str, Any]:
        _ = self._authenticators.party  # no password is asked for in vain
        command = factors.StartPasskey(
            person_id=person_id,
            session_id=session_id,
            verified_hash=self._confirmed(person_id, session_id, current_password),
            name=name,
            nonce=secrets.token_bytes(32),
        )
        started = self.store.transact(factors.start_passkey, command)
        return self._passkey_challenge(person_id, session_id, UUID(started["challenge_id"]))

    @rpc(schemas.OwnChallenge, callers=(GATEWAY,))
    def passkey_challenge(
        self, person_id: UUID, session_id: UUID, challenge_id: UUID
    ) -> dict[str, Any]:
        return self._passkey_challenge(person_id, session_id, challenge_id)

    def _passkey_challenge(
        self, person_id: UUID, session_id: UUID, challenge_id: UUID
    ) -> dict[str, Any]:
        change = Change(person_id=person_id, session_id=session_id)
        return self.store.query(
            lambda session: factors.passkey_challenge(
                session, self._authenticators, change, challenge_id
            )
        )

    @rpc(schemas.AddPasskey, callers=(GATEWAY,))
    def add_passkey(
        self, person_id: UUID, session_id: UUID, challenge_id: UUID, credential: dict[str, Any]
    ) -> dict[str, Any]:
        token, codes = new_token(), self._missing_codes(person_id)
        command = factors.AddPasskey(
            person_id=person_id,
            session_id=session_id,
            challenge_id=challenge_id,
            credential=credential,
            token_digest=token_digest(token),
            recovery_codes=self._digests(codes) if codes else None,
        )
        added = self.store.transact(factors.passkey_adder(self._authenticators), command)
        return _with_secrets(added, token, codes)

    @rpc(schemas.RemovePasskey, callers=(GATEWAY,))
    def remove_passkey(
        self, person_id: UUID, session_id: UUID, current_password: str, passkey_id: UUID
    ) -> dict[str, Any]:
        token = new_token()
        command = factors.RemovePasskey(
            person_id=person_id,
            session_id=session_id,
            verified_hash=self._confirmed(person_id, session_id, current_password),
            passkey_id=passkey_id,
            token_digest=token_digest(token),
        )
        return {"token": token, **self.store.transact(factors.remove_passkey, command)}

    @rpc(schemas.Confirmed, callers=(GATEWAY,))
    def start_totp(
        self, person_id: UUID, session_id: UUID, current_password: str
    ) -> dict[str, Any]:
        command = factors.StartTotp(
            person_id=person_id,
            session_id=session_id,
            verified_hash=self._confirmed(person_id, session_id, current_password),
            secret=new_totp_secret(),
            nonce=secrets.token_bytes(32),
        )
        started = self.store.transact(factors.start_totp, command)
        return self._totp_challenge(person_id, session_id, UUID(started["challenge_id"]))

    @rpc(schemas.OwnChallenge, callers=(GATEWAY,))
    def totp_challenge(
        self, person_id: UUID, session_id: UUID, challenge_id: UUID
    ) -> dict[str, Any]:
        return self._totp_challenge(person_id, session_id, challenge_id)

    def _totp_challenge(
        self, person_id: UUID, session_id: UUID, challenge_id: UUID
    ) -> dict[str, Any]:
        change = Change(person_id=person_id, session_id=session_id)
        return self.store.query(
            lambda session: factors.totp_challenge(session, change, challenge_id)
        )

    @rpc(schemas.EnableTotp, callers=(GATEWAY,))
    def enable_totp(
        self, person_id: UUID, session_id: UUID, challenge_id: UUID, code: str
    ) -> dict[str, Any]:
        token, codes = new_token(), self._missing_codes(person_id)
        command = factors.EnableTotp(
            person_id=person_id,
            session_id=session_id,
            challenge_id=challenge_id,
            code=code,
            token_digest=token_digest(token),
            recovery_codes=self._digests(codes) if codes else None,
        )
        enabled = raise_if_refused(self.store.transact(factors.enable_totp, command))
        return _with_secrets(enabled, token, codes)

    @rpc(schemas.Confirmed, callers=(GATEWAY,))
    def disable_totp(
        self, person_id: UUID, session_id: UUID, current_password: str
    ) -> dict[str, Any]:
        token = new_token()
        command = factors.DisableTotp(
            person_id=person_id,
            session_id=session_id,
            verified_hash=self._confirmed(person_id, session_id, current_password),
            token_digest=token_digest(token),
        )
        return {"token": token, **self.store.transact(factors.disable_totp, command)}

    @rpc(schemas.Confirmed, callers=(GATEWAY,))
    def issue_recovery_codes(
        self, person_id: UUID, session_id: UUID, current_password: str
    ) -> dict[str, Any]:
        codes = new_recovery_codes()
        command = factors.IssueRecoveryCodes(
            person_id=person_id,
            session_id=session_id,
            verified_hash=self._confirmed(person_id, session_id, current_password),
            codes=self._digests(codes),
        )
        self.store.transact(factors.issue_recovery_codes, command)
        return {"codes": codes}

    @rpc(staff_schemas.ActOnPerson, callers=(staff("restore"),))
    def reset_second_factor(self, **act: Any) -> dict[str, Any]:
        command = factors.ResetSecondFactor(**act)
        if command.dry_run:
            checked = self.store.query(
                lambda session: factors.reset_second_factor(session, command)
            )
            return {**checked, "dry_run": True}
        return self.store.execute(factors.reset_second_factor, command)

    # Signing in

    @rpc(schemas.ChallengeId, callers=(GATEWAY,))
    def second_step(self, challenge_id: UUID) -> dict[str, Any]:
        return self.store.query(
            lambda session: second_step.second_step(session, self._authenticators, challenge_id)
        )

    @rpc(schemas.TakeSecondStep, callers=(GATEWAY,))
    def take_second_step(
        self,
        challenge_id: UUID,
        code: str | None,
        passkey: dict[str, Any] | None,
        device: str | None,
        device_token: str | None,
        ip: IP,
    ) -> dict[str, Any]:
        arrival = self._arrival(device, device_token, ip)
        plain = plain_code(code or "")
        command = second_step.TakeSecondStep(
            challenge_id=challenge_id,
            code=plain,
            recovery_digest=self._recovery_digest(
                plain, lambda session: second_step.recipe_of_step(session, challenge_id)
            ),
            passkey=passkey,
            token_digest=arrival.token_digest,
            place=arrival.place,
        )
        take = second_step.second_step_taker(self._authenticators)
        return self._signed_in(raise_if_refused(self.store.transact(take, command)), arrival)

    @rpc(schemas.Nothing, callers=(GATEWAY,))
    def passkey_request(self) -> dict[str, Any]:
        expires_at = self.store.clock.now() + CHALLENGE_LIFE
        options = self._authenticators.request_options(self._fingerprints.nonce(expires_at))
        return {"passkey": options, "expires_at": expires_at.isoformat()}

    @rpc(schemas.SignInByPasskey, callers=(GATEWAY,))
    def sign_in_by_passkey(
        self, passkey: dict[str, Any], device: str | None, device_token: str | None, ip: IP
    ) -> dict[str, Any]:
        arrival = self._arrival(device, device_token, ip)
        signed = self._signed(passkey)
        command = second_step.SignInByPasskey(
            passkey=passkey,
            nonce=signed.nonce,
            nonce_expires_at=signed.expires_at,
            token_digest=arrival.token_digest,
            place=arrival.place,
        )
        sign_in = second_step.passkey_sign_in(self._authenticators)
        return self._signed_in(self.store.transact(sign_in, command), arrival)

    # Within a session

    @rpc(schemas.InSession, callers=(GATEWAY,))
    def reauthentication(self, person_id: UUID, session_id: UUID) -> dict[str, Any]:
        change = Change(person_id=person_id, session_id=session_id)
        nonce = self._fingerprints.nonce(self.store.clock.now() + CHALLENGE_LIFE)
        return self.store.query(
            lambda session: reauthentication.reauthentication(
                session, self._authenticators, change, nonce
            )
        )

    @rpc(schemas.Reauthenticate, callers=(GATEWAY,))
    def reauthenticate(
        self, person_id: UUID, session_id: UUID, code: str | None, passkey: dict[str, Any] | None
    ) -> dict[str, Any]:
        plain, change = plain_code(code or ""), Change(person_id=person_id, session_id=session_id)
        command = reauthentication.Reauthenticate(
            person_id=person_id,
            session_id=session_id,
            code=plain,
            recovery_digest=self._recovery_digest(
                plain, lambda session: reauthentication.recipe_of_session(session, change)
            ),
            signed=self._signed(passkey) if passkey is not None else None,
        )
        take = reauthentication.reauthenticator(self._authenticators)
        return raise_if_refused(self.store.transact(take, command))

    # Shared

    def _signed(self, passkey: dict[str, Any]) -> SignedRequest:
        """Return the request of ours that was signed, with its nonce and until when that holds.

        Raises ValidationFailed ``passkey_refused``, Conflict ``challenge_expired``.
        """
        nonce = nonce_of(passkey)
        expires_at = self._fingerprints.nonce_expiry(nonce)
        if expires_at is None or expires_at <= self.store.clock.now():
            raise refused("challenge_expired")
        return SignedRequest(credential=passkey, nonce=nonce, expires_at=expires_at)

    def _missing_codes(self, person_id: UUID) -> list[str]:
        """Return recovery codes for whoever has none left; none for others."""
        left, _ = self.store.query(
            lambda session: session.read.second_factors.recovery_codes.left(person_id)
        )
        return [] if left else new_recovery_codes()

    def _digests(self, codes: list[str]) -> CodeDigests:
        recipe = self.passwords.new_recipe()
        return CodeDigests(
            recipe=recipe,
            digests=[
                self.passwords.stretched(self._fingerprints.recovery_code(code), recipe)
                for code in codes
            ],
        )

    def _recovery_digest(
        self, plain: str, recipe_of: Callable[[Session], str | None]
    ) -> bytes | None:
        """Return the digest of what may be a recovery code; it is stretched only for whose it is.

        Codes that were issued before that was done are compared as they are stored.
        """
        if len(plain) != RECOVERY_DIGITS:
            return None
        recipe = self.store.query(recipe_of)
        digest = self._fingerprints.recovery_code(plain)
        return digest if recipe is None else self.passwords.stretched(digest, recipe)


def _with_secrets(result: dict[str, Any], token: str, codes: list[str]) -> dict[str, Any]:
    """Return a result with the session's new token, and the recovery codes if they were issued."""
    return {**result, "token": token, "recovery_codes": codes if result["recovery_codes"] else None}
