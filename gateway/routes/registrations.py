"""Registration (S1-S8)."""

from __future__ import annotations

from typing import Any

from gateway.operations import API, Access, Call, Idempotency, Operation
from gateway.schemas import registrations as shapes
from gateway.web import route

TAG = "Registration"


class RegistrationRoutes:
    """Routes of the registration: an e-mail, then a verification code."""

    @route(
        Operation(
            method="POST",
            path=f"{API}/registrations",
            tag=TAG,
            summary="Start a registration; a verification code is sent to the e-mail.",
            access=Access.PUBLIC,
            idempotency=Idempotency.OPTIONAL,
            body=shapes.StartRegistration,
            status=202,
            result=shapes.RegistrationStarted,
        )
    )
    def start_registration(self, call: Call) -> Any:
        started = call.command(
            "identity",
            "start_registration",
            person_type=call.body["person_type"],
            email=call.body["email"],
            organisation=call.body["organisation"],
            ip=call.ip,
        )
        return {**started, "message": call.notice("registration_started")}

    @route(
        Operation(
            method="POST",
            path=f"{API}/registrations/<uuid:registration_id>/code",
            tag=TAG,
            summary="Send the code again («Выслать код заново»).",
            access=Access.PUBLIC,
            idempotency=Idempotency.OPTIONAL,
            status=202,
            result=shapes.RegistrationStarted,
        )
    )
    def resend_code(self, call: Call) -> Any:
        registration_id = str(call.path["registration_id"])
        call.command("identity", "resend_code", registration_id=registration_id)
        return {
            "registration_id": registration_id,
            "message": call.notice("registration_started"),
        }

    @route(
        Operation(
            method="POST",
            path=f"{API}/registrations/<uuid:registration_id>/confirm",
            tag=TAG,
            summary="Confirm with the code and both consents; the temporary password is sent.",
            access=Access.PUBLIC,
            idempotency=Idempotency.OPTIONAL,
            body=shapes.ConfirmRegistration,
            status=201,
            result=shapes.RegistrationConfirmed,
        )
    )
    def confirm_registration(self, call: Call) -> Any:
        confirmed = call.command(
            "identity",
            "confirm_registration",
            registration_id=str(call.path["registration_id"]),
            code=call.body["code"],
            accept_rules=call.body["accept_rules"],
            consent_personal_data=call.body["consent_personal_data"],
            rules_version=call.body["rules_version"],
            consent_version=call.body["consent_version"],
            ip=call.ip,
        )
        return {**confirmed, "message": call.notice("registration_confirmed")}
