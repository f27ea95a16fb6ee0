"""«Безопасность»: the person's passkeys, authenticator app and recovery codes."""

from __future__ import annotations

from typing import Any

from gateway.operations import API, Access, Call, Operation
from gateway.routes.second_step import ORIGIN
from gateway.schemas import second_factors as shapes
from gateway.web import route

TAG = "Second factor"
MOST_ENTRIES = 30
"""Of the security log."""
_CONFIRMED = {
    401: ("session_expired",),
    403: ("reauthentication_required",),
    422: ("wrong_current_password",),
    429: ("too_many_attempts",),
}


class SecondFactorRoutes:
    """Routes of the second factors in the settings."""

    @route(
        Operation(
            method="GET",
            path=f"{API}/me/second-factors",
            access=Access.WITHOUT_FACTOR,
            tag=TAG,
            summary="The person's passkeys, authenticator app and recovery codes.",
            description="No key, secret or code is shown again.",
            result=shapes.SecondFactors,
            refusals={404: ("person_not_found",)},
        )
    )
    def second_factors(self, call: Call) -> Any:
        return call.ask("identity", "second_factors", person_id=call.person_id)

    @route(
        Operation(
            method="GET",
            path=f"{API}/me/second-step",
            tag=TAG,
            summary="Whether this session has to take the second step before a change of access.",
            description="With a second factor, changes of it, of the address and of the password, "
            "and erasure need the step within the last ten minutes (`reauthentication_required`); "
            "a sign-in with two factors counts.",
            access=Access.ANY_PASSWORD,
            result=shapes.Reauthentication,
            refusals={401: ("session_expired",)},
        )
    )
    def reauthentication(self, call: Call) -> Any:
        return call.ask(
            "identity",
            "reauthentication",
            person_id=call.person_id,
            session_id=call.signed_in.session_id,
        )

    @route(
        Operation(
            method="POST",
            path=f"{API}/me/second-step",
            tag=TAG,
            summary="Take the second step again in this session.",
            description="With a `code` or a `passkey`. A code serves once; after five wrong ones "
            "in a quarter of an hour wait (`too_many_attempts`), after ten in a day the session "
            "ends.",
            access=Access.ANY_PASSWORD,
            body=shapes.Reauthenticate,
            result=shapes.Reauthenticated,
            refusals={
                401: ("session_expired",),
                404: ("person_not_found",),
                409: ("challenge_expired", "passkeys_unavailable", "second_factor_missing"),
                422: ("passkey_refused", "wrong_second_factor"),
                429: ("too_many_attempts",),
            },
        )
    )
    def reauthenticate(self, call: Call) -> Any:
        return call.command(
            "identity",
            "reauthenticate",
            person_id=call.person_id,
            session_id=call.signed_in.session_id,
            code=call.body["code"],
            passkey=call.body["passkey"],
        )

    @route(
        Operation(
            method="POST",
            path=f"{API}/me/passkeys/challenges",
            access=Access.WITHOUT_FACTOR,
            tag=TAG,
            summary="Begin to add a passkey.",
            description=f"The answer is for `navigator.credentials.create()`. {ORIGIN}",
            body=shapes.StartPasskey,
            result=shapes.PasskeyChallenge,
            refusals={
                **_CONFIRMED,
                404: ("person_not_found",),
                409: ("challenge_expired", "passkeys_unavailable", "too_many_passkeys"),
            },
        )
    )
    def start_passkey(self, call: Call) -> Any:
        return call.command(
            "identity",
            "start_passkey",
            person_id=call.person_id,
            session_id=call.signed_in.session_id,
            name=call.body["name"],
            current_password=call.body["current_password"],
        )

    @route(
        Operation(
            method="GET",
            path=f"{API}/me/passkeys/challenges/<uuid:challenge_id>",
            access=Access.WITHOUT_FACTOR,
            tag=TAG,
            summary="A passkey that is being added.",
            description="Only in the session in which it was begun, for ten minutes.",
            result=shapes.PasskeyChallenge,
            refusals={
                404: ("person_not_found",),
                409: ("challenge_expired", "passkeys_unavailable"),
            },
        )
    )
    def passkey_challenge(self, call: Call) -> Any:
        return call.ask(
            "identity",
            "passkey_challenge",
            person_id=call.person_id,
            session_id=call.signed_in.session_id,
            challenge_id=str(call.path["challenge_id"]),
        )

    @route(
        Operation(
            method="POST",
            path=f"{API}/me/passkeys",
            access=Access.WITHOUT_FACTOR,
            tag=TAG,
            summary="Add the passkey that was created.",
            description="All other sessions of the person end, and this one gets a new `token`. "
            "Whoever has no recovery codes gets ten.",
            body=shapes.AddPasskey,
            result=shapes.FactorAdded,
            refusals={
                404: ("person_not_found",),
                409: ("challenge_expired", "passkey_known", "passkeys_unavailable"),
                422: ("passkey_refused",),
            },
        )
    )
    def add_passkey(self, call: Call) -> Any:
        added = call.command(
            "identity",
            "add_passkey",
            person_id=call.person_id,
            session_id=call.signed_in.session_id,
            challenge_id=call.body["challenge_id"],
            credential=call.body["credential"],
        )
        return {**added, "message": call.notice("passkey_added")}

    @route(
        Operation(
            method="DELETE",
            path=f"{API}/me/passkeys/<uuid:passkey_id>",
            tag=TAG,
            summary="Remove a passkey.",
            description="All other sessions of the person end, and this one gets a new `token`. "
            "The last factor takes the recovery codes along.",
            body=shapes.Confirmed,
            result=shapes.FactorRemoved,
            refusals={**_CONFIRMED, 404: ("passkey_not_found", "person_not_found")},
        )
    )
    def remove_passkey(self, call: Call) -> Any:
        removed = call.command(
            "identity",
            "remove_passkey",
            person_id=call.person_id,
            session_id=call.signed_in.session_id,
            current_password=call.body["current_password"],
            passkey_id=str(call.path["passkey_id"]),
        )
        return {**removed, "message": call.notice("passkey_removed")}

    @route(
        Operation(
            method="POST",
            path=f"{API}/me/totp/challenges",
            access=Access.WITHOUT_FACTOR,
            tag=TAG,
            summary="Begin to set up an authenticator app.",
            description="The secret is shown until a code of the app has confirmed it. There is "
            "one app at a time (`totp_enabled`).",
            body=shapes.Confirmed,
            result=shapes.TotpChallenge,
            refusals={
                **_CONFIRMED,
                404: ("person_not_found",),
                409: ("challenge_expired", "totp_enabled"),
            },
        )
    )
    def start_totp(self, call: Call) -> Any:
        return call.command(
            "identity",
            "start_totp",
            person_id=call.person_id,
            session_id=call.signed_in.session_id,
            current_password=call.body["current_password"],
        )

    @route(
        Operation(
            method="GET",
            path=f"{API}/me/totp/challenges/<uuid:challenge_id>",
            access=Access.WITHOUT_FACTOR,
            tag=TAG,
            summary="An authenticator app that is being set up.",
            description="Only in the session in which it was begun, for ten minutes.",
            result=shapes.TotpChallenge,
            refusals={404: ("person_not_found",), 409: ("challenge_expired",)},
        )
    )
    def totp_challenge(self, call: Call) -> Any:
        return call.ask(
            "identity",
            "totp_challenge",
            person_id=call.person_id,
            session_id=call.signed_in.session_id,
            challenge_id=str(call.path["challenge_id"]),
        )

    @route(
        Operation(
            method="POST",
            path=f"{API}/me/totp",
            access=Access.WITHOUT_FACTOR,
            tag=TAG,
            summary="Confirm the authenticator app by a code.",
            description="All other sessions of the person end, and this one gets a new `token`. "
            "Whoever has no recovery codes gets ten.",
            body=shapes.EnableTotp,
            result=shapes.FactorAdded,
            refusals={
                404: ("person_not_found",),
                409: ("challenge_expired", "totp_enabled"),
                422: ("wrong_second_factor",),
            },
        )
    )
    def enable_totp(self, call: Call) -> Any:
        enabled = call.command(
            "identity",
            "enable_totp",
            person_id=call.person_id,
            session_id=call.signed_in.session_id,
            challenge_id=call.body["challenge_id"],
            code=call.body["code"],
        )
        return {**enabled, "message": call.notice("totp_enabled")}

    @route(
        Operation(
            method="DELETE",
            path=f"{API}/me/totp",
            tag=TAG,
            summary="Remove the authenticator app.",
            description="All other sessions of the person end, and this one gets a new `token`. "
            "The last factor takes the recovery codes along.",
            body=shapes.Confirmed,
            result=shapes.FactorRemoved,
            refusals={**_CONFIRMED, 404: ("person_not_found", "totp_not_enabled")},
        )
    )
    def disable_totp(self, call: Call) -> Any:
        removed = call.command(
            "identity",
            "disable_totp",
            person_id=call.person_id,
            session_id=call.signed_in.session_id,
            current_password=call.body["current_password"],
        )
        return {**removed, "message": call.notice("totp_disabled")}

    @route(
        Operation(
            method="POST",
            path=f"{API}/me/recovery-codes",
            tag=TAG,
            summary="Issue ten recovery codes; earlier ones are void.",
            description="They are for whoever has a second factor (`second_factor_missing`).",
            body=shapes.Confirmed,
            result=shapes.RecoveryCodes,
            refusals={
                **_CONFIRMED,
                404: ("person_not_found",),
                409: ("second_factor_missing",),
            },
        )
    )
    def issue_recovery_codes(self, call: Call) -> Any:
        return call.command(
            "identity",
            "issue_recovery_codes",
            person_id=call.person_id,
            session_id=call.signed_in.session_id,
            current_password=call.body["current_password"],
        )

    @route(
        Operation(
            method="GET",
            path=f"{API}/me/security-log",
            tag=TAG,
            summary="What happened to the person's access, latest first.",
            description="The last thirty events: log-ins, passwords, sessions, second factors, and "
            "which of it staff did.",
            result=shapes.SecurityLog,
        )
    )
    def security_log(self, call: Call) -> Any:
        return call.ask("identity", "security_log", person_id=call.person_id, limit=MOST_ENTRIES)
