"""The schemas of identity's RPCs: types and lengths; the domain checks the meaning."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from services.identity.documents import KINDS
from services.identity.password_policy import MAX_LENGTH
from shared.contracts.identity import Language, PersonType
from shared.letters import SecretOf
from shared.reasons import Reason

_MAX_DEVICE_LENGTH = 1000
_MOST_CONTACTS = 1000
_MAX_TOKEN_LENGTH = 200


def _email() -> fields.String:
    return fields.String(required=True, validate=validate.Length(min=3, max=320))


def _password() -> fields.String:
    # Longer than the policy allows, so that the policy can refuse with a code of its own.
    return fields.String(required=True, validate=validate.Length(min=1, max=5 * MAX_LENGTH))


def _code() -> fields.String:
    return fields.String(required=True, validate=validate.Length(min=1, max=32))


def _credential(**more: Any) -> fields.Dict:
    # Its members are checked by whoever verifies what is signed: they are bytes of a stranger.
    return fields.Dict(keys=fields.String(), **more)


def _token() -> fields.String:
    return fields.String(required=True, validate=validate.Length(min=1, max=_MAX_TOKEN_LENGTH))


def _version() -> fields.String:
    return fields.String(load_default=None, allow_none=True, validate=validate.Length(max=40))


class Organisation(Schema):
    name = fields.String(required=True, validate=validate.Length(max=1000))
    inn = fields.String(required=True, validate=validate.Length(max=32))
    kpp = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=32))


class StartRegistration(Schema):
    person_type = fields.Enum(PersonType, by_value=True, required=True)
    email = _email()
    organisation = fields.Nested(Organisation, load_default=None, allow_none=True)
    language = fields.Enum(Language, by_value=True, load_default=Language.RUSSIAN)
    ip = fields.IP(required=True)


class RegistrationId(Schema):
    registration_id = fields.UUID(required=True)


class ResendCode(Schema):
    registration_id = fields.UUID(required=True)
    ip = fields.IP(required=True)


class CorrectEmail(Schema):
    registration_id = fields.UUID(required=True)
    email = _email()
    ip = fields.IP(required=True)


class ConfirmRegistration(Schema):
    registration_id = fields.UUID(required=True)
    code = _code()
    accept_rules = fields.Boolean(load_default=False, truthy={True}, falsy={False})
    consent_personal_data = fields.Boolean(load_default=False, truthy={True}, falsy={False})
    rules_version = _version()
    consent_version = _version()
    ip = fields.IP(required=True)


class AcceptDocuments(Schema):
    person_id = fields.UUID(required=True)
    rules_version = _version()
    consent_version = _version()
    ip = fields.IP(required=True)


class FindDocument(Schema):
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    version = _version()


class _Arrival(Schema):
    device = fields.String(
        load_default="", allow_none=True, validate=validate.Length(max=_MAX_DEVICE_LENGTH)
    )
    device_token = fields.String(
        load_default=None, allow_none=True, validate=validate.Length(max=_MAX_TOKEN_LENGTH)
    )
    ip = fields.IP(required=True)


class SignIn(_Arrival):
    email = _email()
    password = _password()


class SignInByLink(_Arrival):
    token = _token()


class Authenticate(Schema):
    token = _token()


class AuthenticateSubscriber(Schema):
    token = _token()
    ip = fields.IP(required=True)


class PersonId(Schema):
    person_id = fields.UUID(required=True)


class ListSessions(Schema):
    person_id = fields.UUID(required=True)
    ip = fields.IP(required=True)


class WithdrawConsent(Schema):
    person_id = fields.UUID(required=True)
    session_id = fields.UUID(required=True)
    password = _password()


class StaffPerson(Schema):
    """What one of the staff does with a person, and why."""

    person_id = fields.UUID(required=True)
    reason = Reason(required=True)
    dry_run = fields.Boolean(load_default=False, truthy={True}, falsy={False})


class EndSession(Schema):
    person_id = fields.UUID(required=True)
    session_id = fields.UUID(required=True)
    by_session_id = fields.UUID(required=True)


class EndOtherSessions(Schema):
    person_id = fields.UUID(required=True)
    session_id = fields.UUID(required=True)


class LinkId(Schema):
    link_id = fields.UUID(required=True)


class NewDevice(Schema):
    person_id = fields.UUID(required=True)
    session_id = fields.UUID(required=True)


class ChangePassword(Schema):
    person_id = fields.UUID(required=True)
    session_id = fields.UUID(required=True)
    current_password = _password()
    new_password = _password()


class UpdateProfile(Schema):
    person_id = fields.UUID(required=True)
    full_name = fields.String(
        load_default=None, allow_none=True, validate=validate.Length(max=1000)
    )
    phone = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=64))


class ChooseLanguage(Schema):
    person_id = fields.UUID(required=True)
    language = fields.Enum(Language, by_value=True, required=True)


class Contacts(Schema):
    person_ids = fields.List(
        fields.UUID(), required=True, validate=validate.Length(max=_MOST_CONTACTS)
    )


class RequestPasswordReset(Schema):
    email = _email()
    device_token = fields.String(
        load_default=None, allow_none=True, validate=validate.Length(max=_MAX_TOKEN_LENGTH)
    )
    ip = fields.IP(required=True)


class ResetId(Schema):
    reset_id = fields.UUID(required=True)


class ConfirmPasswordReset(Schema):
    token = _token()
    new_password = _password()
    ip = fields.IP(required=True)


class RequestEmailChange(Schema):
    person_id = fields.UUID(required=True)
    session_id = fields.UUID(required=True)
    email = _email()
    current_password = _password()
    number = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=64))
    proof = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=200))
    ip = fields.IP(required=True)


class FollowLink(Schema):
    token = _token()
    ip = fields.IP(required=True)


class ChangeId(Schema):
    change_id = fields.UUID(required=True)


class Address(Schema):
    email = _email()


class SecretNeeded(Schema):
    secret = fields.Enum(SecretOf, by_value=True, required=True)
    about = fields.UUID(required=True)


class EmailLink(Schema):
    change_id = fields.UUID(required=True)
    side = fields.String(required=True, validate=validate.OneOf(("new", "old")))


class InSession(Schema):
    person_id = fields.UUID(required=True)
    session_id = fields.UUID(required=True)


class Confirmed(InSession):
    current_password = _password()


class StartPasskey(Confirmed):
    name = fields.String(required=True, validate=validate.Length(min=1, max=100))


class OwnChallenge(InSession):
    challenge_id = fields.UUID(required=True)


class AddPasskey(OwnChallenge):
    credential = _credential(required=True)


class EnableTotp(OwnChallenge):
    code = _code()


class RemovePasskey(Confirmed):
    passkey_id = fields.UUID(required=True)


class Reauthenticate(InSession):
    code = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=32))
    passkey = _credential(load_default=None, allow_none=True)


class ChallengeId(Schema):
    challenge_id = fields.UUID(required=True)


class TakeSecondStep(_Arrival):
    challenge_id = fields.UUID(required=True)
    code = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=32))
    passkey = _credential(load_default=None, allow_none=True)


class SignInByPasskey(_Arrival):
    passkey = _credential(required=True)


class Nothing(Schema):
    """No arguments."""
