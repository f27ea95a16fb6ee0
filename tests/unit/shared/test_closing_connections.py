"""Connections that are closed by the management API, which fails now and then."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from shared.bus import administration
from shared.bus.administration import BrokerAdministration, BrokerAdministrationError


def answering(monkeypatch: pytest.MonkeyPatch, *statuses: int) -> list[str]:
    """Let the API answer with these statuses, one after another; return what it is asked."""
    asked: list[str] = []
    left = list(statuses)

    def request(self: requests.Session, method: str, url: str, **_: Any) -> requests.Response:
        asked.append(f"{method} {url}")
        response = requests.Response()
        response.status_code = left.pop(0)
        response._content = b""
        return response

    monkeypatch.setattr(requests.Session, "request", request)
    monkeypatch.setattr(administration, "CLOSE_AGAIN_S", 0.0)
    return asked


@pytest.fixture
def broker() -> BrokerAdministration:
    return BrokerAdministration("http://admin:secret@broker.example:15672", "saldo")


@pytest.mark.parametrize("statuses", [(204,), (404,), (500, 204), (500, 500, 500, 404)])
def test_connections_are_closed_though_one_was_closing_by_itself(
    monkeypatch: pytest.MonkeyPatch, broker: BrokerAdministration, statuses: tuple[int, ...]
) -> None:
    asked = answering(monkeypatch, *statuses)
    broker.close_connections("staff.ivanova")
    assert len(asked) == len(statuses)
    assert asked[0].endswith("/api/connections/username/staff.ivanova")


@pytest.mark.parametrize(("statuses", "times"), [((409,), 1), ((500,) * 4, 4)])
def test_an_api_that_goes_on_refusing_is_told(
    monkeypatch: pytest.MonkeyPatch,
    broker: BrokerAdministration,
    statuses: tuple[int, ...],
    times: int,
) -> None:
    asked = answering(monkeypatch, *statuses)
    with pytest.raises(BrokerAdministrationError, match=f"answered {statuses[0]}"):
        broker.close_connections("staff.ivanova")
    assert len(asked) == times
