"""The RPCs of signing in, of sessions, and of the password of whoever is signed in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.identity import access, schemas
from services.identity.fingerprints import new_token, token_digest
from services.identity.password_policy import check_password
from services.identity.refusals import raise_if_refused, refused
from services.identity.rpcs.base import IP, IdentityRpcs
from shared.config import GATEWAY
from shared.rpc.server import rpc

_DEVICE_LENGTH = 200


class SignInRpcs(IdentityRpcs):
    """Signing in, sessions, changing a password."""

    @rpc(schemas.SignIn, callers=(GATEWAY,))
    def sign_in(self, email: str, password: str, device: str | None, ip: IP) -> dict[str, Any]:
        email_index = self._fingerprints.email(email)
        network_index = self._fingerprints.network(str(ip))
        begin = access.BeginSignIn(email_index=email_index, network_index=network_index)
        known = raise_if_refused(self.store.transact(access.begin_sign_in, begin))
        stored_hash = known["password_hash"]
        if not self.passwords.verify(stored_hash, password):
            raise refused("wrong_credentials")
        token = new_token()
        finish = access.FinishSignIn(
            person_id=UUID(known["person_id"]),
            verified_hash=stored_hash,
            stronger_hash=self._stronger_hash(stored_hash, password),
            token_digest=token_digest(token),
            device=(device or "")[:_DEVICE_LENGTH],
            email_index=email_index,
            network_index=network_index,
        )
        opened = raise_if_refused(self.store.transact(access.finish_sign_in, finish))
        must_accept = self._must_accept(opened.pop("accepted"))
        return {"token": token, "must_accept": must_accept, **opened}

    @rpc(schemas.Authenticate, callers=(GATEWAY,))
    def authenticate(self, token: str) -> dict[str, Any]:
        digest = token_digest(token)
        found = self.store.query(lambda session: access.authenticate(session, digest))
        if found.pop("stale"):
            seen = access.MarkSeen(session_id=UUID(found["session_id"]))
            self.store.transact(access.mark_seen, seen)
        must_accept = self._must_accept(found.pop("accepted"))
        return {"must_accept": must_accept, **found}

    @rpc(schemas.PersonId, callers=(GATEWAY,))
    def sessions(self, person_id: UUID) -> dict[str, Any]:
        return self.store.query(lambda session: access.list_sessions(session, person_id))

    @rpc(schemas.EndSession, callers=(GATEWAY,))
    def end_session(self, person_id: UUID, session_id: UUID) -> dict[str, Any]:
        command = access.EndSession(person_id=person_id, session_id=session_id)
        return self.store.execute(access.end_session, command)

    @rpc(schemas.ChangePassword, callers=(GATEWAY,))
    def change_password(
        self, person_id: UUID, session_id: UUID, current_password: str, new_password: str
    ) -> dict[str, Any]:
        check_password(new_password, previous=current_password)
        stored_hash = self.store.query(lambda session: access.stored_hash(session, person_id))
        verified = access.VerifiedPassword(
            stored_hash=stored_hash,
            matches=self.passwords.verify(stored_hash, current_password),
            new_hash=self.passwords.hash(new_password),
        )
        command = access.ChangePassword(
            person_id=person_id,
            session_id=session_id,
            current_password=current_password,
            new_password=new_password,
            fingerprint=self._fingerprints.password(person_id, new_password),
        )
        return raise_if_refused(self.store.execute(access.password_changer(verified), command))
