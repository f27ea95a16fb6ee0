"""The RPCs for staff who look after persons, and of support codes, masked names, security logs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from services.identity import staff_acts, staff_schemas, staff_views
from services.identity.profile import profile
from services.identity.rpcs.base import IdentityRpcs
from shared.config import GATEWAY
from shared.email_address import parse_email
from shared.errors import ValidationFailed
from shared.eventstore import Session
from shared.rpc.callers import staff
from shared.rpc.server import rpc

C = TypeVar("C")


class StaffRpcs(IdentityRpcs):
    # For the gateway

    @rpc(staff_schemas.NoteSupportCode, callers=(GATEWAY,))
    def note_support_code(self, code: str, person_id: UUID) -> dict[str, Any]:
        command = staff_views.NoteSupportCode(code=code, person_id=person_id)
        self.store.transact(staff_views.note_support_code, command)
        return {}

    @rpc(staff_schemas.Names, callers=(GATEWAY,))
    def names(self, person_ids: list[UUID]) -> dict[str, Any]:
        return self.store.query(lambda session: staff_views.names(session, person_ids))

    @rpc(staff_schemas.OwnSecurityLog, callers=(GATEWAY,))
    def security_log(self, person_id: UUID, limit: int) -> dict[str, Any]:
        return self.store.query(
            lambda session: staff_views.own_security_log(session, person_id, limit)
        )

    # For staff

    @rpc(staff_schemas.FindPersons, callers=(staff("find"),))
    def find_persons(
        self, email: str | None, support_code: str | None, person_ids: list[UUID]
    ) -> dict[str, Any]:
        command = staff_views.FindPersons(
            email_index=None if email is None else self._fingerprints.email(email),
            support_code=support_code,
            person_ids=person_ids,
        )
        return self.store.transact(staff_views.find_persons, command)

    @rpc(staff_schemas.ActOnPerson, callers=(staff("show"),))
    def show_person(self, person_id: UUID, reason: str, dry_run: bool) -> dict[str, Any]:
        if dry_run:
            self.store.query(lambda session: profile(session, person_id))
            return {"person_id": str(person_id), "dry_run": True}
        command = staff_views.ShowPerson(person_id=person_id, reason=reason)
        return self.store.transact(staff_views.show_person, command)

    @rpc(staff_schemas.ActOnPerson, callers=(staff("unblock"),))
    def unblock(self, **act: Any) -> dict[str, Any]:
        return self._act(staff_acts.unblock, staff_acts.ActOnPerson(**act), act["dry_run"])

    @rpc(staff_schemas.ActOnPerson, callers=(staff("end-sessions"),))
    def end_sessions_of(self, **act: Any) -> dict[str, Any]:
        return self._act(staff_acts.end_sessions, staff_acts.ActOnPerson(**act), act["dry_run"])

    @rpc(staff_schemas.RestoreAccess, callers=(staff("restore"),))
    def restore_access(self, email: str, **act: Any) -> dict[str, Any]:
        command = staff_acts.RestoreAccess(
            email=parse_email(email), email_index=self._fingerprints.email(email), **act
        )
        return self._act(staff_acts.restore_access, command, act["dry_run"])

    @rpc(staff_schemas.ResendLetter, callers=(staff("resend"),))
    def resend_letter(
        self, person_id: UUID | None, email: str | None, reason: str, dry_run: bool
    ) -> dict[str, Any]:
        """Raises ValidationFailed ``person_or_email`` unless one of the two is given."""
        if (person_id is None) == (email is None):
            raise ValidationFailed("person_or_email", "Give one of a person and an address.")
        if person_id is not None:
            act = staff_acts.ActOnPerson(person_id=person_id, reason=reason, dry_run=dry_run)
            return self._act(staff_acts.resend, act, dry_run)
        command = staff_acts.ResendRegistrationCode(
            email_index=self._fingerprints.email(email or ""), reason=reason, dry_run=dry_run
        )
        return self._act(staff_acts.resend_registration_code, command, dry_run)

    def _act(
        self, handler: Callable[[Session, C], dict[str, Any]], command: C, dry_run: bool
    ) -> dict[str, Any]:
        """Execute a command; a dry run decides on it in a transaction that cannot write."""
        if dry_run:
            return {**self.store.query(lambda session: handler(session, command)), "dry_run": True}
        return self.store.execute(handler, command)
