"""«Настройки» (S24): the person's password, name and telephone."""

from __future__ import annotations

from typing import Any

from gateway.operations import API, Access, Call, Idempotency, Operation
from gateway.schemas import sessions as shapes
from gateway.schemas.base import Notice
from gateway.web import route

TAG = "Me"


class MeRoutes:
    """Routes of the signed-in person."""

    @route(
        Operation(
            method="PUT",
            path=f"{API}/me/password",
            tag=TAG,
            summary="Change the password; required before anything else at the first sign-in (S9).",
            description="All other sessions of the person end, and this one gets a new `token`: "
            "the old one is refused from then on. The new password must be long enough, differ "
            "from the current one and the temporary one, contain neither e-mail nor name, and not "
            "be among those that are guessed first. With a second factor "
            "`reauthentication_required` asks for `POST /me/second-step` first.",
            access=Access.ANY_PASSWORD,
            body=shapes.ChangePassword,
            result=shapes.PasswordChanged,
            refusals={
                401: ("session_expired",),
                403: ("reauthentication_required",),
                404: ("person_not_found",),
                422: (
                    "password_has_email",
                    "password_has_name",
                    "password_too_common",
                    "password_too_long",
                    "password_too_short",
                    "password_unchanged",
                    "password_was_temporary",
                    "wrong_current_password",
                ),
                429: ("too_many_attempts",),
            },
        )
    )
    def change_password(self, call: Call) -> Any:
        changed = call.command(
            "identity",
            "change_password",
            person_id=call.person_id,
            session_id=call.signed_in.session_id,
            current_password=call.body["current_password"],
            new_password=call.body["new_password"],
        )
        return {**changed, "message": call.notice("password_changed")}

    @route(
        Operation(
            method="POST",
            path=f"{API}/me/acceptances",
            tag=TAG,
            summary="Accept new versions of the rules or the consent, by their versions.",
            description="Until then everything else is refused with `acceptance_required`. Only "
            "the version in force is taken: the one that the person has seen.",
            access=Access.UNACCEPTED,
            idempotency=Idempotency.OPTIONAL,
            body=shapes.AcceptDocuments,
            result=Notice,
            refusals={404: ("person_not_found",), 409: ("documents_changed",)},
        )
    )
    def accept_documents(self, call: Call) -> Any:
        versions = {each["kind"]: each["version"] for each in call.body["documents"]}
        call.command(
            "identity",
            "accept_documents",
            person_id=call.person_id,
            rules_version=versions.get("rules"),
            consent_version=versions.get("consent"),
            ip=call.ip,
        )
        return {"message": call.notice("documents_accepted")}

    @route(
        Operation(
            method="GET",
            path=f"{API}/me",
            tag=TAG,
            summary="The person's e-mail, name and telephone.",
            description="An individual has no `organisation`; name and telephone are null until "
            "they are entered.",
            result=shapes.Profile,
            refusals={404: ("person_not_found",)},
        )
    )
    def profile(self, call: Call) -> Any:
        return call.ask("identity", "profile", person_id=call.person_id)

    @route(
        Operation(
            method="PATCH",
            path=f"{API}/me",
            tag=TAG,
            summary="Change name or telephone; absent values stay.",
            description="An empty text clears a value. The e-mail has an operation of its own, "
            "`request_email_change`.",
            body=shapes.UpdateProfile,
            result=shapes.Profile,
            refusals={404: ("person_not_found",), 422: ("full_name_invalid", "phone_invalid")},
        )
    )
    def update_profile(self, call: Call) -> Any:
        call.command(
            "identity",
            "update_profile",
            person_id=call.person_id,
            full_name=call.body.get("full_name"),
            phone=call.body.get("phone"),
        )
        return call.ask("identity", "profile", person_id=call.person_id)
