"""Identity on the in-memory store, called as the RPC server calls it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from identity_doubles import FakeReadModel

from services.identity.domain import EVENTS
from services.identity.passwords import Passwords
from services.identity.service import IdentityService
from shared.config import Settings
from shared.eventstore import MemoryStore
from tests.fixed_clock import FixedClock

FAST = Passwords(time_cost=1, memory_cost=8)
IP = "203.0.113.7"


class Identity:
    """The service as its callers see it: keyword arguments by schema, JSON results."""

    def __init__(self) -> None:
        self.clock = FixedClock(datetime(2026, 11, 23, 9, 0, tzinfo=UTC))
        self.tables = FakeReadModel()
        self.store = MemoryStore(EVENTS, self.tables, self.clock)
        self.service: Any = IdentityService()
        self.service.store = self.store
        self.service.settings = Settings(amqp_url="amqp://", secret=b"\1" * 32)
        self.service.passwords = FAST

    def call(self, method: str, **arguments: Any) -> Any:
        bound = getattr(self.service, method)
        (entrypoint,) = bound.nameko_entrypoints
        return json.loads(json.dumps(bound(**entrypoint.load(arguments))))

    def events(self) -> list[Any]:
        return [entry.event for entry in self.store.log]

    def start(self, email: str = "anna@example.org", **more: Any) -> str:
        arguments = {"person_type": "individual", "email": email, "ip": IP, **more}
        return str(self.call("start_registration", **arguments)["registration_id"])

    def confirm(self, registration_id: str, code: str, **more: Any) -> Any:
        ticks = {"accept_rules": True, "consent_personal_data": True, "ip": IP, **more}
        return self.call(
            "confirm_registration", registration_id=registration_id, code=code, **ticks
        )

    def person(self, email: str = "anna@example.org", **more: Any) -> str:
        """Register a person; return the id."""
        registration_id = self.start(email, **more)
        issued = self.call("issue_registration_code", registration_id=registration_id)
        self.confirm(registration_id, issued["code"])
        return str(self.store.log[-1].originator_id)

    def sign_in(self, password: str, email: str = "anna@example.org", **more: Any) -> Any:
        arguments = {"email": email, "password": password, "device": "Firefox", "ip": IP, **more}
        return self.call("sign_in", **arguments)

    def member(self, phrase: str = "длинная фраза 1", email: str = "anna@example.org") -> Any:
        """Register a person with a chosen password; return the session."""
        person_id = self.person(email)
        temporary = self.call("issue_temporary_password", person_id=person_id)["password"]
        session = self.sign_in(temporary, email)
        return session | self.call(
            "change_password",
            person_id=person_id,
            session_id=session["session_id"],
            current_password=temporary,
            new_password=phrase,
        )


@pytest.fixture
def identity() -> Identity:
    return Identity()
