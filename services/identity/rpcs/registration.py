"""The RPCs of registration."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.identity import application, schemas
from services.identity.organisation_details import Organisation, parse_organisation
from services.identity.refusals import raise_if_refused
from services.identity.rpcs.base import IP, IdentityRpcs
from shared.config import GATEWAY
from shared.contracts.identity import Language, PersonType
from shared.email_address import parse_email
from shared.errors import ValidationFailed
from shared.rpc.server import rpc


class RegistrationRpcs(IdentityRpcs):
    """Starting and confirming a registration."""

    @rpc(schemas.StartRegistration, callers=(GATEWAY,))
    def start_registration(
        self,
        person_type: PersonType,
        email: str,
        organisation: dict[str, Any] | None,
        language: Language,
        ip: IP,
    ) -> dict[str, Any]:
        command = application.StartRegistration(
            person_type=person_type,
            email=parse_email(email),
            organisation=_organisation(person_type, organisation),
            language=language,
            email_index=self._fingerprints.email(email),
            network_index=self._fingerprints.network(str(ip)),
        )
        return self.store.execute(application.start_registration, command)

    @rpc(schemas.ResendCode, callers=(GATEWAY,))
    def resend_code(self, registration_id: UUID, ip: IP) -> dict[str, Any]:
        command = application.ResendCode(
            registration_id=registration_id, network_index=self._fingerprints.network(str(ip))
        )
        return self.store.execute(application.resend_code, command)

    @rpc(schemas.CorrectEmail, callers=(GATEWAY,))
    def correct_email(self, registration_id: UUID, email: str, ip: IP) -> dict[str, Any]:
        command = application.CorrectEmail(
            registration_id=registration_id,
            email=parse_email(email),
            email_index=self._fingerprints.email(email),
            network_index=self._fingerprints.network(str(ip)),
        )
        return self.store.execute(application.correct_email, command)

    @rpc(schemas.ConfirmRegistration, callers=(GATEWAY,))
    def confirm_registration(
        self,
        registration_id: UUID,
        code: str,
        accept_rules: bool,
        consent_personal_data: bool,
        rules_version: str | None,
        consent_version: str | None,
        ip: IP,
    ) -> dict[str, Any]:
        command = application.ConfirmRegistration(
            registration_id=registration_id,
            digest=self._fingerprints.code(registration_id, code),
            network_index=self._fingerprints.network(str(ip)),
            accept_rules=accept_rules,
            consent_personal_data=consent_personal_data,
            rules_version=rules_version,
            consent_version=consent_version,
            ip=str(ip),
        )
        confirm = application.registration_confirmer(self._documents)
        return raise_if_refused(self.store.execute(confirm, command))


def _organisation(person_type: PersonType, given: dict[str, Any] | None) -> Organisation | None:
    if person_type is PersonType.ORGANISATION:
        if given is None:
            raise ValidationFailed(
                "organisation_missing", "Give the organisation's name, INN and KPP."
            )
        return parse_organisation(given["name"], given["inn"], given["kpp"])
    if given is not None:
        raise ValidationFailed(
            "organisation_not_expected", "An individual has no organisation; leave it out."
        )
    return None
