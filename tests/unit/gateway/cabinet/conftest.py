"""The cabinet's pages over services that the test plays; a browser that keeps cookies."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cabinet_doubles import SETTINGS, CabinetBrowser
from cabinet_person import CabinetPerson
from gateway_doubles import PERSON, Browser, FakeServices
from shared_gateways import gateway_over

from shared.config import Settings

PROFILE = {
    "person_id": PERSON,
    "person_type": "individual",
    "email": "ivanov@example.org",
    "organisation": None,
    "full_name": None,
    "phone": None,
}
TOPICS = {
    "topics": [
        {"topic": "charges", "title": "Начисления", "title_en": "Charges", "department": "billing"}
    ]
}


@pytest.fixture
def cabinet(cabinet_of: Callable[[Settings], CabinetBrowser]) -> CabinetBrowser:
    """Return a browser in front of the cabinet, signed out; see `CabinetBrowser.sign_in`."""
    return cabinet_of(SETTINGS)


@pytest.fixture
def cabinet_of(services: FakeServices) -> Callable[[Settings], CabinetBrowser]:
    """Return a function that puts a browser in front of a cabinet with settings of its own."""

    def made(settings: Settings) -> CabinetBrowser:
        return CabinetBrowser(*gateway_over(services, settings))

    return made


@pytest.fixture
def person(browser: Browser) -> CabinetPerson:
    """Return a person who is signed in."""
    return CabinetPerson(browser)


@pytest.fixture
def own_pages(services: FakeServices) -> None:
    """Let the services answer for a person without accounts and questions."""
    services.answers["identity", "profile"] = PROFILE
    services.answers["accounts", "linked"] = {"accounts": []}
    services.answers["helpdesk", "topics"] = TOPICS
    services.answers["helpdesk", "questions"] = {"questions": []}
