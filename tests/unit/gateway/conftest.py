"""The gateway's real WSGI application, with fake services."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from gateway_doubles import Browser, FakeServices
from werkzeug.wrappers import Request, Response

from shared.acquirer_settings import AcquirerSettings
from shared.config import Settings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="\nEventlet is deprecated")
    from shared_gateways import gateway_over

    from gateway.operations import API, Operation
    from gateway.refusals import refusals_of
    from gateway.web import Route

SETTINGS = Settings(
    amqp_url="",
    secret=bytes(32),
    acquirers=(AcquirerSettings("main", "rbs", "https://bank.example"),),
)


@pytest.fixture
def made_up_refusals() -> None:
    """For tests in which a service refuses as it never does: nothing is compared."""


@pytest.fixture(autouse=True)
def _responses_are_described(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compare each response of an operation with its declaration."""
    handle = Route.handle

    def compared(route: Route, sent: Request, values: Mapping[str, Any]) -> Response:
        response = handle(route, sent, values)
        if isinstance(route.operation, Operation) and route.operation.path.startswith(API):
            check_described(route.operation, response)
        return response

    if "made_up_refusals" not in request.fixturenames:
        monkeypatch.setattr(Route, "handle", compared)


def check_described(operation: Operation, response: Response) -> None:
    """Fail if an operation declares neither the status of a response nor its code."""
    status = response.status_code
    if response.mimetype == "application/problem+json":
        code = json.loads(response.get_data())["code"]
        assert code in refusals_of(operation).get(status, ()), f"{status} {code}"
    else:
        assert status == operation.status or (status == 304 and operation.revalidates)
    if status == 201:
        assert response.headers["Location"].startswith("/api/v1/")
    if status in {429, 503}:
        assert int(response.headers["Retry-After"]) > 0


@pytest.fixture
def services() -> FakeServices:
    return FakeServices()


@pytest.fixture
def make_browser(services: FakeServices) -> Callable[[], Browser]:
    """Return a factory of gateways, for tests that set the environment first."""

    def make() -> Browser:
        return Browser(*gateway_over(services, SETTINGS))

    return make


@pytest.fixture
def browser(make_browser: Callable[[], Browser]) -> Browser:
    return make_browser()
