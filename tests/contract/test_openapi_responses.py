"""What the description says of responses: their headers, links and refusals."""

from __future__ import annotations

import re
import warnings
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="\nEventlet is deprecated")
    from gateway.openapi import describe, operations_of
    from gateway.refusals import refusals_of
    from gateway.service import Gateway

OPERATIONS = operations_of(Gateway)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return describe(Gateway)


@pytest.fixture(scope="module")
def described(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the described operations by their ids."""
    return {
        operation["operationId"]: operation
        for methods in document["paths"].values()
        for operation in methods.values()
    }


def _resolved(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    target: Any = document
    for step in node.get("$ref", "").split("/")[1:]:
        target = target[step]
    return node if target is document else target


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_refusal_is_described_with_its_codes(
    name: str, document: dict[str, Any], described: dict[str, Any]
) -> None:
    responses = described[name]["responses"]
    found = {}
    for status, response in responses.items():
        content = _resolved(document, response).get("content", {})
        if "application/problem+json" in content:
            problem, codes = content["application/problem+json"]["schema"]["allOf"]
            assert problem == {"$ref": "#/components/schemas/Problem"}
            found[int(status)] = tuple(codes["properties"]["code"]["enum"])
            text = _resolved(document, response)["description"]
            assert all(f"- `{code}`: " in text for code in found[int(status)])
    assert found == refusals_of(OPERATIONS[name])


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_headers_of_limits_access_and_outages_are_described(
    name: str, document: dict[str, Any], described: dict[str, Any]
) -> None:
    expected = {
        "401": {"WWW-Authenticate"},
        "429": {"Retry-After", "RateLimit", "RateLimit-Policy"},
        "503": {"Retry-After"},
    }
    for status, response in described[name]["responses"].items():
        headers = _resolved(document, response)["headers"]
        assert set(headers) >= {"X-Request-Id"} | expected.get(status, set())
        for header in headers.values():
            assert _resolved(document, header)["schema"]["type"] in {"string", "integer"}


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_what_was_created_has_a_location_that_can_be_read(
    name: str, described: dict[str, Any]
) -> None:
    operation = OPERATIONS[name]
    assert bool(operation.location) == (operation.status == 201)
    if operation.location:
        reading = {one.template for one in OPERATIONS.values() if one.method == "GET"}
        assert operation.location in reading
        header = described[name]["responses"]["201"]["headers"]["Location"]
        pattern = re.sub(r"{\w+}", "[^/{}]+", operation.location)
        assert re.fullmatch(pattern, header["example"])


def test_every_link_leads_to_an_operation_by_members_of_the_result(
    document: dict[str, Any], described: dict[str, Any]
) -> None:
    links = 0
    for operation in described.values():
        for response in operation["responses"].values():
            for link in response.get("links", {}).values():
                links += 1
                target = described[link["operationId"]]
                in_path = {one["name"] for one in target["parameters"] if one["in"] == "path"}
                assert set(link.get("parameters", ())) == in_path
                schema = response["content"]["application/json"]["schema"]
                members = _resolved(document, schema)["properties"]
                taken = {**link.get("parameters", {}), **link.get("requestBody", {})}
                for expression in taken.values():
                    assert expression.removeprefix("$response.body#/") in members
    assert links > 10


def test_what_is_revalidated_says_so(described: dict[str, Any]) -> None:
    revalidated = {name for name, one in described.items() if "304" in one["responses"]}
    assert revalidated == {"document", "openapi"}
    for name in revalidated:
        assert "ETag" in described[name]["responses"]["200"]["headers"]
        assert "If-None-Match" in {one["name"] for one in described[name]["parameters"]}
