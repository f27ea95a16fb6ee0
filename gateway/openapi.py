"""The OpenAPI 3.1 description of an API, generated from its operations and their schemas."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema

from gateway.idempotency import HEADER, MAX_KEY_LENGTH
from gateway.operations import PATH_FORMS, Access, Idempotency, Operation
from gateway.reading import FREE_PARAMETERS
from gateway.schemas import patterns
from gateway.schemas.problems import Problem

VERSION = "1.0.0"
_DESCRIPTION = (
    "The personal cabinet of a utility's customer. Amounts are whole kopecks. Errors are problem "
    "documents (RFC 9457) with a stable `code`, in Russian or, by `Accept-Language`, English. "
    "`X-Request-Id` and `traceparent` are accepted and returned. Cursors are opaque."
)
_PARAMETER = re.compile(r"<(?:(?P<kind>\w+)(?:\((?P<choices>[^)]*)\))?:)?(?P<name>\w+)>")


class _Converter(OpenAPIConverter):
    """apispec's converter, which also tells the rules that join several fields."""

    def schema2jsonschema(self, schema: Any) -> dict[str, Any]:
        described: dict[str, Any] = super().schema2jsonschema(schema)
        return described | dict(getattr(schema, "joint_rules", {}))


class _Plugin(MarshmallowPlugin):
    Converter = _Converter


def operations_of(api: type[Any]) -> dict[str, Operation]:
    """Return the operations of a service class by the name of their methods."""
    found = {name: getattr(method, "operation", None) for name, method in _methods(api)}
    return {name: operation for name, operation in found.items() if operation is not None}


@lru_cache(maxsize=1)
def description_text(api: type[Any]) -> str:
    """Return the description as JSON text, the same for the same code."""
    return json.dumps(describe(api), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def describe(api: type[Any]) -> dict[str, Any]:
    """Return the description of a service class as a document."""
    spec = APISpec(
        title="Saldo",
        version=VERSION,
        openapi_version="3.1.0",
        info={"description": _DESCRIPTION, "license": {"name": "Apache-2.0"}},
        servers=[{"url": "/"}],
        plugins=[_Plugin(schema_name_resolver=_schema_name)],
    )
    spec.components.security_scheme(
        "session",
        {"type": "http", "scheme": "bearer", "description": "The token of POST /sessions"},
    )
    spec.components.response(
        "Problem",
        {
            "description": "Refused; `detail` says what to do next.",
            "content": {"application/problem+json": {"schema": Problem}},
        },
    )
    for name, operation in sorted(operations_of(api).items(), key=lambda item: item[1].template):
        spec.path(
            path=operation.template,
            operations={operation.method.lower(): _described(name, operation)},
        )
    document: dict[str, Any] = spec.to_dict()
    return document


def _described(name: str, operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": _path_parameters(operation) + _other_parameters(operation),
        "responses": {
            str(operation.status): _success(operation),
            "default": "Problem",
        },
        "security": [] if operation.access is Access.PUBLIC else [{"session": []}],
    }
    if operation.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": operation.body}},
        }
    elif operation.free_parameters and operation.method == "POST":
        described["requestBody"] = {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": FREE_PARAMETERS}},
        }
    return described


def _success(operation: Operation) -> dict[str, Any]:
    success: dict[str, Any] = {"description": _first_line(operation)}
    content: dict[str, Any] = {}
    if operation.result is not None:
        content["application/json"] = {"schema": operation.result}
    if operation.status != 204:
        content.setdefault(operation.media_type, {})
    if content:
        success["content"] = content
    return success


def _first_line(operation: Operation) -> str:
    if operation.result is None or operation.result.__doc__ is None:
        return "Done." if operation.status == 204 else operation.summary
    return operation.result.__doc__.strip().splitlines()[0]


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    parameters = []
    for match in _PARAMETER.finditer(operation.path):
        schema: dict[str, Any] = {"type": "string"}
        if match["kind"] == "uuid":
            schema["format"] = "uuid"
        elif match["kind"] == "any":
            schema["enum"] = match["choices"].split(",")
        elif match["kind"] in PATH_FORMS:
            schema["pattern"] = f"^{PATH_FORMS[match['kind']]}$"
        parameters.append({"in": "path", "name": match["name"], "required": True, "schema": schema})
    return parameters


def _other_parameters(operation: Operation) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = []
    if operation.query is not None:
        parameters.append({"in": "query", "schema": operation.query})
    if operation.free_parameters and operation.method == "GET":
        parameters.append(
            {
                "in": "query",
                "name": "parameters",
                "required": True,
                "description": "Of any names.",
                "style": "form",
                "explode": True,
                "schema": FREE_PARAMETERS,
            }
        )
    if operation.idempotency is not Idempotency.NONE:
        parameters.append(
            {
                "in": "header",
                "name": HEADER,
                "required": operation.idempotency is Idempotency.REQUIRED,
                "description": "Chosen by the client. A repeated request with the same key and "
                "body returns the result of the first one.",
                "schema": {
                    "type": "string",
                    "pattern": patterns.IDEMPOTENCY_KEY,
                    "minLength": 1,
                    "maxLength": MAX_KEY_LENGTH,
                },
            }
        )
    return parameters


def _schema_name(schema: Any) -> str:
    cls = schema if isinstance(schema, type) else type(schema)
    if not issubclass(cls, Schema):
        raise TypeError(f"{cls!r} is not a schema")
    return cls.__name__


def _methods(api: type[Any]) -> list[tuple[str, Any]]:
    return [(name, getattr(api, name)) for name in sorted(dir(api)) if not name.startswith("_")]
