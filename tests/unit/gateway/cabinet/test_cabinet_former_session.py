"""A log-in in a browser that has a session already: that one ends, whoever's it was."""

from __future__ import annotations

from cabinet_doubles import CabinetBrowser
from gateway_doubles import PERSON, SESSION, FakeServices

from shared.errors import Unavailable

OPENED = {
    "token": "token-of-the-new-session",
    "session_id": "7d9f0a52-6d11-4a0e-9a3f-1f5a2f0f1b09",
    "person_id": PERSON,
    "must_change_password": False,
    "must_accept": [],
    "expires_at": "2026-12-01T00:00:00+00:00",
    "device_token": "device",
}


def log_in(cabinet: CabinetBrowser, services: FakeServices) -> int:
    services.answers["identity", "sign_in"] = OPENED
    fields = cabinet.get("/register").fields
    typed = {"email": "a@example.org", "password": "plain words in a row"}
    return cabinet.post("/login", {**fields, **typed}).status


def ended(services: FakeServices) -> list[str]:
    return [
        arguments["session_id"]
        for service, method, arguments in services.calls
        if (service, method) == ("identity", "end_session")
    ]


def test_who_logs_in_again_leaves_no_session_behind(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    cabinet.sign_in()
    assert log_in(cabinet, services) == 303
    assert ended(services) == [SESSION]


def test_who_logs_in_for_the_first_time_ends_nothing(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    assert log_in(cabinet, services) == 303
    assert ended(services) == []


def test_a_former_session_that_cannot_be_ended_stops_no_log_in(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    services.answers["identity", "end_session"] = Unavailable("service_unavailable", "x")
    cabinet.sign_in()
    assert log_in(cabinet, services) == 303
