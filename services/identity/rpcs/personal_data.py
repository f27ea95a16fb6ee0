"""The RPCs of what is held about a person: telling him, and erasing it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.identity import erasure, holdings, schemas
from services.identity.current_password import ConfirmedChange
from services.identity.rpcs.base import IdentityRpcs
from shared.config import GATEWAY
from shared.rpc.callers import staff
from shared.rpc.server import rpc


class PersonalDataRpcs(IdentityRpcs):
    """Export and erasure; identity tells of itself alone, each service of its own."""

    @rpc(schemas.PersonId, callers=(GATEWAY,))
    def held_about(self, person_id: UUID) -> dict[str, Any]:
        """Return {service: what it holds}. Raises NotFound ``person_not_found``."""
        own = self.store.query(lambda session: holdings.held_about(session, person_id))
        return {"identity": own, **self._held_elsewhere(person_id)}

    @rpc(schemas.StaffPerson, callers=(staff("export"),))
    def export(self, person_id: UUID, reason: str, dry_run: bool) -> dict[str, Any]:
        """Return what `held_about` does; who asked and why is in the security log."""
        if dry_run:
            self.store.query(lambda session: holdings.held_about(session, person_id))
            return {"person_id": str(person_id), "dry_run": True}
        elsewhere = self._held_elsewhere(person_id)
        command = holdings.Export(person_id=person_id, reason=reason)
        return {"identity": self.store.transact(holdings.export, command), **elsewhere}

    def _held_elsewhere(self, person_id: UUID) -> dict[str, Any]:
        """Ask each other service; without one of them the answer would not be the whole."""
        whom = {"person_id": str(person_id)}
        return {
            "accounts": self.services.call("accounts", "held_about", **whom),
            "payments": self.services.call("payments", "held_about", **whom),
            "helpdesk": self.services.call("helpdesk", "held_about", **whom),
            "notifications": self.services.call("notifications", "held_about", **whom),
        }

    @rpc(schemas.StaffPerson, callers=(staff("erase"),))
    def erase(self, person_id: UUID, reason: str, dry_run: bool) -> dict[str, Any]:
        command = erasure.ErasePerson(person_id=person_id, reason=reason)
        if dry_run:
            found = self.store.query(lambda session: erasure.is_erased(session, person_id))
            return {"person_id": str(person_id), "erased": not found, "dry_run": True}
        return self.store.transact(erasure.erase_person, command)

    @rpc(schemas.WithdrawConsent, callers=(GATEWAY,))
    def withdraw_consent(self, person_id: UUID, session_id: UUID, password: str) -> dict[str, Any]:
        command = ConfirmedChange(
            person_id=person_id,
            session_id=session_id,
            verified_hash=self._confirmed(person_id, session_id, password),
        )
        return self.store.execute(erasure.withdraw_consent, command)

    @rpc(schemas.PersonId, callers=("notifications",))
    def farewell(self, person_id: UUID) -> dict[str, Any]:
        return self.store.transact(erasure.take_farewell, erasure.TakeFarewell(person_id=person_id))
