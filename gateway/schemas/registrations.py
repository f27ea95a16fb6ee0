"""Registration (S1-S7) and recovery of a password."""

from __future__ import annotations

from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validates_schema

from gateway.schemas import patterns
from gateway.schemas.base import (
    Flag,
    Result,
    Shape,
    Text,
    chosen_password,
    described,
    email_address,
    identifier,
    input_text,
    link_token,
    notice,
    one_of,
    output_text,
)
from gateway.schemas.letters import letter_language
from gateway.schemas.sessions import device_token
from shared.contracts.identity import PersonType


class Organisation(Shape):
    """The legal entity of a registration of type ``organisation``."""

    joint_rules = {  # noqa: RUF012 - never changed
        "anyOf": [
            {
                "properties": {
                    "inn": {"pattern": patterns.INN_OF_ENTITY},
                    "kpp": {"type": "string", "pattern": patterns.KPP},
                },
                "required": ["kpp"],
            },
            {
                "properties": {
                    "inn": {"pattern": patterns.INN_OF_TRADER},
                    "kpp": {"pattern": patterns.BLANK},
                },
            },
        ]
    }
    name = input_text(
        "The registered name.", "ООО «Три кита»", most=300, told={"pattern": patterns.NAME}
    )
    inn = input_text(
        "ИНН, 10 digits (12 for a sole proprietor), its check digits right.",
        "6200098765",
        most=32,
        told={"pattern": patterns.INN},
    )
    kpp = input_text(
        "КПП, 9 characters; a sole proprietor has none.",
        "620001001",
        least=0,
        most=32,
        required=False,
        load_default=None,
        allow_none=True,
    )


class StartRegistration(Shape):
    """The details of a registration."""

    EXAMPLES: ClassVar = {
        "individual": {
            "person_type": "individual",
            "email": "ivanov@example.org",
            "language": "ru",
        },
        "organisation": {
            "person_type": "organisation",
            "email": "office@example.org",
            "organisation": {"name": "ООО «Три кита»", "inn": "6200098765", "kpp": "620001001"},
        },
    }
    joint_rules = {  # noqa: RUF012 - never changed
        "if": {"properties": {"person_type": {"const": PersonType.ORGANISATION}}},
        "then": {"properties": {"organisation": {"type": "object"}}, "required": ["organisation"]},
        "else": {"properties": {"organisation": {"type": "null"}}},
    }

    person_type = fields.String(
        required=True,
        validate=one_of(*PersonType),
        metadata=described("«Физ. лицо» or «Юр. лицо».", "individual"),
    )
    email = email_address("The address for the verification code.")
    organisation = fields.Nested(
        Organisation,
        load_default=None,
        allow_none=True,
        metadata=described("Required for an organisation, absent for an individual."),
    )
    language = letter_language(
        "The language of the letters; without it that of `Accept-Language`. `PUT /me/letters` "
        "changes it.",
        load_default=None,
        allow_none=True,
    )

    @validates_schema
    def check_organisation(self, data: dict[str, Any], **_: Any) -> None:
        named = data.get("organisation") is not None
        if data["person_type"] == PersonType.ORGANISATION and not named:
            raise ValidationError("field_required", "organisation")
        if data["person_type"] == PersonType.INDIVIDUAL and named:
            raise ValidationError("field_unknown", "organisation")


class CorrectEmail(Shape):
    """The right address of a registration."""

    email = email_address("The address for the verification code.")


class RegistrationStarted(Result):
    """The started registration; the response is the same for a known e-mail."""

    registration_id = identifier("The id for the next steps.")
    message = notice()


def document_version(kind: str) -> Text:
    """Return the field for the version of a document that the person saw."""
    return input_text(
        f"The version of the {kind} that the person saw, from GET /documents/{kind}; without "
        "it the one in force. Another than that is refused (`documents_changed`).",
        "2026-11-01",
        most=40,
        required=False,
        load_default=None,
        allow_none=True,
    )


class ConfirmRegistration(Shape):
    """The code from the letter and the two consents (S3-S5)."""

    code = input_text("The verification code from the letter.", "482913", most=32)
    accept_rules = Flag(
        required=True,
        metadata=described(
            "«Я согласен(на) с правилами предоставления доступа».", True, enum=[True]
        ),
    )
    consent_personal_data = Flag(
        required=True,
        metadata=described(
            "Consent to the processing of personal data, given separately.", True, enum=[True]
        ),
    )
    rules_version = document_version("rules")
    consent_version = document_version("consent")


class RegistrationConfirmed(Result):
    """The registration is confirmed; the temporary password is being sent by letter (S8)."""

    status = output_text("Always `confirmed`.", "confirmed")
    message = notice()


class RequestPasswordReset(Shape):
    """The address whose password is lost."""

    email = email_address("The e-mail of the cabinet.")
    device_token = device_token()


class ConfirmPasswordReset(Shape):
    """The token of the link in the letter, and the new password."""

    token = link_token()
    new_password = chosen_password()
