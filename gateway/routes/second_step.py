"""Signing in with a second factor: the step after the password, and a passkey alone."""

from __future__ import annotations

from typing import Any

from gateway.operations import API, Access, Call, Operation
from gateway.routes.sessions import TAG, device_of
from gateway.schemas import second_factors as shapes
from gateway.schemas.sessions import SignedIn
from gateway.web import route

ORIGIN = (
    "Passkeys are bound to the host name of the installation, by HTTPS; an installation without "
    "one has none (`passkeys_unavailable`)."
)


class SecondStepRoutes:
    """Routes of the second step, and of signing in by a passkey."""

    @route(
        Operation(
            method="GET",
            path=f"{API}/sessions/passkey",
            tag=TAG,
            summary="What a passkey has to sign to sign in by itself.",
            description=f"For `navigator.credentials.get()`. {ORIGIN}",
            access=Access.PUBLIC,
            result=shapes.PasskeyRequest,
            refusals={409: ("passkeys_unavailable",)},
        )
    )
    def passkey_request(self, call: Call) -> Any:
        return call.ask("identity", "passkey_request")

    @route(
        Operation(
            method="POST",
            path=f"{API}/sessions/passkey",
            tag=TAG,
            summary="Sign in by a passkey alone.",
            description="The authenticator verifies its user (finger, face, code): that is two "
            "factors. What was signed serves once, and not after ten minutes "
            "(`challenge_expired`).",
            access=Access.PUBLIC,
            body=shapes.PasskeySignIn,
            status=201,
            result=SignedIn,
            refusals={
                404: ("person_not_found",),
                409: ("challenge_expired", "passkeys_unavailable"),
                422: ("passkey_refused",),
            },
            location=f"{API}/sessions/{{session_id}}",
        )
    )
    def sign_in_by_passkey(self, call: Call) -> Any:
        return call.command(
            "identity",
            "sign_in_by_passkey",
            passkey=call.body["passkey"],
            device=device_of(call),
            device_token=call.body["device_token"],
            ip=call.ip,
        )

    @route(
        Operation(
            method="GET",
            path=f"{API}/sessions/second-factor/<uuid:challenge_id>",
            tag=TAG,
            summary="The second step of a sign-in: how it can be taken.",
            description="Its id is in `params` of `second_factor_required`. After ten minutes, "
            "and when it was taken, it is `challenge_expired`.",
            access=Access.PUBLIC,
            result=shapes.PendingStep,
            refusals={409: ("challenge_expired",)},
        )
    )
    def second_step(self, call: Call) -> Any:
        return call.ask("identity", "second_step", challenge_id=str(call.path["challenge_id"]))

    @route(
        Operation(
            method="POST",
            path=f"{API}/sessions/second-factor",
            tag=TAG,
            summary="Take the second step of a sign-in.",
            description="With a `code` or a `passkey`. A code serves once; after five wrong ones "
            "sign in again. After ten wrong codes in a day, or forty in a week whatever the "
            "passwords, they are taken only on a device that is known, where ten in a day are "
            "counted apart (`second_factor_guessed`). A passkey is taken always.",
            access=Access.PUBLIC,
            body=shapes.SecondStep,
            status=201,
            result=SignedIn,
            refusals={
                404: ("person_not_found",),
                409: ("challenge_expired", "passkeys_unavailable"),
                422: ("passkey_refused", "wrong_second_factor"),
                429: ("second_factor_guessed",),
            },
            location=f"{API}/sessions/{{session_id}}",
        )
    )
    def take_second_step(self, call: Call) -> Any:
        return call.command(
            "identity",
            "take_second_step",
            challenge_id=call.body["challenge_id"],
            code=call.body["code"],
            passkey=call.body["passkey"],
            device=device_of(call),
            device_token=call.body["device_token"],
            ip=call.ip,
        )
