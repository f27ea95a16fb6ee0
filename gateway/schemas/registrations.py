"""Registration (S1-S7) and recovery of a password."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from gateway.schemas.base import (
    Answered,
    Flag,
    Shape,
    described,
    identifier,
    notice,
    one_of,
    said,
    secret,
    typed,
)


class Organisation(Shape):
    """The legal entity of a registration of type ``organisation``."""

    name = typed("Its name, as registered.", "ООО «Три кита»", most=1000)
    inn = typed("ИНН, 10 digits (12 for a sole proprietor).", "6200098765", most=32)
    kpp = typed(
        "КПП, 9 digits; a sole proprietor has none.",
        "620001001",
        least=0,
        most=32,
        required=False,
        load_default=None,
        allow_none=True,
    )


class StartRegistration(Shape):
    """Who wants to register."""

    person_type = fields.String(
        required=True,
        validate=one_of("individual", "organisation"),
        metadata=described("«Физ. лицо» or «Юр. лицо».", "individual"),
    )
    email = typed("Where the check code goes.", "ivanov@example.org", least=3, most=254)
    organisation = fields.Nested(
        Organisation,
        load_default=None,
        allow_none=True,
        metadata=described("Required for an organisation, absent for an individual."),
    )

    @validates_schema
    def an_organisation_says_which(self, data: dict[str, Any], **_: Any) -> None:
        named = data.get("organisation") is not None
        if data["person_type"] == "organisation" and not named:
            raise ValidationError("field_required", "organisation")
        if data["person_type"] == "individual" and named:
            raise ValidationError("field_unknown", "organisation")


class RegistrationStarted(Answered):
    """The same for a known and an unknown e-mail."""

    registration_id = identifier("Names this registration in its next steps.")
    message = notice()


class ConfirmRegistration(Shape):
    """The code from the letter and the two ticks (S3-S5)."""

    code = typed("The check code from the letter.", "482913", most=32)
    accept_rules = Flag(
        required=True,
        metadata=described("«Я согласен(на) с правилами предоставления доступа».", True),
    )
    consent_personal_data = Flag(
        required=True,
        metadata=described("Consent to the processing of personal data, a tick of its own.", True),
    )


class RegistrationConfirmed(Answered):
    """The letter with the instruction and the temporary password is on its way (S8)."""

    status = said("Always ``confirmed``.", "confirmed")
    message = notice()


class RequestPasswordReset(Shape):
    """Whose password is forgotten."""

    email = typed("The e-mail of the cabinet.", "ivanov@example.org", least=3, most=254)


class PasswordResetRequested(Answered):
    """The same for a known and an unknown e-mail."""

    reset_id = identifier("Names this recovery in its next step.")
    message = notice()


class ConfirmPasswordReset(Shape):
    """The code from the letter and the new password."""

    code = typed("The code from the letter.", "482913", most=32)
    new_password = secret("The new password. Tell it to nobody (S10).")
