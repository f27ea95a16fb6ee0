"""Recovery of a lost password."""

from __future__ import annotations

from typing import Any

from gateway.operations import API, Access, Call, Idempotency, Link, Operation
from gateway.schemas import registrations as shapes
from gateway.schemas.base import Notice
from gateway.web import route

TAG = "Password recovery"


class PasswordResetRoutes:
    """Routes of the recovery: a link by e-mail, then a new password."""

    @route(
        Operation(
            method="POST",
            path=f"{API}/password-resets",
            tag=TAG,
            summary="Request a link; the response is the same for an unknown e-mail.",
            description="If the e-mail is registered, a letter with a link leaves within seconds; "
            "links of earlier letters stay valid.",
            access=Access.PUBLIC,
            idempotency=Idempotency.OPTIONAL,
            body=shapes.RequestPasswordReset,
            status=202,
            result=Notice,
            refusals={422: ("email_invalid",), 429: ("too_many_attempts",)},
            links=(Link(to="confirm_password_reset"),),
        )
    )
    def request_password_reset(self, call: Call) -> Any:
        call.command(
            "identity",
            "request_password_reset",
            email=call.body["email"],
            device_token=call.body["device_token"],
            ip=call.ip,
        )
        return {"message": call.notice("password_reset_requested")}

    @route(
        Operation(
            method="POST",
            path=f"{API}/password-resets/confirm",
            tag=TAG,
            summary="Set a new password with the token of the link.",
            description="The token serves once, for an hour. All sessions of the person end; sign "
            "in with the new password.",
            access=Access.PUBLIC,
            idempotency=Idempotency.OPTIONAL,
            body=shapes.ConfirmPasswordReset,
            result=Notice,
            refusals={
                404: ("password_reset_not_found", "person_not_found"),
                422: (
                    "password_has_email",
                    "password_has_name",
                    "password_too_common",
                    "password_too_long",
                    "password_too_short",
                    "password_was_temporary",
                ),
                429: ("too_many_attempts",),
            },
        )
    )
    def confirm_password_reset(self, call: Call) -> Any:
        call.command(
            "identity",
            "confirm_password_reset",
            token=call.body["token"],
            new_password=call.body["new_password"],
            ip=call.ip,
        )
        return {"message": call.notice("password_changed")}
