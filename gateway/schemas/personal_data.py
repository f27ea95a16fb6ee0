"""What is held about a person, and its erasure."""

from __future__ import annotations

from marshmallow import fields

from gateway.schemas.base import Result, Shape, described, identifier, secret


class HeldData(Result):
    """All that is held about the person, by the service that holds it."""

    person_id = identifier("The id of the person.")
    held = fields.Dict(
        keys=fields.String(),
        values=fields.Dict(),
        required=True,
        metadata=described(
            "`identity`: profile, acceptances, sessions, security log; `accounts`; `payments`; "
            "`helpdesk`: questions with all messages; `notifications`: which letters were sent. "
            "No password or code is in it: only their digests are kept.",
            {"identity": {"profile": {"email": "ivanov@example.org"}}},
        ),
    )


class Erase(Shape):
    """The password once more: nobody erases a cabinet that was left open."""

    current_password = secret("The current password.", "четыре синих чайника")
