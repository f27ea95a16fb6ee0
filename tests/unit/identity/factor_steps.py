"""Steps of the tests of second factors: a member, an app, a passkey, the second step."""

from __future__ import annotations

from typing import Any

from pyotp import TOTP

from tests.soft_authenticator import SoftAuthenticator

OWN = "длинная фраза 1"
ORIGIN = "http://localhost:18080"
"""Where passkeys of an installation at 127.0.0.1 work."""


class Member:
    """A person with a chosen password, and whatever he adds to it."""

    def __init__(self, identity: Any, email: str = "anna@example.org") -> None:
        self.identity = identity
        self.email = email
        self.session = identity.member(OWN, email)
        self.codes: list[str] = []
        self.secret = ""

    def call(self, method: str, **arguments: Any) -> Any:
        """Call an RPC in the session of this person."""
        return self.identity.call(
            method,
            person_id=self.session["person_id"],
            session_id=self.session["session_id"],
            **arguments,
        )

    def confirmed(self, method: str, password: str = OWN, **arguments: Any) -> Any:
        """Call one that asks for the password."""
        return self.call(method, current_password=password, **arguments)

    def take(self, changed: Any) -> Any:
        """Go on with the token of an answer, and keep its recovery codes."""
        self.session = {**self.session, "token": changed["token"]}
        self.codes = changed.get("recovery_codes") or self.codes
        return changed

    def add_totp(self) -> Any:
        """Set an app up."""
        started = self.confirmed("start_totp")
        self.secret = started["secret"]
        return self.take(
            self.call("enable_totp", challenge_id=started["challenge_id"], code=self.app_code())
        )

    def add_passkey(self, key: SoftAuthenticator, name: str = "Телефон") -> Any:
        """Add a passkey."""
        started = self.confirmed("start_passkey", name=name)
        return self.take(
            self.call(
                "add_passkey",
                challenge_id=started["challenge_id"],
                credential=key.create(started["passkey"]),
            )
        )

    def app_code(self) -> str:
        """Return the code that the app shows now."""
        return TOTP(self.secret).at(self.identity.clock.now())

    def password(self, password: str = OWN, **more: Any) -> dict[str, Any]:
        """Take the first step; return the challenge of the second."""
        answer = self.identity.sign_in(password, self.email, **more)
        assert set(answer) == {"second_factor"}, "nothing is opened"
        return dict(answer["second_factor"])

    def second(self, challenge: dict[str, Any], **factor: Any) -> Any:
        """Take the second step."""
        arguments = {"device": "Firefox", "ip": "203.0.113.7", **factor}
        return self.identity.call(
            "take_second_step", challenge_id=challenge["challenge_id"], **arguments
        )
