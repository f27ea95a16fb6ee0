"""The JSON Schema (2020-12) of each published event, derived from its contract.

A subscriber finds the schema of a message at the address in its `cloudEvents_dataschema`. The
committed files in `schemas/` are what has been promised: `python -m shared.contracts` refuses to
replace one by a schema that breaks the promise (:mod:`shared.contracts.compatibility`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from apispec import APISpec
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema, fields

from shared.contracts import all_contracts
from shared.contracts.base import Contract, SchemaClass, person_fields, schema_name

SCHEMAS: Final = Path(__file__).with_name("schemas")
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
CONTENT_TYPE: Final = "application/schema+json"


def schema_of(owner: str, contract: Contract) -> dict[str, Any]:
    """Return the whole schema document of a contract."""
    return {
        "$schema": DIALECT,
        "$id": schema_name(owner, contract.type, contract.version),
        "title": f"{owner}: {contract.type}, version {contract.version}",
        **payload_schema(contract.schema),
        "description": contract.summary,
    }


def schema_text(schema: dict[str, Any]) -> str:
    """Return a schema as its file has it: the same contract gives the same bytes."""
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def schema_files() -> dict[Path, dict[str, Any]]:
    """Return every schema by its file, relative to `schemas/`."""
    return {
        Path(owner) / f"{contract.name}.json": schema_of(owner, contract)
        for owner, contracts in all_contracts().items()
        for contract in contracts
    }


def payload_schema(schema: SchemaClass) -> dict[str, Any]:
    """Return the JSON Schema of a contract's data, with nested schemas inline.

    Raises ValueError when a field has no description.
    """
    converter = OpenAPIConverter("3.1.0", lambda nested: None, _NO_SPEC)
    described: dict[str, Any] = converter.schema2jsonschema(schema())
    _complete(schema.__name__, schema(), described)
    for name in sorted(person_fields(schema)):
        # A subscriber without the grant for persons does not receive it.
        described["properties"][name]["x-saldo-person"] = True
        described["properties"][name]["description"] += " Only with a grant for persons."
        if name in described.get("required", ()):
            described["required"].remove(name)
    if not described.get("required", True):
        del described["required"]
    return described


_NO_SPEC: Final = APISpec(title="", version="", openapi_version="3.1.0")


def _complete(name: str, schema: Schema, described: dict[str, Any]) -> None:
    # We refuse unknown fields; readers must not, or no field could be added.
    described.pop("additionalProperties", None)
    for key, field in schema.fields.items():
        property_: dict[str, Any] = described["properties"][key]
        if "description" not in property_:
            raise ValueError(f"{name}.{key} has no metadata description.")
        if field.metadata.get("grows"):
            # "enum" would make a validating reader refuse a value that is added later.
            property_["x-extensible-enum"] = property_.pop("enum")
        inner, inside = field, property_
        if isinstance(field, fields.List):
            inner, inside = field.inner, property_["items"]
        if isinstance(inner, fields.Nested):
            _complete(f"{name}.{key}", inner.schema, inside)
