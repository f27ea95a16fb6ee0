"""Sessions, the person, the documents."""

from __future__ import annotations

from marshmallow import fields

from gateway.schemas import patterns
from gateway.schemas.base import (
    Result,
    Shape,
    chosen_password,
    described,
    email_address,
    identifier,
    input_text,
    instant,
    length,
    notice,
    one_of,
    output_text,
    secret,
    written,
)
from gateway.schemas.base import Text as TextField


def device_name() -> TextField:
    """Return the field for what a device is called in the list of sessions."""
    return TextField(
        load_default=None,
        allow_none=True,
        validate=written(1, 200),
        metadata=described(
            "The name in the list of sessions; by default the User-Agent.", "Телефон"
        ),
    )


def device_token() -> TextField:
    """Return the field for the token by which a device is known."""
    return TextField(
        load_default=None,
        allow_none=True,
        validate=written(1, 200),
        metadata=described(
            "The `device_token` of an earlier sign-in on this device.",
            "Jx3vX0w2mT5cYb8LrKq1Zd7uNf4hSg6aPo9eWi2VtBk",
        ),
    )


class SignIn(Shape):
    """E-mail, password, a name for the device in the list of sessions, and what it is known by."""

    email = email_address("The e-mail of the cabinet.")
    password = secret(
        "The password; at the first sign-in, the temporary one from the letter.",
        "четыре синих чайника",
    )
    device = device_name()
    device_token = device_token()


class SignInByLink(Shape):
    """The token of a link, and what `SignIn` has of the device."""

    token = secret(
        "The last part of the link in the letter.",
        "q3Vb9LrX0w2mT5cYbKq1Zd7uNf4hSg6aPo8eWi2VtJk",
        most=200,
    )
    device = device_name()
    device_token = device_token()


class DocumentToAccept(Result):
    """A new version that the person has yet to accept."""

    kind = output_text("`rules` or `consent`.", "rules")
    accepted = output_text("The version that the person accepted last.", "2025-09-01")
    version = output_text("The version in force.", "2026-11-01")


class SignedIn(Result):
    """A new session."""

    token = output_text("Send it as `Authorization: Bearer <token>`. It is shown once.")
    session_id = identifier("The id of the session.")
    person_id = identifier("The id of the person.")
    must_change_password = fields.Boolean(
        required=True,
        metadata=described(
            "Whether the password is temporary: only PUT /me/password is allowed then.", False
        ),
    )
    must_accept = fields.List(
        fields.Nested(DocumentToAccept),
        required=True,
        metadata=described(
            "New versions of the rules or the consent; until POST /me/acceptances the rest is "
            "refused (`acceptance_required`)."
        ),
    )
    expires_at = instant("When the session expires.")
    device_token = output_text(
        "What this device is known by: send it at the next sign-in. It is shown once."
    )


class Session(Result):
    """One session of the person."""

    session_id = identifier("The id of the session.")
    device = output_text("The name of the device, or its User-Agent.", "Firefox")
    how = output_text(
        "How it was opened: `password`, `letter` (by its link) or `passkey`; after the first two "
        "the second step where one was taken, as `password+totp`: `+passkey`, `+totp` or "
        "`+recovery_code`.",
        "password",
    )
    same_network = fields.Boolean(
        required=True,
        allow_none=True,
        metadata=described(
            "Whether it was opened from the network of this request; null if that is not known.",
            True,
        ),
    )
    created_at = instant("When it was opened.")
    last_seen_at = instant("When it was last used.")
    current = fields.Boolean(
        required=True, metadata=described("Whether it is the session of this request.", True)
    )


class Sessions(Result):
    """The open sessions."""

    sessions = fields.List(fields.Nested(Session), required=True)


class AcceptedDocument(Shape):
    """A version that the person has seen and accepts."""

    kind = TextField(
        required=True,
        validate=one_of("rules", "consent"),
        metadata=described("`rules` or `consent`.", "rules"),
    )
    version = input_text("The version, as `must_accept` names it.", "2026-11-01", most=40)


class AcceptDocuments(Shape):
    """The versions that the person has seen and accepts."""

    documents = fields.List(
        fields.Nested(AcceptedDocument),
        required=True,
        validate=length(1, 2),
        metadata=described("Each with its version in force."),
    )


class ChangePassword(Shape):
    """The current and the new password."""

    current_password = secret(
        "The current password, which may be the temporary one.", "Kp7-Wq3x-Tn9z"
    )
    new_password = chosen_password()


class PasswordChanged(Result):
    """The password is changed; the session goes on with another token."""

    token = output_text("Send it from now on: the old token is refused. It is shown once.")
    expires_at = instant("When the session expires.")
    message = notice()


class ProfileOrganisation(Result):
    """The organisation of the person."""

    name = output_text("Its name.", "ООО «Три кита»")
    inn = output_text("ИНН.", "6200098765")
    kpp = output_text("КПП; a sole proprietor has none.", "620001001", allow_none=True)


class Profile(Result):
    """The person."""

    person_id = identifier("The id of the person.")
    person_type = output_text("`individual` or `organisation`.", "individual")
    email = output_text("The e-mail of the cabinet.", "ivanov@example.org")
    organisation = fields.Nested(
        ProfileOrganisation,
        required=True,
        allow_none=True,
        metadata=described("Null for an individual."),
    )
    full_name = output_text(
        "ФИО; null until it is entered.", "Иванов Иван Иванович", allow_none=True
    )
    phone = output_text("The telephone; null until it is entered.", "+79991234567", allow_none=True)


class UpdateProfile(Shape):
    """The values to change: an absent one stays, an empty one is cleared."""

    full_name = TextField(
        validate=written(0, 150),
        metadata=described("ФИО.", "Иванов Иван Иванович", pattern=patterns.NAME_OR_NONE),
    )
    phone = TextField(
        validate=written(0, 32),
        metadata=described(
            "The telephone, with its country code.", "+79991234567", pattern=patterns.PHONE_OR_NONE
        ),
    )


class DocumentQuery(Shape):
    """The version of a document."""

    version = TextField(
        load_default=None,
        validate=written(1, 20),
        metadata=described("A version; by default the one in force.", "2025-09-01"),
    )


class Document(Result):
    """A document with its text."""

    kind = output_text("The kind of document.", "rules")
    version = output_text("The version, to be kept with a consent.", "2025-09-01")
    title = output_text("Its title.", "Правила предоставления доступа")
    media_type = output_text("The media type of the text.", "text/markdown")
    text = output_text("The whole text.")
    in_force = output_text("The version that is in force today.", "2025-09-01")
    versions = fields.List(
        fields.String(),
        required=True,
        metadata=described("All versions, the latest first; one may be announced ahead."),
    )
