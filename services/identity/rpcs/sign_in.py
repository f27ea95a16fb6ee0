"""The RPCs of signing in, of sessions, and of the password of whoever is signed in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.identity import access, password_change, schemas, sign_in
from services.identity.breached_passwords import check_not_breached
from services.identity.fingerprints import token_digest
from services.identity.password_policy import check_password
from services.identity.refusals import raise_if_refused
from services.identity.rpcs.base import IP, IdentityRpcs
from shared import context
from shared.config import GATEWAY
from shared.errors import ServiceError
from shared.ids import new_id
from shared.rpc.server import rpc


class SignInRpcs(IdentityRpcs):
    """Signing in, sessions, changing a password."""

    @rpc(schemas.SignIn, callers=(GATEWAY,))
    def sign_in(
        self, email: str, password: str, device: str | None, device_token: str | None, ip: IP
    ) -> dict[str, Any]:
        email_index = self._fingerprints.email(email)
        arrival = self._arrival(device, device_token, ip)
        begin = sign_in.BeginSignIn(email_index=email_index, place=arrival.place)
        known = raise_if_refused(self.store.transact(sign_in.begin_sign_in, begin))
        stored_hash = known["password_hash"]
        if not self.passwords.verify(stored_hash, password):
            wrong = sign_in.FailSignIn(
                email_index=email_index,
                network_index=arrival.place.network_index,
                known_device=known["known_device"],
                known_network=known["known_network"],
            )
            self.store.transact(sign_in.fail_sign_in, wrong)
            return raise_if_refused(known["if_wrong"])
        finish = sign_in.FinishSignIn(
            person_id=UUID(known["person_id"]),
            verified_hash=stored_hash,
            stronger_hash=self._stronger_hash(stored_hash, password),
            email_index=email_index,
            token_digest=arrival.token_digest,
            place=arrival.place,
        )
        result = raise_if_refused(self.store.transact(sign_in.finish_sign_in, finish))
        return self._signed_in(result, arrival)

    @rpc(schemas.SignInByLink, callers=(GATEWAY,))
    def sign_in_by_link(
        self, token: str, device: str | None, device_token: str | None, ip: IP
    ) -> dict[str, Any]:
        arrival = self._arrival(device, device_token, ip)
        command = sign_in.SignInByLink(
            link_digest=token_digest(token),
            token_digest=arrival.token_digest,
            place=arrival.place,
        )
        result = raise_if_refused(self.store.transact(sign_in.sign_in_by_link, command))
        return self._signed_in(result, arrival)

    @rpc(schemas.Authenticate, callers=(GATEWAY,), together="authenticate_many")
    def authenticate(self, token: str) -> dict[str, Any]:
        digest = token_digest(token)
        required = self.settings.access.second_factor
        found = self.store.look(lambda session: access.authenticate(session, digest, required))
        return self._authenticated(found)

    def authenticate_many(self, calls: list[dict[str, Any]]) -> list[Any]:
        digests = [token_digest(call["token"]) for call in calls]
        required = self.settings.access.second_factor
        found = self.store.look(
            lambda session: access.authenticate_many(session, digests, required)
        )
        stale = {one["session_id"]: one for one in found if isinstance(one, dict) and one["stale"]}
        for one in stale.values():
            self.store.transact(access.mark_seen, _seen(one))
        return [
            one if isinstance(one, ServiceError) else self._authenticated({**one, "stale": False})
            for one in found
        ]

    def _authenticated(self, found: dict[str, Any]) -> dict[str, Any]:
        """Return what the gateway is told of a session, once it is noted that it was seen."""
        if found.pop("stale"):
            self.store.transact(access.mark_seen, _seen(found))
        must_accept = self._must_accept(found.pop("accepted"))
        return {"must_accept": must_accept, **found}

    @rpc(schemas.ListSessions, callers=(GATEWAY,))
    def sessions(self, person_id: UUID, ip: IP) -> dict[str, Any]:
        network = self._fingerprints.network(str(ip))
        return self.store.query(lambda session: access.list_sessions(session, person_id, network))

    @rpc(schemas.EndSession, callers=(GATEWAY,))
    def end_session(self, person_id: UUID, session_id: UUID, by_session_id: UUID) -> dict[str, Any]:
        command = access.EndSession(
            person_id=person_id, session_id=session_id, by_session_id=by_session_id
        )
        return self.store.execute(access.end_session, command)

    @rpc(schemas.EndOtherSessions, callers=(GATEWAY,))
    def end_other_sessions(self, person_id: UUID, session_id: UUID) -> dict[str, Any]:
        command = access.EndOtherSessions(person_id=person_id, session_id=session_id)
        return self.store.execute(access.end_other_sessions, command)

    @rpc(schemas.ChangePassword, callers=(GATEWAY,))
    def change_password(
        self, person_id: UUID, session_id: UUID, current_password: str, new_password: str
    ) -> dict[str, Any]:
        check_password(new_password, previous=current_password)
        check_not_breached(self.settings.access.breached_passwords, new_password)
        verified_hash = self._confirmed(person_id, session_id, current_password)
        command_id = context.current().command_id or new_id()
        # The answer to a command that is carried out once more has the same token.
        token = self._fingerprints.renewed_token(session_id, command_id)
        command = password_change.ChangePassword(
            person_id=person_id,
            session_id=session_id,
            verified_hash=verified_hash,
            current_password=current_password,
            new_password=new_password,
            fingerprint=self._fingerprints.password(person_id, new_password),
            new_hash=self.passwords.hash(new_password) if verified_hash else "",
            token_digest=token_digest(token),
        )
        with context.bind(command_id=command_id):
            changed = self.store.execute(password_change.change_password, command)
        return {"token": token, **changed}


def _seen(found: dict[str, Any]) -> access.MarkSeen:
    return access.MarkSeen(session_id=UUID(found["session_id"]))
