"""Recovery of a lost password."""

from __future__ import annotations

from typing import Any

from gateway.operations import API, Access, Call, Idempotency, Link, Operation
from gateway.schemas import registrations as shapes
from gateway.schemas.base import Notice
from gateway.web import route

TAG = "Password recovery"


class PasswordResetRoutes:
    """Routes of the recovery: a code by e-mail, then a new password."""

    @route(
        Operation(
            method="POST",
            path=f"{API}/password-resets",
            tag=TAG,
            summary="Request a code; the response is the same for an unknown e-mail.",
            description="If the e-mail is registered, a letter with a code leaves within seconds.",
            access=Access.PUBLIC,
            idempotency=Idempotency.OPTIONAL,
            body=shapes.RequestPasswordReset,
            status=202,
            result=shapes.PasswordResetRequested,
            refusals={422: ("email_invalid",), 429: ("too_many_attempts",)},
            links=(Link(to="confirm_password_reset", parameters={"reset_id": "reset_id"}),),
        )
    )
    def request_password_reset(self, call: Call) -> Any:
        requested = call.command(
            "identity", "request_password_reset", email=call.body["email"], ip=call.ip
        )
        return {**requested, "message": call.notice("password_reset_requested")}

    @route(
        Operation(
            method="POST",
            path=f"{API}/password-resets/<uuid:reset_id>/confirm",
            tag=TAG,
            summary="Set a new password with the code.",
            description="All sessions of the person end; sign in with the new password.",
            access=Access.PUBLIC,
            idempotency=Idempotency.OPTIONAL,
            body=shapes.ConfirmPasswordReset,
            result=Notice,
            refusals={
                403: ("code_attempts_used_up",),
                404: ("password_reset_not_found", "person_not_found"),
                409: ("password_reset_completed",),
                422: (
                    "code_expired",
                    "password_is_email",
                    "password_too_common",
                    "password_too_long",
                    "password_too_short",
                    "wrong_code",
                ),
            },
        )
    )
    def confirm_password_reset(self, call: Call) -> Any:
        call.command(
            "identity",
            "confirm_password_reset",
            reset_id=str(call.path["reset_id"]),
            code=call.body["code"],
            new_password=call.body["new_password"],
        )
        return {"message": call.notice("password_changed")}
