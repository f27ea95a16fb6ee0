"""Examples for OpenAPI, put together from those of the fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields

from gateway.operations import Operation
from gateway.schemas.base import ID_EXAMPLE

OF_PATHS: Mapping[str, str] = {
    "number": "0001234",
    "period": "2026-10",
    "name": "main",
    "link": "q0Zb3m1V7xR5sT9uY2wC4eG6hJ8kL0nP1aD3fF5gH7j",
}
"""Examples of the parts of a path that are neither ids nor one of a few words."""


def examples_of(schema: type[Schema]) -> dict[str, Any]:
    """Return the examples of a request, by name: its own, or one of all fields that have some."""
    named: Mapping[str, Any] = getattr(schema, "EXAMPLES", {})
    found = named or {"complete": example_of(schema)}
    return {name: {"value": value} for name, value in found.items()}


def example_of(schema: type[Schema]) -> dict[str, Any]:
    """Return an object of the example of each field; optional fields without one are left out."""
    members = {}
    for name, field in schema().fields.items():
        value = _of_field(field)
        if value is not None:
            members[field.data_key or name] = value
    return members


def location_example(operation: Operation) -> str:
    """Return the header Location of an operation whose result is its example."""
    if operation.result is None or "{" not in operation.location:
        return operation.location
    return operation.location_of(example_of(operation.result))


def _of_field(field: fields.Field[Any]) -> Any:
    given = field.metadata.get("examples")
    if given:
        return given[0]
    if isinstance(field, fields.Nested):
        return example_of(type(field.schema))
    if isinstance(field, fields.List):
        inner = _of_field(field.inner)
        return None if inner is None else [inner]
    return None


def path_example(name: str, schema: Mapping[str, Any]) -> str:
    """Return the example of a part of a path."""
    if schema.get("format") == "uuid":
        return ID_EXAMPLE
    return str(schema["enum"][0]) if "enum" in schema else OF_PATHS[name]
