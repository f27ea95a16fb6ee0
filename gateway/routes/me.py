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
            access=Access.ANY_PASSWORD,
            body=shapes.ChangePassword,
            result=Notice,
        )
    )
    def change_password(self, call: Call) -> Any:
        call.command(
            "identity",
            "change_password",
            person_id=call.person_id,
            session_id=call.signed_in.session_id,
            current_password=call.body["current_password"],
            new_password=call.body["new_password"],
        )
        return {"message": call.notice("password_changed")}

    @route(
        Operation(
            method="POST",
            path=f"{API}/me/acceptances",
            tag=TAG,
            summary="Accept new versions of the rules or the consent, by their versions.",
            access=Access.UNACCEPTED,
            idempotency=Idempotency.OPTIONAL,
            body=shapes.AcceptDocuments,
            result=Notice,
        )
    )
    def accept_documents(self, call: Call) -> Any:
        call.command(
            "identity",
            "accept_documents",
            person_id=call.person_id,
            rules_version=call.body["rules_version"],
            consent_version=call.body["consent_version"],
            ip=call.ip,
        )
        return {"message": call.notice("documents_accepted")}

    @route(
        Operation(
            method="GET",
            path=f"{API}/me",
            tag=TAG,
            summary="The person's e-mail, name and telephone.",
            result=shapes.Profile,
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
            body=shapes.UpdateProfile,
            result=shapes.Profile,
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
