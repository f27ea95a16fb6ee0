"""What may be shown of a message: the fields that its contract describes, persons left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from marshmallow import Schema, fields

from services.terminal import new_table, print_json, show
from shared.books import is_book
from shared.bus.messages import SOURCE_PREFIX
from shared.config import SERVICES
from shared.contracts import contracts_of

WITHHELD = "(withheld: it identifies a person)"
_VERSION = re.compile(r"/v([0-9]+)$")
_HEADERS = ("cloudEvents_id", "cloudEvents_time", "saldo_predecessor", "saldo_correlation_id")


def disclosed(upstream: str, headers: Mapping[str, Any], body: bytes) -> dict[str, Any]:
    """Return what staff see of a message: some headers, its contract, its data.

    The data are None for a body that no contract describes: nobody knows what stands in it.
    """
    schema = _schema(upstream, headers)
    return {
        "headers": {name: headers[name] for name in _HEADERS if name in headers},
        "schema": str(headers.get("cloudEvents_dataschema", "")),
        "data": None if schema is None else _data(schema, body),
    }


def show_message(title: str, service: str, row: Mapping[str, Any], json: bool) -> None:
    """Print the row of a message that a service keeps, with what of it may be shown."""
    kept = dict(row)
    headers, body = kept.pop("headers"), bytes(kept.pop("body"))
    found = {
        "service": service,
        **kept,
        "size": len(body),
        **disclosed(row["upstream"], headers, body),
    }
    if json:
        print_json(found)
        return
    table = new_table(title, "", "value")
    for name, value in found.items():
        for place, part in _flat(name, value):
            table.add_row(place, part)
    show(table)


def _flat(name: str, value: Any) -> list[tuple[str, str]]:
    """Return a value as rows of a table, those of an object one by one."""
    if isinstance(value, dict):
        return [row for key, inner in value.items() for row in _flat(f"{name}.{key}", inner)]
    return [(name, "" if value is None else str(value))]


def _schema(upstream: str, headers: Mapping[str, Any]) -> Schema | None:
    is_ours = upstream in SERVICES or is_book(upstream)
    if not is_ours or headers.get("cloudEvents_source") != SOURCE_PREFIX + upstream:
        return None
    version = _VERSION.search(str(headers.get("cloudEvents_dataschema", "")))
    for contract in contracts_of(upstream):
        asked = version and int(version[1]) == contract.version
        if asked and contract.type == headers.get("cloudEvents_type"):
            return contract.schema()
    return None


def _data(schema: Schema, body: bytes) -> dict[str, Any] | None:
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return _described(schema, data) if isinstance(data, dict) else None


def _described(schema: Schema, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the described fields of an object; whatever else it holds is left out."""
    return {
        name: WITHHELD if field.metadata.get("person") else _value(field, data[name])
        for name, field in schema.fields.items()
        if name in data
    }


def _value(field: fields.Field[Any], value: Any) -> Any:
    if isinstance(field, fields.Nested):
        one = field.schema
        if isinstance(value, list):
            return [_described(one, item) for item in value if isinstance(item, dict)]
        return _described(one, value) if isinstance(value, dict) else None
    if isinstance(field, fields.List):
        return [_value(field.inner, item) for item in value] if isinstance(value, list) else None
    return value
