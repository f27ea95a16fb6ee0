"""Signing in and out."""

from __future__ import annotations

from typing import Any

from gateway.operations import API, Access, Call, Idempotency, Link, Operation
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
            description="The token is shown once and is valid until `expires_at`, and for a week "
            "without use. The session of a temporary password is short, and allows nothing but "
            "`PUT /me/password`. Keep `device_token` and send it at the next sign-in: on a device "
            "that is known nobody else's wrong passwords count, and no letter is sent about it. "
            "While strangers guess, a right password from a place that is not known answers "
            "`sign_in_by_letter`, as a wrong one does; the link in the letter signs in. With a "
            "second factor the answer is `second_factor_required`, its `params` have the "
            "`challenge_id` for `POST /sessions/second-factor`.",
            access=Access.PUBLIC,
            idempotency=Idempotency.OPTIONAL,
            body=shapes.SignIn,
            status=201,
            result=shapes.SignedIn,
            refusals={
                401: ("wrong_credentials",),
                403: (
                    "second_factor_required",
                    "sign_in_by_letter",
                    "temporary_password_expired",
                ),
                404: ("person_not_found",),
                422: ("email_invalid",),
                429: ("too_many_attempts",),
            },
            location=f"{API}/sessions/{{session_id}}",
            links=(
                Link(to="session", parameters={"session_id": "session_id"}),
                Link(to="end_session", parameters={"session_id": "session_id"}),
            ),
        )
    )
    def sign_in(self, call: Call) -> Any:
        return opened(
            call.command(
                "identity",
                "sign_in",
                email=call.body["email"],
                password=call.body["password"],
                device=device_of(call),
                device_token=call.body["device_token"],
                ip=call.ip,
            )
        )

    @route(
        Operation(
            method="POST",
            path=f"{API}/sessions/by-link",
            tag=TAG,
            summary="Sign in by the link of a letter.",
            description="The letter is sent when `POST /sessions` answers `sign_in_by_letter` to "
            "the right password. Its link works once, for half an hour; `token` is the last part "
            "of its address.",
            access=Access.PUBLIC,
            idempotency=Idempotency.OPTIONAL,
            body=shapes.SignInByLink,
            status=201,
            result=shapes.SignedIn,
            refusals={
                403: (
                    "second_factor_required",
                    "sign_in_link_expired",
                    "temporary_password_expired",
                ),
                404: ("person_not_found",),
            },
            location=f"{API}/sessions/{{session_id}}",
        )
    )
    def sign_in_by_link(self, call: Call) -> Any:
        return opened(
            call.command(
                "identity",
                "sign_in_by_link",
                token=call.body["token"],
                device=device_of(call),
                device_token=call.body["device_token"],
                ip=call.ip,
            )
        )

    @route(
        Operation(
            method="GET",
            path=f"{API}/sessions",
            tag=TAG,
            summary="The open sessions.",
            description="The one last used comes first; `current` marks the session of this "
            "request.",
            result=shapes.Sessions,
        )
    )
    def list_sessions(self, call: Call) -> Any:
        return {"sessions": _open_sessions(call)}

    @route(
        Operation(
            method="GET",
            path=f"{API}/sessions/<uuid:session_id>",
            tag=TAG,
            summary="An open session; one's own also with a temporary password.",
            description="A session that has ended, and somebody else's, is a 404.",
            access=Access.ANY_PASSWORD,
            result=shapes.Session,
            refusals={403: ("password_change_required",), 404: ("session_not_found",)},
        )
    )
    def session(self, call: Call) -> Any:
        session_id = _session_asked(call)
        for session in _open_sessions(call):
            if str(session["session_id"]) == session_id:
                return session
        raise Refusal(404, "session_not_found")

    @route(
        Operation(
            method="DELETE",
            path=f"{API}/sessions/<uuid:session_id>",
            tag=TAG,
            summary="End a session; one's own also with a temporary password.",
            description="Its token is refused from then on. A session that has ended is a 404.",
            access=Access.ANY_PASSWORD,
            status=204,
            refusals={403: ("password_change_required",), 404: ("session_not_found",)},
        )
    )
    def end_session(self, call: Call) -> None:
        session_id = _session_asked(call)
        call.command(
            "identity",
            "end_session",
            person_id=call.person_id,
            session_id=session_id,
            by_session_id=call.signed_in.session_id,
        )

    @route(
        Operation(
            method="DELETE",
            path=f"{API}/sessions",
            tag=TAG,
            summary="End all sessions but this one.",
            description="Their tokens are refused from then on, and their devices are no longer "
            "known.",
            status=204,
            refusals={401: ("session_expired",)},
        )
    )
    def end_other_sessions(self, call: Call) -> None:
        call.command(
            "identity",
            "end_other_sessions",
            person_id=call.person_id,
            session_id=call.signed_in.session_id,
        )


def opened(result: Any) -> Any:
    """Return a session that was opened; raises 403 where a second step is asked for first."""
    if "second_factor" in result:
        raise Refusal(403, "second_factor_required", **result["second_factor"])
    return result


def device_of(call: Call) -> str:
    """Return the name of the device that signs in: what it calls itself, or its User-Agent."""
    device = call.body["device"] or call.request.headers.get("User-Agent", "")
    return "".join(filter(str.isprintable, device))[:MAX_DEVICE_LENGTH]


def _session_asked(call: Call) -> str:
    """Return the session of the path. Raises 403 for another than one's own before S9 is done."""
    session_id = str(call.path["session_id"])
    person = call.signed_in
    if person.must_change_password and session_id != person.session_id:
        raise Refusal(403, "password_change_required")
    return session_id


def _open_sessions(call: Call) -> list[dict[str, Any]]:
    found = call.ask("identity", "sessions", person_id=call.person_id, ip=call.ip)["sessions"]
    own = call.signed_in.session_id
    return [{**session, "current": str(session["session_id"]) == own} for session in found]
