"""The RPCs of notifications: a secret is generated when its letter is written."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.identity import (
    access,
    application,
    profile,
    recovery,
    schemas,
    secrets_in_use,
    sign_in,
)
from services.identity.fingerprints import (
    new_code,
    new_temporary_password,
    new_token,
    token_digest,
)
from services.identity.limits import (
    CODE_LIFE,
    RESET_LINK_LIFE,
    SIGN_IN_LINK_LIFE,
    TEMPORARY_PASSWORD_LIFE,
)
from services.identity.rpcs.base import IdentityRpcs
from services.identity.verification_codes import IssueCode
from shared.letters import SecretOf
from shared.rpc.server import rpc

_CODE_MINUTES = int(CODE_LIFE.total_seconds() // 60)
_RESET_LINK_MINUTES = int(RESET_LINK_LIFE.total_seconds() // 60)
_LINK_MINUTES = int(SIGN_IN_LINK_LIFE.total_seconds() // 60)
_PASSWORD_HOURS = int(TEMPORARY_PASSWORD_LIFE.total_seconds() // 3600)


class LetterRpcs(IdentityRpcs):
    """Secrets and addresses of letters."""

    @rpc(schemas.RegistrationId, callers=("notifications",))
    def issue_registration_code(self, registration_id: UUID) -> dict[str, Any]:
        short, long = new_code(), new_code(12)
        command = IssueCode(
            owner_id=registration_id,
            digest=self._fingerprints.code(registration_id, short),
            long_digest=self._fingerprints.code(registration_id, long),
        )
        issued = self.store.transact(application.issue_registration_code, command)
        code = long if issued.pop("long") else short
        known = issued["kind"] == "already_registered"
        return {**issued, "code": None if known else code, "valid_minutes": _CODE_MINUTES}

    @rpc(schemas.PersonId, callers=("notifications",))
    def issue_temporary_password(self, person_id: UUID) -> dict[str, Any]:
        password = new_temporary_password()
        command = application.IssueTemporaryPassword(
            person_id=person_id,
            password_hash=self.passwords.hash(password),
            fingerprint=self._fingerprints.password(person_id, password),
        )
        issued = self.store.transact(application.issue_temporary_password, command)
        return {**issued, "password": password, "valid_hours": _PASSWORD_HOURS}

    @rpc(schemas.ResetId, callers=("notifications",))
    def issue_reset_link(self, reset_id: UUID) -> dict[str, Any]:
        token = new_token()
        command = recovery.IssueResetLink(reset_id=reset_id, token_digest=token_digest(token))
        issued = self.store.transact(recovery.issue_reset_link, command)
        return {**issued, "token": token, "valid_minutes": _RESET_LINK_MINUTES}

    @rpc(schemas.LinkId, callers=("notifications",))
    def issue_sign_in_link(self, link_id: UUID) -> dict[str, Any]:
        token = new_token()
        command = sign_in.IssueSignInLink(link_id=link_id, link_digest=token_digest(token))
        issued = self.store.transact(sign_in.issue_sign_in_link, command)
        return {**issued, "token": token, "valid_minutes": _LINK_MINUTES}

    @rpc(schemas.SecretNeeded, callers=("notifications",))
    def secret_needed(self, secret: SecretOf, about: UUID) -> dict[str, bool]:
        needed = self.store.query(
            lambda session: secrets_in_use.secret_needed(session, secret, about)
        )
        return {"needed": needed}

    @rpc(schemas.NewDevice, callers=("notifications",))
    def new_device(self, person_id: UUID, session_id: UUID) -> dict[str, Any]:
        return self.store.query(lambda session: access.new_device(session, person_id, session_id))

    @rpc(schemas.Address, callers=("notifications",))
    def language_of_address(self, email: str) -> dict[str, Any]:
        index = self._fingerprints.email(email)
        return self.store.query(lambda session: profile.language_of_address(session, index))

    @rpc(schemas.PersonId, callers=("payments",))
    def contact(self, person_id: UUID) -> dict[str, Any]:
        found = self.store.query(lambda session: profile.profile(session, person_id))
        return {name: found[name] for name in ("email", "full_name")}

    @rpc(schemas.Contacts, callers=("notifications",))
    def contacts(self, person_ids: list[UUID]) -> dict[str, Any]:
        return self.store.query(lambda session: profile.contacts(session, person_ids))
