"""Requests of second factors that succeed, each by a person of its own: a change ends sessions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyotp import TOTP

from deploy.demo.client import CabinetClient, Problem
from deploy.demo.person import Journey
from tests.soft_authenticator import SoftAuthenticator

Requests = dict[str, Mapping[str, Mapping[str, Any]]]


class SecondFactors:
    """The persons, their tokens by operation, and the requests."""

    def __init__(self, url: str, new_person: Callable[[], Journey]) -> None:
        self._url = url
        self._origin = url.replace("127.0.0.1", "localhost")
        self.tokens: dict[str, str | None] = {}
        self.requests: Requests = {}
        self.secrets: dict[str, str] = {}
        """The secret of an app by challenge: a code holds for half a minute."""
        self._begin(new_person())
        self._confirm(new_person(), new_person())
        self._end(new_person(), new_person())
        self._issue(new_person())
        self._take_again(new_person())
        self._sign_in(new_person(), new_person())

    def _begin(self, journey: Journey) -> None:
        password = {"current_password": journey.person.own_password}
        named = {"name": "Телефон", **password}
        self.requests |= {
            "start_passkey": {"body": named},
            "start_totp": {"body": password},
            "passkey_challenge": {"path": _challenge(journey.client, "passkeys", named)},
            "totp_challenge": {"path": _challenge(journey.client, "totp", password)},
        }
        self._use(journey, "start_passkey", "start_totp", "passkey_challenge", "totp_challenge")

    def _confirm(self, of_passkey: Journey, of_app: Journey) -> None:
        _, body = _new_passkey(of_passkey, SoftAuthenticator(self._origin))
        self.requests["add_passkey"] = {"body": body}
        self._use(of_passkey, "add_passkey")
        started = _new_app(of_app)
        self.secrets[started["challenge_id"]] = started["secret"]
        body = {"challenge_id": started["challenge_id"], "code": "000000"}
        self.requests["enable_totp"] = {"body": body}
        self._use(of_app, "enable_totp")

    def _end(self, of_passkey: Journey, of_app: Journey) -> None:
        client, body = _new_passkey(of_passkey, SoftAuthenticator(self._origin))
        _go_on(client, client.call("POST", "/me/passkeys", body))
        (passkey,) = client.call("GET", "/me/second-factors")["passkeys"]
        self.requests["remove_passkey"] = {
            "path": {"passkey_id": passkey["passkey_id"]},
            "body": {"current_password": of_passkey.person.own_password},
        }
        self._use(of_passkey, "remove_passkey")
        _with_app(of_app)
        self.requests["disable_totp"] = {"body": {"current_password": of_app.person.own_password}}
        self._use(of_app, "disable_totp")

    def _issue(self, journey: Journey) -> None:
        _with_app(journey)
        self.requests["issue_recovery_codes"] = {
            "body": {"current_password": journey.person.own_password}
        }
        self._use(journey, "issue_recovery_codes")

    def _take_again(self, journey: Journey) -> None:
        # Nobody else issues codes for this person: those would replace the one that is used.
        codes = _with_app(journey)
        self.requests["reauthenticate"] = {"body": {"code": codes[0]}}
        self._use(journey, "reauthenticate")

    def _sign_in(self, of_codes: Journey, of_passkey: Journey) -> None:
        codes, step = _with_app(of_codes), _pending(self._url, of_codes)
        self.requests |= {
            "second_step": {"path": {"challenge_id": _pending(self._url, of_codes)}},
            "take_second_step": {"body": {"challenge_id": step, "code": codes[0]}},
        }
        key = SoftAuthenticator(self._origin)
        client, body = _new_passkey(of_passkey, key)
        _go_on(client, client.call("POST", "/me/passkeys", body))
        asked = client.call("GET", "/sessions/passkey")
        self.requests["sign_in_by_passkey"] = {"body": {"passkey": key.use(asked["passkey"])}}

    def _use(self, journey: Journey, *operations: str) -> None:
        self.tokens |= dict.fromkeys(operations, journey.client.token)


def _challenge(client: CabinetClient, kind: str, body: Mapping[str, str]) -> dict[str, str]:
    started = client.call("POST", f"/me/{kind}/challenges", dict(body))
    return {"challenge_id": started["challenge_id"]}


def _new_passkey(journey: Journey, key: SoftAuthenticator) -> tuple[CabinetClient, dict[str, Any]]:
    """Begin to add a passkey; return the client, and the body that adds it."""
    body = {"name": "Телефон", "current_password": journey.person.own_password}
    started = journey.client.call("POST", "/me/passkeys/challenges", body)
    created = key.create(started["passkey"])
    return journey.client, {"challenge_id": started["challenge_id"], "credential": created}


def _new_app(journey: Journey) -> dict[str, Any]:
    body = {"current_password": journey.person.own_password}
    started: dict[str, Any] = journey.client.call("POST", "/me/totp/challenges", body)
    return started


def _with_app(journey: Journey) -> list[str]:
    """Set an app up; return the recovery codes."""
    started = _new_app(journey)
    body = {"challenge_id": started["challenge_id"], "code": TOTP(started["secret"]).now()}
    enabled = journey.client.call("POST", "/me/totp", body)
    _go_on(journey.client, enabled)
    codes: list[str] = enabled["recovery_codes"]
    return codes


def _go_on(client: CabinetClient, changed: Mapping[str, Any]) -> None:
    client.token = str(changed["token"])


def _pending(url: str, journey: Journey) -> str:
    """Sign in with the password; return the challenge of the second step."""
    person = journey.person
    try:
        CabinetClient(url).sign_in(person.email, person.own_password)
    except Problem as problem:
        return str(problem.params["challenge_id"])
    raise AssertionError("a password alone has opened a session")
