"""The RPC by which other systems sign in."""

from __future__ import annotations

from typing import Any

from services.identity import schemas, subscribing
from services.identity.fingerprints import token_digest
from services.identity.refusals import raise_if_refused
from services.identity.rpcs.base import IP, IdentityRpcs
from shared.config import GATEWAY
from shared.rpc.server import rpc


class SubscriberRpcs(IdentityRpcs):
    """Tokens of subscribers."""

    @rpc(schemas.AuthenticateSubscriber, callers=(GATEWAY,))
    def authenticate_subscriber(self, token: str, ip: IP) -> dict[str, Any]:
        digest = token_digest(token)
        found = self.store.query(lambda session: subscribing.find(session, digest))
        if found is None:
            wrong = subscribing.CountWrongToken(network_index=self._fingerprints.network(str(ip)))
            return raise_if_refused(self.store.transact(subscribing.count_wrong_token, wrong))
        if found.pop("stale"):
            self.store.transact(subscribing.mark_used, subscribing.MarkUsed(name=found["name"]))
        return found
