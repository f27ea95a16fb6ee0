"""Sessions, the person, the documents."""

from __future__ import annotations

from marshmallow import fields

from gateway.schemas.base import (
    Answered,
    Shape,
    described,
    identifier,
    instant,
    length,
    said,
    secret,
    typed,
)
from gateway.schemas.base import Text as TextField


class SignIn(Shape):
    """E-mail and password, and a name for the device in the list of sessions."""

    email = typed("The e-mail of the cabinet.", "ivanov@example.org", least=3, most=254)
    password = secret("The password; at the first sign-in the temporary one from the letter.")
    device = TextField(
        load_default=None,
        allow_none=True,
        validate=length(1, 200),
        metadata=described("What the list of sessions shows; the User-Agent otherwise.", "Телефон"),
    )


class SignedIn(Answered):
    """A new session."""

    token = said("Sent back as `Authorization: Bearer <token>`. Shown once.")
    session_id = identifier("Names the session in the list.")
    person_id = identifier("Who signed in.")
    must_change_password = fields.Boolean(
        required=True,
        metadata=described(
            "The password is temporary: nothing else answers before PUT /me/password.", False
        ),
    )
    expires_at = instant("When the session ends by itself.")


class Session(Answered):
    """One session of the person."""

    session_id = identifier("Names the session.")
    device = said("What the person called the device, or what it called itself.", "Firefox")
    created_at = instant("When it was opened.")
    last_seen_at = instant("When it was last used.")
    current = fields.Boolean(
        required=True, metadata=described("Whether it is the one that asks.", True)
    )


class Sessions(Answered):
    """The sessions that are open."""

    sessions = fields.List(fields.Nested(Session), required=True)


class ChangePassword(Shape):
    """The password of now and the new one."""

    current_password = secret("The password of now, which may be the temporary one.")
    new_password = secret("The new password. Tell it to nobody (S10).")


class ProfileOrganisation(Answered):
    """The legal entity of the person."""

    name = said("Its name.", "ООО «Три кита»")
    inn = said("ИНН.", "6200098765")
    kpp = said("КПП; a sole proprietor has none.", "620001001", allow_none=True)


class Profile(Answered):
    """The person."""

    person_id = identifier("Names the person.")
    person_type = said("`individual` or `organisation`.", "individual")
    email = said("The e-mail of the cabinet.", "ivanov@example.org")
    organisation = fields.Nested(
        ProfileOrganisation, required=True, allow_none=True, metadata=described("Null: individual.")
    )
    full_name = said("ФИО; null until it is entered.", "Иванов Иван Иванович", allow_none=True)
    phone = said("The telephone; null until it is entered.", "+79991234567", allow_none=True)


class UpdateProfile(Shape):
    """What is to change; what is absent stays, the empty text clears."""

    full_name = TextField(
        validate=length(0, 200),
        metadata=described("ФИО.", "Иванов Иван Иванович"),
    )
    phone = TextField(
        validate=length(0, 32),
        metadata=described("The telephone, with its country code.", "+79991234567"),
    )


class DocumentQuery(Shape):
    """Which version of a document."""

    version = TextField(
        load_default=None,
        validate=length(1, 40),
        metadata=described("A version; the one in force otherwise.", "2025-09-01"),
    )


class Document(Answered):
    """A document with its text."""

    kind = said("Which document.", "rules")
    version = said("Its version; keep it with a consent.", "2025-09-01")
    title = said("Its title.", "Правила предоставления доступа")
    media_type = said("What the text is.", "text/markdown")
    text = said("The whole text.")
