"""Who has access to an account, and invitations."""

from __future__ import annotations

from marshmallow import fields

from gateway.schemas.base import (
    Result,
    Shape,
    Text,
    day,
    described,
    email_address,
    formed,
    identifier,
    instant,
    notice,
    one_of,
    output_text,
)
from gateway.schemas.linked_accounts import role_field

_LINK_PART = "^ *[A-Za-z0-9_-]{1,256}={0,2} *$"
_EXAMPLE = "C25-HE0qT2WcVQ86HZp7EKo0m3dl0c2mGf9Q1m0yT6b"


class Access(Result):
    """One person's access to an account."""

    access_id = identifier("The id of the access.")
    name = output_text(
        "The first name and the initial of the last one; null: not given.",
        "Полина П.",
        allow_none=True,
    )
    email = output_text("The e-mail, masked; null: erased.", "p***@example.org", allow_none=True)
    role = role_field()
    linked_at = instant("When it was linked.")
    you = fields.Boolean(required=True, metadata=described("Whether it is you.", False))
    may_withdraw = fields.Boolean(
        required=True, metadata=described("Whether you may end it.", True)
    )


class OpenInvitation(Result):
    """An invitation that nobody has used yet."""

    access_id = identifier("The id of the invitation.")
    email = output_text("Whom the letter went to; null: erased.", "p@example.org", allow_none=True)
    role = role_field()
    expires_at = instant("When its link stops working.")


class AccessList(Result):
    """Everybody who has access to an account."""

    number = output_text("The personal account.", "0001234")
    role = role_field()
    since = day("The first day that all of them see; null: from the beginning.", allow_none=True)
    until = day("The last day that all of them see; null: it is open.", allow_none=True)
    state = output_text("`open` or `closed`.", "open")
    access = fields.List(fields.Nested(Access), required=True)
    invitations = fields.List(
        fields.Nested(OpenInvitation),
        required=True,
        metadata=described("For owners alone; others get none."),
    )


class Invite(Shape):
    """Whom to invite, and what for."""

    email = email_address("Where the letter with the link goes.")
    role = Text(
        required=True,
        validate=one_of("viewer", "payer"),
        metadata=described("`viewer` reads, `payer` reads and pays.", "viewer"),
    )


class Invited(Result):
    """The invitation; its letter is on the way."""

    access_id = identifier("The id of the invitation.")
    number = output_text("The personal account.", "0001234")
    role = role_field()
    expires_at = instant("When its link stops working.")
    message = notice()


class InvitationToken(Shape):
    """What the link of the letter ends with."""

    token = Text(
        required=True,
        validate=formed(_LINK_PART, 260, error="field_refused"),
        metadata=described("The last part of the letter's link.", _EXAMPLE),
    )


class InvitationPreview(Result):
    """What an invitation gives, without anything that names a person."""

    number = output_text("The personal account.", "0001234")
    address = output_text("The address without the house.", "г. Рязань, ул. Ленина")
    role = role_field()
    expires_at = instant("When the link stops working.")


class InvitationAccepted(Result):
    """The account is in the cabinet."""

    number = output_text("The personal account.", "0001234")
    role = role_field()
    message = notice()
