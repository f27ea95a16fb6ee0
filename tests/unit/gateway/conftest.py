"""The gateway's real WSGI application, with services that are played by the test."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
from gateway_doubles import Browser, PlayedServices

from shared.config import Settings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="\nEventlet is deprecated")
    from nameko.containers import ServiceContainer

    from gateway.service import CLIENT_KEY, Gateway
    from gateway.web import SETTINGS_KEY, GatewayServer

SETTINGS = Settings(amqp_url="", secret=bytes(32), acquirer_url="https://bank.example")


@pytest.fixture
def services() -> PlayedServices:
    return PlayedServices()


@pytest.fixture
def make_browser(services: PlayedServices) -> Callable[[], Browser]:
    """Return a maker of gateways, for tests that set the environment first."""

    def make() -> Browser:
        container = ServiceContainer(Gateway, {CLIENT_KEY: services, SETTINGS_KEY: SETTINGS})
        container.extensions.all.setup()
        server = next(ext for ext in container.subextensions if isinstance(ext, GatewayServer))
        return Browser(server.get_wsgi_app(), keep=container)

    return make


@pytest.fixture
def browser(make_browser: Callable[[], Browser]) -> Browser:
    return make_browser()
