"""What the RPCs of every subject work with."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from services.identity.documents import Documents
from services.identity.fingerprints import Fingerprints
from services.identity.passwords import Passwords
from shared.config import Settings
from shared.eventstore import Store
from shared.rpc.server import SettingsProvider, StoreProvider

IP = IPv4Address | IPv6Address


class IdentityRpcs:
    """The store, the settings, and what is computed outside of transactions."""

    store: Store = StoreProvider()
    settings: Settings = SettingsProvider()
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
