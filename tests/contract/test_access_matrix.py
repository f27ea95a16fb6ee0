"""Each role at each operation and page, with things of somebody else: who gets in, and who not.

The table fails when a route is forgotten.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from werkzeug.test import TestResponse

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="\nEventlet is deprecated")
    from access_table import API, NAMED, PAGES, Row
    from access_world import ROLES, World, make_world

    from gateway.operations import template_of
    from gateway.service import Gateway

from services.ledger.seal.keys import VERIFIER
from tests.conftest import Database
from tests.integration.ledger.sealed_ledger import SIGNER

pytestmark = pytest.mark.nodes

_CODES = {"password_change_required": "password", "acceptance_required": "acceptance"}


@pytest.fixture(scope="module")
def world(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VERIFIER, str(SIGNER.verifier))
        yield make_world(module_database, tmp_path_factory.mktemp("contracts"))


def declared(attribute: str) -> Iterator[str]:
    """Yield method and path of each operation, or of each page."""
    for name in dir(Gateway):
        described = getattr(getattr(Gateway, name), attribute, None)
        if described is not None:
            path = described.path if "<outside" in described.path else template_of(described.path)
            yield f"{described.method} {path}"


def test_no_operation_is_forgotten() -> None:
    assert sorted(declared("operation")) == sorted(API)


def test_no_page_is_forgotten() -> None:
    assert sorted(declared("page")) == sorted(PAGES)


@pytest.mark.parametrize("route", API)
def test_an_operation_lets_in_whom_it_should(world: World, route: str) -> None:
    row, (method, path) = API[route], route.split(" ")
    met = {
        role: outcome_of_api(world.api(role, method, _filled(path, row, world), row.body), row)
        for role in ROLES
    }
    if row.ends_session:
        world.open_sessions()
    assert met == dict(row.outcomes)


@pytest.mark.parametrize("route", PAGES)
def test_a_page_lets_in_whom_it_should(world: World, route: str) -> None:
    row, (method, path) = PAGES[route], route.split(" ")
    filled = _filled(path, row, world)
    met = {
        role: outcome_of_page(world.page(role, method, filled, row.body or {}), row)
        for role in ROLES
    }
    if row.ends_session:
        world.open_sessions()
    assert met == dict(row.outcomes)


def _filled(path: str, row: Row, world: World) -> str:
    things: Mapping[str, Any] = {**NAMED, **world.things, **row.things}
    filled = path.replace("<outside:path>", "{path}").format_map(things)
    return f"{filled}?{row.query}" if row.query else filled


def outcome_of_api(response: TestResponse, row: Row) -> str:
    """Return what an answer of the API means for whoever asked."""
    if response.status_code < 400:
        return "open"
    document = response.get_json()
    code = str(document["code"])
    if code in row.refused:
        return "open"
    if response.status_code == 401:
        return "signed_out"
    return "hidden" if response.status_code == 404 else _CODES.get(code, code)


def outcome_of_page(response: TestResponse, row: Row) -> str:
    """Return what a page means for whoever opened it."""
    location = response.headers.get("Location", "")
    if response.status_code == 401 or location.startswith("/?next="):
        return "signed_out"
    if location == "/password":
        return "password"
    if location.startswith("/acceptance?"):
        return "acceptance"
    if response.status_code < 400 or str(response.status_code) in row.refused:
        return "open"
    if response.status_code == 403 and 'action="/acceptance"' in response.get_data(as_text=True):
        return "acceptance"
    known = {404: "hidden", 422: "again"}
    return known.get(response.status_code, str(response.status_code))
