"""The gateway's real WSGI application, with fake services."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
from gateway_doubles import Browser, FakeServices

from shared.config import Settings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="\nEventlet is deprecated")
    from nameko.containers import ServiceContainer

    from gateway.service import CLIENT_KEY, Gateway
    from gateway.web import SETTINGS_KEY, GatewayServer

SETTINGS = Settings(amqp_url="", secret=bytes(32), acquirer_url="https://bank.example")


@pytest.fixture
def services() -> FakeServices:
    return FakeServices()


@pytest.fixture
def make_browser(services: FakeServices) -> Callable[[], Browser]:
    """Return a factory of gateways, for tests that set the environment first."""

    def make() -> Browser:
        container = ServiceContainer(Gateway, {CLIENT_KEY: services, SETTINGS_KEY: SETTINGS})
        container.extensions.all.setup()
        server = next(ext for ext in container.subextensions if isinstance(ext, GatewayServer))
        return Browser(server.get_wsgi_app(), keep=container)

    return make


@pytest.fixture
def browser(make_browser: Callable[[], Browser]) -> Browser:
    return make_browser()
