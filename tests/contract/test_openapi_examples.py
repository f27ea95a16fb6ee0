"""The description's examples of requests: clients and fuzzers start from them.

They fit the shapes that check requests; Spectral compares them with the described schemas.
"""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from werkzeug.routing import Map, Rule

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="\nEventlet is deprecated")
    from gateway.cursors import decode_cursor
    from gateway.openapi import describe, operations_of
    from gateway.operations import PATH_PARTS
    from gateway.problems import Refusal
    from gateway.service import Gateway

OPERATIONS = operations_of(Gateway)
LISTS = {"before": ("months 0001234", "payments"), "after": ("statement 0001234", "events ledger")}


@pytest.fixture(scope="module")
def described() -> dict[str, dict[str, Any]]:
    """Return the described operations by their ids."""
    return {
        operation["operationId"]: operation
        for methods in describe(Gateway)["paths"].values()
        for operation in methods.values()
    }


def _example(parameter: dict[str, Any]) -> Any:
    return parameter.get("example") or parameter["schema"]["examples"][0]


@pytest.mark.parametrize("name", sorted(name for name, one in OPERATIONS.items() if one.body))
def test_examples_of_a_body_are_taken(name: str, described: dict[str, Any]) -> None:
    schema: Any = OPERATIONS[name].body
    (content,) = described[name]["requestBody"]["content"].values()
    examples = [example["value"] for example in content["examples"].values()]
    assert examples
    for example in examples:
        assert schema().load(example)
    given = set().union(*examples)
    members = {field.data_key or key for key, field in schema().fields.items()}
    assert given == members, "an example shows every member"


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_examples_of_a_path_are_taken(name: str, described: dict[str, Any]) -> None:
    operation = OPERATIONS[name]
    parameters = described[name]["parameters"]
    examples = {one["name"]: _example(one) for one in parameters if one["in"] != "query"}
    path = operation.template.format_map(examples)
    address = Map([Rule(operation.path)], converters=PATH_PARTS).bind("localhost")
    assert address.test(path), path


@pytest.mark.parametrize("name", sorted(name for name, one in OPERATIONS.items() if one.query))
def test_examples_of_a_query_are_taken(name: str, described: dict[str, Any]) -> None:
    schema: Any = OPERATIONS[name].query
    in_query = [one for one in described[name]["parameters"] if one["in"] == "query"]
    sent = {one["name"]: _as_sent(_example(one)) for one in in_query}
    assert schema().load(sent).keys() == schema().fields.keys()
    for key in sent.keys() & LISTS.keys():
        assert any(_continues(subject, key, sent[key]) for subject in LISTS[key])


def _as_sent(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _continues(subject: str, parameter: str, cursor: str) -> bool:
    try:
        return decode_cursor(subject, parameter, cursor) is not None
    except Refusal:
        return False
