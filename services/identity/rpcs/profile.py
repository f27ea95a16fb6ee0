"""The RPCs of the profile."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.identity import profile, schemas
from services.identity.rpcs.base import IdentityRpcs
from shared.config import GATEWAY
from shared.contracts.identity import Language
from shared.rpc.server import rpc
from shared.rpc.serving import read_each


class ProfileRpcs(IdentityRpcs):
    """Name, telephone, address, language of letters."""

    @rpc(schemas.PersonId, callers=(GATEWAY,), together="profiles")
    def profile(self, person_id: UUID) -> dict[str, Any]:
        return self.store.query(lambda session: profile.profile(session, person_id))

    def profiles(self, calls: list[dict[str, Any]]) -> list[Any]:
        return read_each(self.store, profile.profile, calls)

    @rpc(schemas.UpdateProfile, callers=(GATEWAY,))
    def update_profile(
        self, person_id: UUID, full_name: str | None, phone: str | None
    ) -> dict[str, Any]:
        command = profile.UpdateProfile(person_id=person_id, full_name=full_name, phone=phone)
        self.store.execute(profile.update_profile, command)
        return self.store.query(lambda session: profile.profile(session, person_id))

    @rpc(schemas.ChooseLanguage, callers=(GATEWAY,))
    def choose_language(self, person_id: UUID, language: Language) -> dict[str, Any]:
        command = profile.ChooseLanguage(person_id=person_id, language=language)
        return self.store.execute(profile.choose_language, command)
