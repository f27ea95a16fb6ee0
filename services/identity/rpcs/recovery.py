"""The RPCs of recovering a password."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.identity import recovery, schemas
from services.identity.contact_details import parse_email
from services.identity.password_policy import check_password
from services.identity.refusals import raise_if_refused
from services.identity.rpcs.base import IP, IdentityRpcs
from shared.config import GATEWAY
from shared.rpc.server import rpc


class RecoveryRpcs(IdentityRpcs):
    """A lost password."""

    @rpc(schemas.RequestPasswordReset, callers=(GATEWAY,))
    def request_password_reset(self, email: str, ip: IP) -> dict[str, Any]:
        command = recovery.RequestPasswordReset(
            email_index=self._fingerprints.email(parse_email(email)),
            network_index=self._fingerprints.network(str(ip)),
        )
        return self.store.execute(recovery.request_password_reset, command)

    @rpc(schemas.ConfirmPasswordReset, callers=(GATEWAY,))
    def confirm_password_reset(
        self, reset_id: UUID, code: str, new_password: str
    ) -> dict[str, Any]:
        check_password(new_password)
        command = recovery.ConfirmPasswordReset(
            reset_id=reset_id,
            digest=self._fingerprints.code(reset_id, code),
            new_password=new_password,
        )
        reset = recovery.password_resetter(self.passwords.hash(new_password))
        return raise_if_refused(self.store.execute(reset, command))
