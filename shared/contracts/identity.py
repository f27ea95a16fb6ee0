"""Events of identity: ids only. For more, a reader calls identity, which checks its rights."""

from __future__ import annotations

from enum import StrEnum

from marshmallow import Schema, fields, validate

from shared.contracts.base import Contract, PersonId, PlainId

ABOUT = "People, organisations, and what happens to their passwords."


class PersonType(StrEnum):
    """The type selected at registration: «Физ. лицо» or «Юр. лицо»."""

    INDIVIDUAL = "individual"
    ORGANISATION = "organisation"


class Language(StrEnum):
    """The language of a person's letters; Russian until another one is chosen."""

    RUSSIAN = "ru"
    ENGLISH = "en"


class RegistrationCodeRequested(Schema):
    registration_id = PersonId(
        required=True,
        metadata={
            "description": "The registration that waits for a code; a person's id follows from it."
        },
    )


class PersonRegistered(Schema):
    person_id = PersonId(
        required=True, metadata={"description": "The new person; never used for another."}
    )
    person_type = fields.String(
        required=True,
        validate=validate.OneOf([kind.value for kind in PersonType]),
        metadata={"description": "individual («Физ. лицо») or organisation («Юр. лицо»)."},
    )


class TemporaryPasswordRequested(Schema):
    person_id = PersonId(
        required=True, metadata={"description": "Who has not chosen a password of his own yet."}
    )


class PasswordChanged(Schema):
    person_id = PersonId(required=True, metadata={"description": "Whose password it is."})


class PasswordResetRequested(Schema):
    reset_id = PlainId(
        required=True, metadata={"description": "The recovery that waits for a link."}
    )


class SignInLinkRequested(Schema):
    link_id = PlainId(required=True, metadata={"description": "The link that a letter is due for."})


class NewDeviceSignedIn(Schema):
    person_id = PersonId(required=True, metadata={"description": "Who signed in."})
    session_id = PlainId(
        required=True, metadata={"description": "The session that was opened on the device."}
    )


class EmailChangeRequested(Schema):
    change_id = PlainId(
        required=True, metadata={"description": "The change that waits for its links."}
    )


class EmailChanged(Schema):
    change_id = PlainId(required=True, metadata={"description": "The change that is completed."})


class ProfileChanged(Schema):
    person_id = PersonId(
        required=True, metadata={"description": "Whose full name or phone was changed."}
    )


class FactorChange(StrEnum):
    """What happened to the second factor of a person."""

    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    TOTP_ENABLED = "totp_enabled"
    TOTP_DISABLED = "totp_disabled"
    RECOVERY_CODES_ISSUED = "recovery_codes_issued"
    RESET_BY_STAFF = "reset_by_staff"


class SecondFactorChanged(Schema):
    person_id = PersonId(required=True, metadata={"description": "Whose second factor it is."})
    change = fields.String(
        required=True,
        validate=validate.Length(min=1, max=64),
        metadata={
            "description": f"What happened: {', '.join(FactorChange)}; there may be more.",
        },
    )


class RecoveryCodeUsed(Schema):
    person_id = PersonId(required=True, metadata={"description": "Who signed in with it."})
    left = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(min=0),
        metadata={"description": "How many recovery codes the person has left."},
    )


class SecondFactorGuessed(Schema):
    person_id = PersonId(
        required=True, metadata={"description": "Whose password was right, and codes wrong."}
    )


class PersonErased(Schema):
    person_id = PersonId(
        required=True,
        metadata={"description": "Who is erased; nothing says any more who that was."},
    )


CONTRACTS = [
    Contract(
        "registration_code_requested",
        version=1,
        schema=RegistrationCodeRequested,
        summary="Somebody registers or requests the code again: a letter with a code is due.",
    ),
    Contract(
        "person_registered",
        version=1,
        schema=PersonRegistered,
        summary="A person confirmed the e-mail address, accepted the rules and gave consent.",
    ),
    Contract(
        "temporary_password_requested",
        version=1,
        schema=TemporaryPasswordRequested,
        summary="Staff have the letter with the password for the first sign-in written again.",
    ),
    Contract(
        "password_changed",
        version=1,
        schema=PasswordChanged,
        summary="A person has a new password, by change or by recovery; other sessions ended.",
    ),
    Contract(
        "password_reset_requested",
        version=1,
        schema=PasswordResetRequested,
        summary="A registered person requests a password reset: a letter with a link is due.",
    ),
    Contract(
        "sign_in_link_requested",
        version=1,
        schema=SignInLinkRequested,
        summary="A person signs in amid strangers' guesses: a letter with a link is due.",
    ),
    Contract(
        "new_device_signed_in",
        version=1,
        schema=NewDeviceSignedIn,
        summary="A person signed in on a device that was not known.",
    ),
    Contract(
        "email_change_requested",
        version=1,
        schema=EmailChangeRequested,
        summary="Another e-mail address is to be confirmed: a letter to each mailbox is due.",
    ),
    Contract(
        "email_changed",
        version=1,
        schema=EmailChanged,
        summary="A person has another e-mail address.",
    ),
    Contract(
        "profile_changed",
        version=1,
        schema=ProfileChanged,
        summary="A person changed the full name or the phone in the settings.",
    ),
    Contract(
        "second_factor_changed",
        version=1,
        schema=SecondFactorChanged,
        summary="A passkey or an authenticator app was added or removed, or codes were issued.",
    ),
    Contract(
        "recovery_code_used",
        version=1,
        schema=RecoveryCodeUsed,
        summary="A person signed in with a recovery code, which serves once.",
    ),
    Contract(
        "second_factor_guessed",
        version=1,
        schema=SecondFactorGuessed,
        summary="Somebody who has a person's password used up the attempts at the second factor.",
    ),
    Contract(
        "person_erased",
        version=1,
        schema=PersonErased,
        summary="A person was erased: delete what you hold of this person, if no law keeps it.",
    ),
]
