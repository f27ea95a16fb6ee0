"""Identity is told which person met an error, by the code that he reads out to support."""

from __future__ import annotations

from typing import Any

import eventlet
import pytest
from gateway_doubles import PERSON, Browser, FakeServices

from shared.errors import NotFound, Unavailable, ValidationFailed

ME = "/api/v1/me"
NOTE = ("identity", "note_support_code")
pytestmark = pytest.mark.usefixtures("made_up_refusals")


def noted(services: FakeServices) -> list[dict[str, Any]]:
    """Return what identity was told, once all that runs beside the responses has run."""
    eventlet.sleep(0)
    return [arguments for service, method, arguments in services.calls if (service, method) == NOTE]


@pytest.mark.parametrize("error", [NotFound("person_not_found", "x"), RuntimeError("x")])
def test_the_id_of_a_problem_leads_to_who_met_it(
    browser: Browser, services: FakeServices, error: Exception
) -> None:
    services.answers["identity", "profile"] = error
    instance = browser("GET", ME).json["instance"]
    assert noted(services) == [{"code": instance.removeprefix("urn:uuid:"), "person_id": PERSON}]


def test_of_strangers_and_of_what_was_sent_wrongly_nothing_is_kept(
    browser: Browser, services: FakeServices
) -> None:
    services.answers["identity", "profile"] = ValidationFailed("wrong_code", "x", attempts_left=2)
    assert browser("GET", ME).status_code == 422
    assert browser("GET", ME, token=None).status_code == 401
    assert browser("GET", "/api/v1/nothing").status_code == 404
    assert noted(services) == []


def test_identity_that_is_away_changes_no_response(
    browser: Browser, services: FakeServices
) -> None:
    away = Unavailable("service_unavailable", "x")
    services.answers["identity", "profile"] = services.answers[NOTE] = away
    assert browser("GET", ME).status_code == 503
    assert len(noted(services)) == 1
