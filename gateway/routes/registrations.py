"""Registration (S1-S8)."""

from __future__ import annotations

from typing import Any

from gateway.operations import API, Access, Call, Idempotency, Link, Operation
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
            description="The response is the same for an e-mail that is registered already: its "
            "owner alone learns of it, by letter. The letter with the code leaves within seconds; "
            "the code is short-lived and can be tried a few times. It has six digits, or twelve "
            "while codes are being guessed.",
            access=Access.PUBLIC,
            idempotency=Idempotency.OPTIONAL,
            body=shapes.StartRegistration,
            status=202,
            result=shapes.RegistrationStarted,
            refusals={
                422: (
                    "email_invalid",
                    "inn_invalid",
                    "kpp_invalid",
                    "kpp_missing",
                    "kpp_not_expected",
                    "organisation_name_invalid",
                ),
                429: ("too_many_attempts",),
            },
            links=(
                Link(to="confirm_registration", parameters={"registration_id": "registration_id"}),
                Link(to="correct_email", parameters={"registration_id": "registration_id"}),
                Link(to="resend_code", parameters={"registration_id": "registration_id"}),
            ),
        )
    )
    def start_registration(self, call: Call) -> Any:
        started = call.command(
            "identity",
            "start_registration",
            person_type=call.body["person_type"],
            email=call.body["email"],
            organisation=call.body["organisation"],
            language=call.body["language"] or call.language,
            ip=call.ip,
        )
        return {**started, "message": call.notice("registration_started")}

    @route(
        Operation(
            method="PATCH",
            path=f"{API}/registrations/<uuid:registration_id>",
            tag=TAG,
            summary="Correct a mistyped e-mail before the code; the code is sent there.",
            description="A code that was sent to the earlier address is void. The response is the "
            "same for an e-mail that is registered already.",
            access=Access.PUBLIC,
            idempotency=Idempotency.OPTIONAL,
            body=shapes.CorrectEmail,
            status=202,
            result=shapes.RegistrationStarted,
            refusals={
                404: ("registration_not_found",),
                409: ("registration_confirmed", "registration_expired"),
                422: ("email_invalid",),
                429: ("too_many_attempts",),
            },
            links=(
                Link(to="confirm_registration", parameters={"registration_id": "registration_id"}),
            ),
        )
    )
    def correct_email(self, call: Call) -> Any:
        registration_id = str(call.path["registration_id"])
        call.command(
            "identity",
            "correct_email",
            registration_id=registration_id,
            email=call.body["email"],
            ip=call.ip,
        )
        return {
            "registration_id": registration_id,
            "message": call.notice("registration_started"),
        }

    @route(
        Operation(
            method="POST",
            path=f"{API}/registrations/<uuid:registration_id>/code",
            tag=TAG,
            summary="Send the code again («Выслать код заново»).",
            description="The earlier code is void once the new letter is written.",
            access=Access.PUBLIC,
            idempotency=Idempotency.OPTIONAL,
            status=202,
            result=shapes.RegistrationStarted,
            refusals={
                404: ("registration_not_found",),
                409: ("registration_confirmed", "registration_expired"),
                429: ("too_many_attempts",),
            },
            links=(
                Link(to="confirm_registration", parameters={"registration_id": "registration_id"}),
            ),
        )
    )
    def resend_code(self, call: Call) -> Any:
        registration_id = str(call.path["registration_id"])
        call.command("identity", "resend_code", registration_id=registration_id, ip=call.ip)
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
            description="Both consents are given separately, and the versions of the documents in "
            "force are kept with them. The temporary password comes by letter; after signing in "
            "with it, `PUT /me/password` is the only operation allowed.",
            access=Access.PUBLIC,
            idempotency=Idempotency.OPTIONAL,
            body=shapes.ConfirmRegistration,
            status=201,
            result=shapes.RegistrationConfirmed,
            refusals={
                403: ("code_attempts_used_up", "registration_attempts_used_up"),
                404: ("registration_not_found",),
                409: (
                    "already_registered",
                    "documents_changed",
                    "registration_confirmed",
                    "registration_expired",
                ),
                422: ("code_expired", "consent_not_given", "rules_not_accepted", "wrong_code"),
            },
            location=f"{API}/me",
            links=(Link(to="sign_in"), Link(to="profile")),
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
