"""The RPCs of recovering a password."""

from __future__ import annotations

from typing import Any

from services.identity import recovery, schemas
from services.identity.breached_passwords import check_not_breached
from services.identity.fingerprints import token_digest
from services.identity.refusals import raise_if_refused
from services.identity.rpcs.base import IP, IdentityRpcs
from shared.config import GATEWAY
from shared.email_address import parse_email
from shared.rpc.server import rpc


class RecoveryRpcs(IdentityRpcs):
    """A lost password."""

    @rpc(schemas.RequestPasswordReset, callers=(GATEWAY,))
    def request_password_reset(
        self, email: str, device_token: str | None, ip: IP
    ) -> dict[str, Any]:
        command = recovery.RequestPasswordReset(
            device_digest=token_digest(device_token) if device_token else None,
            email_index=self._fingerprints.email(parse_email(email)),
            network_index=self._fingerprints.network(str(ip)),
        )
        return self.store.execute(recovery.request_password_reset, command)

    @rpc(schemas.ConfirmPasswordReset, callers=(GATEWAY,))
    def confirm_password_reset(self, token: str, new_password: str, ip: IP) -> dict[str, Any]:
        command = recovery.ConfirmPasswordReset(
            token_digest=token_digest(token),
            network_index=self._fingerprints.network(str(ip)),
            new_password=new_password,
        )
        new = self._hashed_for(command)
        return raise_if_refused(self.store.execute(recovery.password_resetter(new), command))

    def _hashed_for(self, command: recovery.ConfirmPasswordReset) -> recovery.NewPassword | None:
        """Return the new password hashed; None without a valid link, for which nothing is spent."""
        person_id = self.store.query(
            lambda session: recovery.person_of_link(session, command.token_digest)
        )
        if person_id is None:
            return None
        password = command.new_password
        fingerprint = self._fingerprints.password(person_id, password)
        self.store.query(
            lambda session: recovery.check_reset_password(session, person_id, password, fingerprint)
        )
        check_not_breached(self.settings.access.breached_passwords, password)
        return recovery.NewPassword(self.passwords.hash(password), fingerprint)
