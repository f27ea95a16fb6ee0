"""Fake services, and an HTTP client without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from werkzeug.test import Client

from shared import context
from shared.config import Settings
from shared.distant_clock import ServiceClocks

PERSON = "7d9f0a52-6d11-4a0e-9a3f-1f5a2f0f1b01"
SESSION = "7d9f0a52-6d11-4a0e-9a3f-1f5a2f0f1b02"
LINK_TOKEN = "q0Zb3m1V7xR5sT9uY2wC4eG6hJ8kL0nP1aD3fF5gH7j"
THING = "7d9f0a52-6d11-4a0e-9a3f-1f5a2f0f1b03"
TOKEN = "token-of-the-session"
NO_STEP = {"required": False, "methods": [], "passkey": None, "until": None}
"""What identity says of a second step to whoever has no second factor."""


class FakeServices:
    """Returns the answers set by the test, and records calls with their context."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Any] = {
            ("identity", "note_support_code"): {},
            ("identity", "end_session"): {},
            ("identity", "reauthentication"): NO_STEP,
            ("helpdesk", "unread"): {"unread": 0},
            ("notifications", "choices"): {"optional": {}, "bounced_since": None},
            ("notifications", "delivery"): {"late": False},
            ("helpdesk", "disputes"): {"disputes": []},
        }
        self.clocks = ServiceClocks(Settings.timezone)
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.command_ids: list[UUID | None] = []
        self.deadlines: list[float] = []
        self.contexts: list[context.RequestContext] = []
        self.sign_in()

    def sign_in(
        self,
        *,
        must_change_password: bool = False,
        person_id: str = PERSON,
        must_accept: Sequence[Mapping[str, str]] = (),
        must_add_factor: bool = False,
    ) -> None:
        self.answers["identity", "authenticate"] = {
            "session_id": SESSION,
            "person_id": person_id,
            "must_change_password": must_change_password,
            "must_accept": list(must_accept),
            "must_add_factor": must_add_factor,
        }

    def call(
        self,
        service: str,
        method: str,
        *,
        deadline: float = 5.0,
        command_id: UUID | None = None,
        **arguments: Any,
    ) -> Any:
        assert deadline > 0
        self.calls.append((service, method, arguments))
        self.command_ids.append(command_id)
        self.deadlines.append(deadline)
        self.contexts.append(context.current())
        answer = self.answers[service, method]
        if isinstance(answer, Exception):
            raise answer
        return answer(**arguments) if callable(answer) else answer


class Browser:
    """Sends requests to the gateway's WSGI application, signed in by default.

    The responses are werkzeug's ``TestResponse``.
    """

    def __init__(self, application: Any, keep: Any) -> None:
        self._client = Client(application, use_cookies=False)
        self._keep = keep  # nameko's entrypoints hold their container weakly

    def __call__(self, method: str, path: str, *, token: str | None = TOKEN, **options: Any) -> Any:
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers.setdefault("Authorization", f"Bearer {token}")
        options.setdefault("environ_base", {"REMOTE_ADDR": "127.0.0.1"})
        return self._client.open(path, method=method, headers=headers, **options)
