"""Recovery of a lost password."""

from __future__ import annotations

from typing import Any

from gateway.operations import API, Access, Call, Idempotency, Operation
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
            access=Access.PUBLIC,
            idempotency=Idempotency.OPTIONAL,
            body=shapes.RequestPasswordReset,
            status=202,
            result=shapes.PasswordResetRequested,
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
            access=Access.PUBLIC,
            idempotency=Idempotency.OPTIONAL,
            body=shapes.ConfirmPasswordReset,
            result=Notice,
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
