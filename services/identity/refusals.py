"""Refusals that must be counted.

An exception in a use case rolls its transaction back, and with it the count of a wrong attempt. So
a use case that counts *returns* a refusal, the transaction commits, and only then the service
raises the error. The refusal is the stored result of the command: a repeated command is refused
again, and not counted twice.
"""

from __future__ import annotations

from typing import Any

from shared.errors import Conflict, Forbidden, NotFound, ServiceError, ValidationFailed

_REFUSALS: dict[str, tuple[type[ServiceError], str]] = {
    "too_many_attempts": (
        Forbidden,
        "Too many attempts; try again after the number of seconds in retry_after_seconds.",
    ),
    "wrong_code": (ValidationFailed, "The code is wrong; compare it with the latest letter."),
    "code_expired": (ValidationFailed, "The code is too old; ask for a new one."),
    "code_attempts_used_up": (Forbidden, "This code was tried too often; ask for a new one."),
    "registration_attempts_used_up": (
        Forbidden,
        "Too many wrong codes were entered for this registration; start again.",
    ),
    "wrong_credentials": (
        Forbidden,
        "The e-mail address or the password is wrong; try again or recover the password.",
    ),
    "sign_in_by_letter": (
        Forbidden,
        "Too many wrong passwords were tried; if this one is right, a link to sign in was sent.",
    ),
    "sign_in_link_expired": (
        Forbidden,
        "The link was used already or is older than half an hour; sign in with the password.",
    ),
    "temporary_password_expired": (
        Forbidden,
        "The temporary password was valid for 24 hours; recover the password by e-mail.",
    ),
    "wrong_current_password": (
        ValidationFailed,
        "The current password is wrong; type it again or recover it by e-mail.",
    ),
    "challenge_expired": (
        Conflict,
        "Ten minutes or five attempts are over, or it was done already; begin again.",
    ),
    "wrong_second_factor": (
        ValidationFailed,
        "The code is wrong or was used already; take the next one, or a recovery code.",
    ),
    "second_factor_guessed": (
        Forbidden,
        "Too many wrong codes followed the password; use a passkey or a known device, or wait.",
    ),
    "passkey_refused": (
        ValidationFailed,
        "This passkey is not one of this cabinet, or did not verify its user; use another.",
    ),
    "password_reset_not_found": (
        NotFound,
        "This link is used or too old; ask for another letter.",
    ),
    "email_link_not_found": (NotFound, "This link is used or too old; start the change again."),
    "subscriber_unknown": (Forbidden, "No subscriber has this token; ask the operator for one."),
    "reauthentication_required": (
        Forbidden,
        "Take the second step again before this change: POST /me/second-step.",
    ),
    "session_expired": (Forbidden, "The session has ended; sign in again."),
}


def refusal(code: str, **params: Any) -> dict[str, Any]:
    """Return a refusal as a result; ``params`` are JSON values, never personal."""
    if code not in _REFUSALS:
        raise KeyError(code)
    return {"refused": code, "params": params}


def refused(code: str, **params: Any) -> ServiceError:
    """Return a refusal as an error, for cases in which nothing is counted."""
    error, message = _REFUSALS[code]
    return error(code, message, **params)


def raise_if_refused(result: dict[str, Any]) -> dict[str, Any]:
    """Return a use case's result, or raise its refusal."""
    if "refused" in result:
        raise refused(result["refused"], **result["params"])
    return result
