"""What the RPCs of every subject work with."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID

from services.identity import current_password as confirmation
from services.identity.documents import Documents
from services.identity.fingerprints import Fingerprints, new_token, token_digest
from services.identity.passwords import Passwords
from services.identity.places import Place
from services.identity.refusals import raise_if_refused
from shared.config import Settings
from shared.eventstore import Store
from shared.rpc.server import RpcClientProvider, SettingsProvider, StoreProvider

IP = IPv4Address | IPv6Address


_DEVICE_LENGTH = 200


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """Where somebody signs in from, and the tokens that are made for him."""

    place: Place
    device_token: str | None = field(repr=False)
    """What the device has sent."""
    fresh_device_token: str = field(repr=False)
    token: str = field(default_factory=new_token, repr=False)

    @property
    def token_digest(self) -> bytes:
        return token_digest(self.token)


class IdentityRpcs:
    """The store, the settings, the other services, and what is computed outside of transactions."""

    store: Store = StoreProvider()
    settings: Settings = SettingsProvider()
    services = RpcClientProvider()
    passwords = Passwords()

    @property
    def _fingerprints(self) -> Fingerprints:
        return Fingerprints(self.store)

    @property
    def _documents(self) -> Documents:
        return Documents(self.settings.documents)

    def _must_accept(self, accepted: dict[str, str]) -> list[dict[str, str]]:
        return self._documents.newer(accepted, self.store.clock.today())

    def _stronger_hash(self, stored_hash: str, password: str) -> str | None:
        return self.passwords.hash(password) if self.passwords.outdated(stored_hash) else None

    def _confirmed(self, person_id: UUID, session_id: UUID, password: str) -> str | None:
        """Return the hash that the current password, given again, matches; None for a wrong one.

        A wrong one is counted, and refused by `confirm`: a command that is repeated after its
        success has to reach its result first. Raises Forbidden ``too_many_attempts`` or
        ``session_expired``.
        """
        change = confirmation.Change(person_id=person_id, session_id=session_id)
        known = raise_if_refused(self.store.transact(confirmation.begin_confirmation, change))
        stored_hash: str | None = known["password_hash"]
        if not self.passwords.verify(stored_hash, password):
            return None
        self.store.transact(confirmation.clear_attempts, change)
        return stored_hash

    def _arrival(self, device: str | None, device_token: str | None, ip: IP) -> Arrival:
        fresh = new_token()
        place = Place(
            device=(device or "")[:_DEVICE_LENGTH],
            device_digest=token_digest(device_token) if device_token else None,
            fresh_digest=token_digest(fresh),
            network_index=self._fingerprints.network(str(ip)),
        )
        return Arrival(place=place, device_token=device_token, fresh_device_token=fresh)

    def _signed_in(self, result: dict[str, Any], arrival: Arrival) -> dict[str, Any]:
        """Return what the RPCs of every way to sign in return, from the result of `enter`."""
        if "second_factor" in result:
            return result
        opened = dict(result)
        must_accept = self._must_accept(opened.pop("accepted"))
        kept = opened.pop("device_kept")
        return {
            "token": arrival.token,
            "must_accept": must_accept,
            "device_token": arrival.device_token if kept else arrival.fresh_device_token,
            **opened,
        }
