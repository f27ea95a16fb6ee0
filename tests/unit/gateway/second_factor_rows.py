"""The plain routes of second factors: as PLAIN of `test_gateway_routes.py` has them."""

from __future__ import annotations

from typing import Any

from gateway_doubles import PERSON, SESSION, THING
from gateway_samples import SIGNED_IN

_AT = "2026-05-14T09:30:00+00:00"
_IN_SESSION = {"person_id": PERSON, "session_id": SESSION}
_CONFIRMED = {**_IN_SESSION, "current_password": "p"}
_PASSWORD = {"current_password": "p"}
_DEVICE = {"device": "Телефон", "device_token": None}
_ARRIVAL = {**_DEVICE, "ip": "127.0.0.1"}
_SIGNED = {
    "id": "AA",
    "rawId": "AA",
    "type": "public-key",
    "response": {
        "clientDataJSON": "AA",
        "authenticatorData": "AA",
        "signature": "AA",
        "userHandle": None,
    },
}
_CREATED = {**_SIGNED, "response": {"clientDataJSON": "AA", "attestationObject": "AA"}}
_REQUEST = {"passkey": {"challenge": "AA"}, "expires_at": _AT}
_STEP = {**_REQUEST, "challenge_id": THING, "methods": ["passkey"]}
_NEW_PASSKEY = {**_REQUEST, "challenge_id": THING, "name": "Телефон"}
_NEW_TOTP = {"challenge_id": THING, "secret": "JBSW", "uri": "otpauth://totp/x", "expires_at": _AT}
_RENEWED = {"token": "t", "expires_at": _AT}
_ADDED = {**_RENEWED, "recovery_codes": ["1111 2222 3333"]}
_OVERVIEW = {
    "passkeys": [{"passkey_id": THING, "name": "Телефон", "added_at": _AT, "last_used_at": None}],
    "totp": {"added_at": _AT, "last_used_at": _AT},
    "recovery_codes": {"left": 9, "issued_at": _AT},
}

_ASKED = {"required": True, "methods": ["totp"], "passkey": None, "until": None}
_LOG = {"entries": [{"at": _AT, "action": "signed_in", "about": "password", "by": "you"}]}

SECOND_FACTOR: list[tuple[Any, ...]] = [
    (
        "GET", "/sessions/passkey", None, "identity", "passkey_request", {},
        _REQUEST, 200, _REQUEST,
    ),
    (
        "POST", "/sessions/passkey", {"passkey": _SIGNED, **_DEVICE},
        "identity", "sign_in_by_passkey", {"passkey": _SIGNED, **_ARRIVAL},
        SIGNED_IN, 201, SIGNED_IN,
    ),
    (
        "GET", f"/sessions/second-factor/{THING}", None,
        "identity", "second_step", {"challenge_id": THING}, _STEP, 200, _STEP,
    ),
    (
        "POST", "/sessions/second-factor", {"challenge_id": THING, "code": "492039", **_DEVICE},
        "identity", "take_second_step",
        {"challenge_id": THING, "code": "492039", "passkey": None, **_ARRIVAL},
        SIGNED_IN, 201, SIGNED_IN,
    ),
    (
        "GET", "/me/second-factors", None,
        "identity", "second_factors", {"person_id": PERSON}, _OVERVIEW, 200, _OVERVIEW,
    ),
    (
        "GET", "/me/second-step", None, "identity", "reauthentication", _IN_SESSION,
        _ASKED, 200, _ASKED,
    ),
    (
        "POST", "/me/second-step", {"code": "492039"}, "identity", "reauthenticate",
        {**_IN_SESSION, "code": "492039", "passkey": None}, {"until": _AT}, 200, {"until": _AT},
    ),
    (
        "POST", "/me/passkeys/challenges", {"name": " Телефон ", **_PASSWORD},
        "identity", "start_passkey", {"name": "Телефон", **_CONFIRMED},
        _NEW_PASSKEY, 200, _NEW_PASSKEY,
    ),
    (
        "GET", f"/me/passkeys/challenges/{THING}", None,
        "identity", "passkey_challenge", {**_IN_SESSION, "challenge_id": THING},
        _NEW_PASSKEY, 200, _NEW_PASSKEY,
    ),
    (
        "POST", "/me/passkeys", {"challenge_id": THING, "credential": _CREATED},
        "identity", "add_passkey", {**_IN_SESSION, "challenge_id": THING, "credential": _CREATED},
        {**_ADDED, "passkey_id": THING}, 200, _ADDED,
    ),
    (
        "DELETE", f"/me/passkeys/{THING}", _PASSWORD,
        "identity", "remove_passkey", {**_CONFIRMED, "passkey_id": THING},
        _RENEWED, 200, _RENEWED,
    ),
    (
        "POST", "/me/totp/challenges", _PASSWORD,
        "identity", "start_totp", _CONFIRMED, _NEW_TOTP, 200, _NEW_TOTP,
    ),
    (
        "GET", f"/me/totp/challenges/{THING}", None,
        "identity", "totp_challenge", {**_IN_SESSION, "challenge_id": THING},
        _NEW_TOTP, 200, _NEW_TOTP,
    ),
    (
        "POST", "/me/totp", {"challenge_id": THING, "code": "492039"},
        "identity", "enable_totp", {**_IN_SESSION, "challenge_id": THING, "code": "492039"},
        _ADDED, 200, _ADDED,
    ),
    (
        "DELETE", "/me/totp", _PASSWORD, "identity", "disable_totp", _CONFIRMED,
        _RENEWED, 200, _RENEWED,
    ),
    (
        "POST", "/me/recovery-codes", _PASSWORD, "identity", "issue_recovery_codes", _CONFIRMED,
        {"codes": ["1111 2222 3333"]}, 200, {"codes": ["1111 2222 3333"]},
    ),
    (
        "GET", "/me/security-log", None,
        "identity", "security_log", {"person_id": PERSON, "limit": 30}, _LOG, 200, _LOG,
    ),
]  # fmt: skip
