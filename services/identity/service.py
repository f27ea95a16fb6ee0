"""The RPCs of identity: decode, one use case, encode.

Random, keyed and slow work happens here, so that the use cases stay pure: codes, passwords and
tokens are generated, fingerprints computed and passwords hashed outside transactions.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID

from services.identity import acceptance, access, application, recovery, schemas, subscribing
from services.identity.contact_details import parse_email
from services.identity.documents import Documents, described
from services.identity.fingerprints import (
    Fingerprints,
    new_code,
    new_temporary_password,
    new_token,
    token_digest,
)
from services.identity.limits import CODE_LIFE, TEMPORARY_PASSWORD_LIFE
from services.identity.organisation_details import Organisation, parse_organisation
from services.identity.password_policy import check_password
from services.identity.passwords import Passwords
from services.identity.refusals import raise_if_refused, refused
from services.identity.verification_codes import IssueCode
from shared.config import GATEWAY, Settings
from shared.contracts.identity import PersonType
from shared.errors import ValidationFailed
from shared.eventstore import Store
from shared.rpc.server import SettingsProvider, StoreProvider, rpc

IP = IPv4Address | IPv6Address

_DEVICE_LENGTH = 200
_CODE_MINUTES = int(CODE_LIFE.total_seconds() // 60)
_PASSWORD_HOURS = int(TEMPORARY_PASSWORD_LIFE.total_seconds() // 3600)


class IdentityService:
    """Identity and authentication; README.md lists every RPC with its results."""

    name = "identity"
    store: Store = StoreProvider()
    settings: Settings = SettingsProvider()
    passwords = Passwords()

    @property
    def _fingerprints(self) -> Fingerprints:
        return Fingerprints(self.store)

    @property
    def _documents(self) -> Documents:
        return Documents(self.settings.documents)

    # Registration

    @rpc(schemas.StartRegistration, callers=(GATEWAY,))
    def start_registration(
        self, person_type: PersonType, email: str, organisation: dict[str, Any] | None, ip: IP
    ) -> dict[str, Any]:
        command = application.StartRegistration(
            person_type=person_type,
            email=parse_email(email),
            organisation=_organisation(person_type, organisation),
            email_index=self._fingerprints.email(email),
            network_index=self._fingerprints.network(str(ip)),
        )
        return self.store.execute(application.start_registration, command)

    @rpc(schemas.RegistrationId, callers=(GATEWAY,))
    def resend_code(self, registration_id: UUID) -> dict[str, Any]:
        command = application.ResendCode(registration_id=registration_id)
        return self.store.execute(application.resend_code, command)

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
            accept_rules=accept_rules,
            consent_personal_data=consent_personal_data,
            rules_version=rules_version,
            consent_version=consent_version,
            ip=str(ip),
        )
        confirm = application.registration_confirmer(self._documents)
        return raise_if_refused(self.store.execute(confirm, command))

    # Documents

    @rpc(schemas.FindDocument, callers=(GATEWAY, "notifications"))
    def document(self, kind: str, version: str | None) -> dict[str, Any]:
        documents, today = self._documents, self.store.clock.today()
        return described(documents.find(kind, version, today), documents, today)

    @rpc(schemas.AcceptDocuments, callers=(GATEWAY,))
    def accept_documents(
        self, person_id: UUID, rules_version: str | None, consent_version: str | None, ip: IP
    ) -> dict[str, Any]:
        command = acceptance.AcceptDocuments(
            person_id=person_id,
            rules_version=rules_version,
            consent_version=consent_version,
            ip=str(ip),
        )
        return self.store.execute(acceptance.document_acceptor(self._documents), command)

    def _must_accept(self, accepted: dict[str, str]) -> list[dict[str, str]]:
        return self._documents.newer(accepted, self.store.clock.today())

    # Sessions and passwords

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

    def _stronger_hash(self, stored_hash: str, password: str) -> str | None:
        return self.passwords.hash(password) if self.passwords.outdated(stored_hash) else None

    @rpc(schemas.Authenticate, callers=(GATEWAY,))
    def authenticate(self, token: str) -> dict[str, Any]:
        digest = token_digest(token)
        found = self.store.query(lambda session: access.authenticate(session, digest))
        if found.pop("stale"):
            seen = access.MarkSeen(session_id=UUID(found["session_id"]))
            self.store.transact(access.mark_seen, seen)
        must_accept = self._must_accept(found.pop("accepted"))
        return {"must_accept": must_accept, **found}

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
        )
        return raise_if_refused(self.store.execute(access.password_changer(verified), command))

    @rpc(schemas.RequestPasswordReset, callers=(GATEWAY,))
    def request_password_reset(self, email: str, ip: IP) -> dict[str, Any]:
        command = recovery.RequestPasswordReset(
            email_index=self._fingerprints.email(parse_email(email)),
            network_index=self._fingerprints.network(str(ip)),
        )
        return self.store.execute(recovery.request_password_reset, command)

    @rpc(schemas.ConfirmPasswordReset, callers=(GATEWAY,))
    def confirm_password_reset(
        self, reset_id: UUID, code: str, new_password: str
    ) -> dict[str, Any]:
        check_password(new_password)
        command = recovery.ConfirmPasswordReset(
            reset_id=reset_id,
            digest=self._fingerprints.code(reset_id, code),
            new_password=new_password,
        )
        reset = recovery.password_resetter(self.passwords.hash(new_password))
        return raise_if_refused(self.store.execute(reset, command))

    # Profile

    @rpc(schemas.PersonId, callers=(GATEWAY,))
    def profile(self, person_id: UUID) -> dict[str, Any]:
        return self.store.query(lambda session: application.profile(session, person_id))

    @rpc(schemas.UpdateProfile, callers=(GATEWAY,))
    def update_profile(
        self, person_id: UUID, full_name: str | None, phone: str | None
    ) -> dict[str, Any]:
        command = application.UpdateProfile(person_id=person_id, full_name=full_name, phone=phone)
        self.store.execute(application.update_profile, command)
        return self.store.query(lambda session: application.profile(session, person_id))

    # For notifications: a secret is generated when its letter is written

    @rpc(schemas.RegistrationId, callers=("notifications",))
    def issue_registration_code(self, registration_id: UUID) -> dict[str, Any]:
        code = new_code()
        command = IssueCode(
            owner_id=registration_id, digest=self._fingerprints.code(registration_id, code)
        )
        issued = self.store.transact(application.issue_registration_code, command)
        known = issued["kind"] == "already_registered"
        return {**issued, "code": None if known else code, "valid_minutes": _CODE_MINUTES}

    @rpc(schemas.PersonId, callers=("notifications",))
    def issue_temporary_password(self, person_id: UUID) -> dict[str, Any]:
        password = new_temporary_password()
        command = application.IssueTemporaryPassword(
            person_id=person_id, password_hash=self.passwords.hash(password)
        )
        issued = self.store.transact(application.issue_temporary_password, command)
        return {**issued, "password": password, "valid_hours": _PASSWORD_HOURS}

    @rpc(schemas.ResetId, callers=("notifications",))
    def issue_reset_code(self, reset_id: UUID) -> dict[str, Any]:
        code = new_code()
        command = IssueCode(owner_id=reset_id, digest=self._fingerprints.code(reset_id, code))
        issued = self.store.transact(recovery.issue_reset_code, command)
        return {**issued, "code": code, "valid_minutes": _CODE_MINUTES}

    @rpc(schemas.PersonId, callers=("notifications", "payments"))
    def contact(self, person_id: UUID) -> dict[str, Any]:
        found = self.store.query(lambda session: application.profile(session, person_id))
        return {"email": found["email"], "full_name": found["full_name"]}


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
