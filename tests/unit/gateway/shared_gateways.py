"""Gateways without a socket: one for each settings, made once, over the services of each test.

A gateway has no state but its dependencies, which every test gets anew. Making one costs more than
most tests: it compiles the rules of some two hundred addresses.
"""

from __future__ import annotations

import os
from typing import Any

from gateway_doubles import FakeServices
from nameko.containers import ServiceContainer

from gateway.service import Gateway
from gateway.web import CLIENT_KEY, CLOCKS_KEY, SETTINGS_KEY, GatewayApp, GatewayServer
from shared.config import Settings

_made: list[tuple[Settings, str | None, ServiceContainer, GatewayApp]] = []


def gateway_over(services: FakeServices, settings: Settings) -> tuple[GatewayApp, Any]:
    """Return a gateway's WSGI application, and what its entrypoints hold weakly."""
    trusted = os.environ.get("SALDO_TRUSTED_PROXY")
    for known, known_trusted, container, application in _made:
        if (known, known_trusted) == (settings, trusted):
            container.config.update({CLIENT_KEY: services, CLOCKS_KEY: services.clocks})
            container.dependencies.all.setup()
            return application, container
    container = ServiceContainer(
        Gateway, {CLIENT_KEY: services, SETTINGS_KEY: settings, CLOCKS_KEY: services.clocks}
    )
    container.extensions.all.setup()
    server = next(ext for ext in container.subextensions if isinstance(ext, GatewayServer))
    application = server.get_wsgi_app()
    _made.append((settings, trusted, container, application))
    return application, container
