"""The cabinet's pages over services that the test plays; a browser that keeps cookies."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cabinet_doubles import SETTINGS, CabinetBrowser
from cabinet_person import CabinetPerson
from gateway_doubles import Browser, FakeServices
from nameko.containers import ServiceContainer

from gateway.service import CLIENT_KEY, Gateway
from gateway.web import SETTINGS_KEY, GatewayServer
from shared.config import Settings


@pytest.fixture
def cabinet(cabinet_of: Callable[[Settings], CabinetBrowser]) -> CabinetBrowser:
    """Return a browser in front of the cabinet, signed out; see `CabinetBrowser.sign_in`."""
    return cabinet_of(SETTINGS)


@pytest.fixture
def cabinet_of(services: FakeServices) -> Callable[[Settings], CabinetBrowser]:
    """Return a function that puts a browser in front of a cabinet with settings of its own."""

    def made(settings: Settings) -> CabinetBrowser:
        container = ServiceContainer(Gateway, {CLIENT_KEY: services, SETTINGS_KEY: settings})
        container.extensions.all.setup()
        server = next(ext for ext in container.subextensions if isinstance(ext, GatewayServer))
        return CabinetBrowser(server.get_wsgi_app(), keep=container)

    return made


@pytest.fixture
def person(browser: Browser) -> CabinetPerson:
    """Return a person who is signed in."""
    return CabinetPerson(browser)
