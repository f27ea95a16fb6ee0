"""The RPCs of changing an e-mail address."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.identity import email_change, schemas
from services.identity.email_change import FollowEmailLink
from services.identity.email_changes import Side
from services.identity.fingerprints import new_token, token_digest
from services.identity.link_aggregates import EmailChangeWay
from services.identity.refusals import raise_if_refused
from services.identity.rpcs.base import IP, IdentityRpcs
from shared.config import GATEWAY
from shared.email_address import parse_email
from shared.errors import ValidationFailed
from shared.rpc.server import rpc


class EmailChangeRpcs(IdentityRpcs):
    """Another address, confirmed by links."""

    @rpc(schemas.RequestEmailChange, callers=(GATEWAY,))
    def request_email_change(
        self,
        person_id: UUID,
        session_id: UUID,
        email: str,
        current_password: str,
        number: str | None,
        proof: str | None,
        ip: IP,
    ) -> dict[str, Any]:
        address = parse_email(email)
        verified_hash = self._confirmed(person_id, session_id, current_password)
        without_old = verified_hash is not None and number is not None
        command = email_change.RequestEmailChange(
            person_id=person_id,
            session_id=session_id,
            verified_hash=verified_hash,
            email=address,
            email_index=self._fingerprints.email(address),
            way=self._proven(person_id, number, proof, ip) if without_old else EmailChangeWay.BOTH,
        )
        return self.store.execute(email_change.request_email_change, command)

    def _proven(
        self, person_id: UUID, number: str | None, proof: str | None, ip: IP
    ) -> EmailChangeWay:
        """Return the way of a person who knows a bill of his own account."""
        answer = self.services.call(
            "accounts",
            "prove",
            person_id=str(person_id),
            number=number,
            proof=proof or "",
            ip=str(ip),
        )
        if not answer["proven"]:
            raise ValidationFailed(
                "proof_refused", "The account is not yours in this cabinet, or the proof is wrong."
            )
        return EmailChangeWay.ACCOUNT

    @rpc(schemas.PersonId, callers=(GATEWAY,))
    def pending_email_change(self, person_id: UUID) -> dict[str, Any]:
        return self.store.query(
            lambda session: email_change.pending_email_change(session, person_id)
        )

    @rpc(schemas.PersonId, callers=(GATEWAY,))
    def cancel_email_change(self, person_id: UUID) -> dict[str, Any]:
        command = email_change.CancelEmailChange(person_id=person_id)
        return self.store.execute(email_change.cancel_email_change, command)

    @rpc(schemas.FollowLink, callers=(GATEWAY,))
    def confirm_email_change(self, token: str, ip: IP) -> dict[str, Any]:
        command = self._followed(token, ip)
        return raise_if_refused(self.store.execute(email_change.confirm_email_link, command))

    @rpc(schemas.FollowLink, callers=(GATEWAY,))
    def refuse_email_change(self, token: str, ip: IP) -> dict[str, Any]:
        command = self._followed(token, ip)
        return raise_if_refused(self.store.execute(email_change.refuse_email_link, command))

    def _followed(self, token: str, ip: IP) -> FollowEmailLink:
        return FollowEmailLink(
            token_digest=token_digest(token), network_index=self._fingerprints.network(str(ip))
        )

    @rpc(schemas.EmailLink, callers=("notifications",))
    def issue_email_link(self, change_id: UUID, side: Side) -> dict[str, Any]:
        token = new_token()
        command = email_change.IssueEmailLink(
            change_id=change_id, side=side, digest=token_digest(token)
        )
        issued = self.store.transact(email_change.issue_email_link, command)
        return {**issued, "token": None if issued["taken"] else token}

    @rpc(schemas.ChangeId, callers=("notifications",))
    def changed_email(self, change_id: UUID) -> dict[str, Any]:
        return self.store.query(lambda session: email_change.changed_email(session, change_id))
