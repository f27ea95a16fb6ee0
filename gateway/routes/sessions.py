"""Signing in and out."""

from __future__ import annotations

from typing import Any

from gateway.operations import API, Access, Call, Idempotency, Operation, Reply
from gateway.problems import Refusal
from gateway.schemas import sessions as shapes
from gateway.web import route

TAG = "Sessions"
MAX_DEVICE_LENGTH = 200


class SessionRoutes:
    """Routes of sessions: open, list, end."""

    @route(
        Operation(
            method="POST",
            path=f"{API}/sessions",
            tag=TAG,
            summary="Sign in; send the token as `Authorization: Bearer`.",
            access=Access.PUBLIC,
            idempotency=Idempotency.OPTIONAL,
            body=shapes.SignIn,
            status=201,
            result=shapes.SignedIn,
        )
    )
    def sign_in(self, call: Call) -> Any:
        device = call.body["device"] or call.request.headers.get("User-Agent", "")
        signed_in = call.command(
            "identity",
            "sign_in",
            email=call.body["email"],
            password=call.body["password"],
            device="".join(filter(str.isprintable, device))[:MAX_DEVICE_LENGTH],
            ip=call.ip,
        )
        location = f"{API}/sessions/{signed_in['session_id']}"
        return Reply(data=signed_in, headers={"Location": location})

    @route(
        Operation(
            method="GET",
            path=f"{API}/sessions",
            tag=TAG,
            summary="The open sessions.",
            result=shapes.Sessions,
        )
    )
    def list_sessions(self, call: Call) -> Any:
        found = call.ask("identity", "sessions", person_id=call.person_id)["sessions"]
        own = call.signed_in.session_id
        return {
            "sessions": [
                {**session, "current": str(session["session_id"]) == own} for session in found
            ]
        }

    @route(
        Operation(
            method="DELETE",
            path=f"{API}/sessions/<uuid:session_id>",
            tag=TAG,
            summary="End a session; one's own also with a temporary password.",
            access=Access.ANY_PASSWORD,
            status=204,
        )
    )
    def end_session(self, call: Call) -> None:
        session_id = str(call.path["session_id"])
        person = call.signed_in
        if person.must_change_password and session_id != person.session_id:
            raise Refusal(403, "password_change_required")
        call.command("identity", "end_session", person_id=person.person_id, session_id=session_id)
