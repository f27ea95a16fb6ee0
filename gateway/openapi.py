"""The OpenAPI 3.1 description of an API, generated from its operations and their schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema

from gateway.idempotency import HEADER, MAX_KEY_LENGTH
from gateway.openapi_examples import examples_of, path_example
from gateway.openapi_responses import (
    HEADERS,
    Refused,
    refused_response,
    responses_of,
    shared_refusals,
)
from gateway.operations import PATH_PARTS, Access, Idempotency, Operation
from gateway.reading import FORM, FREE_PARAMETERS, JSON
from gateway.schemas import patterns
from gateway.schemas.base import ID_EXAMPLE

VERSION = "1.0.0"
_DESCRIPTION = """\
The personal cabinet of a utility's customer. Amounts are whole kopecks. Cursors are opaque.
`X-Request-Id` and `traceparent` are accepted and returned.

**Errors** are problem documents (RFC 9457) with a stable `code`, in Russian or, by
`Accept-Language`, English; their `type` is a page that explains them. Each operation lists its
own, of three kinds: 4xx for what the client can put right (400, 404, 408, 409, 413, 415, 422);
401, 403 and 429 for access and limits; 500 and 503 for what is wrong with us. A path that does
not exist is a 404 `path_not_found`, a method that a path does not take a 405 `method_not_allowed`.
What is not one clear HTTP/1.1 request is refused before it has an operation: 400, 408, 414, 431,
501 or 505, with a `code` all the same. New codes may be added within a status.

**Limits.** A 429 carries `Retry-After`, the seconds until the limit frees, and names the limit in
`RateLimit-Policy` and `RateLimit` in the form of draft-ietf-httpapi-ratelimit-headers-10. Looking
accounts up and linking them carry both on success, too; elsewhere only the refusal has them. A 503
carries `Retry-After` as well.

**Repeating.** With an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07) a request
that was repeated has no further effect, and returns the result of the first.

**Caching.** `ETag` and `If-None-Match` where an operation lists 304; nothing else is to be stored.
"""
_CONTACT = {"name": "The operator of this installation: «Вопрос-Ответ» in the cabinet"}
_TAGS: Mapping[str, str] = {
    "Access": "«Кто видит этот счёт»: who sees an account, invitations to it.",
    "Accounts": "«Лицевые»: looking up, linking and unlinking personal accounts.",
    "Acquirer": "What the bank calls.",
    "Charges": "«Начисления»: bills, balances, penalties, movements.",
    "E-mail change": "Another address, confirmed by both mailboxes.",
    "Events": "What other systems read, by tokens of their own.",
    "Documents": "The rules, the consent, the instruction.",
    "Letters": "«Письма»: their language, which of them come, the last ones.",
    "Me": "«Настройки»: the signed-in person.",
    "Operation": "For supervisors, monitoring and developers.",
    "Password recovery": "A new password by a link from a letter.",
    "Payments": "«Платежи»: what is due, paying, the history, receipts.",
    "Proofs": "Checking receipts, without a cabinet.",
    "Questions": "«Вопрос-Ответ»: questions to the departments.",
    "Registration": "From an e-mail to a cabinet.",
    "Second factor": "«Безопасность»: passkeys, an authenticator app, recovery codes.",
    "Sessions": "Signing in and out.",
}
OCTETS = "application/octet-stream"
"""The media type of a body of which nobody says what it is."""
_SECURITY: Mapping[Access, list[Any]] = {
    Access.PUBLIC: [],
    Access.SUBSCRIBER: [{"subscriber": []}],
}
"""Whose token an operation takes; without an entry that of a session."""
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
    operations = operations_of(api)
    used = {operation.tag for operation in operations.values()}
    spec = APISpec(
        title="Saldo",
        version=VERSION,
        openapi_version="3.1.0",
        info={
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
            "contact": _CONTACT,
        },
        servers=[{"url": "/"}],
        tags=[{"name": tag, "description": _TAGS[tag]} for tag in sorted(used)],
        plugins=[_Plugin(schema_name_resolver=_schema_name)],
    )
    spec.components.security_scheme(
        "session",
        {"type": "http", "scheme": "bearer", "description": "The token of POST /sessions"},
    )
    spec.components.security_scheme(
        "subscriber",
        {"type": "http", "scheme": "bearer", "description": "The token of a subscriber"},
    )
    for name, header in HEADERS.items():
        if name != "Location":
            spec.components.header(name, header)
    shared = shared_refusals(operations.values())
    for (status, codes), name in shared.items():
        spec.components.response(name, refused_response(status, codes))
    for name, operation in sorted(operations.items(), key=lambda item: item[1].template):
        spec.path(
            path=operation.template,
            operations={operation.method.lower(): _described(name, operation, shared)},
        )
    document: dict[str, Any] = spec.to_dict()
    for schema in document["components"]["schemas"].values():
        for member in schema["properties"].values():
            # Generated clients take a member that has a default for one that must be sent.
            member.pop("default", None)
    return document


def _described(name: str, operation: Operation, shared: Mapping[Refused, str]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": _path_parameters(operation) + _other_parameters(operation),
        "responses": responses_of(operation, shared),
        "security": _SECURITY.get(operation.access, [{"session": []}]),
    }
    if operation.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {
                "application/json": {
                    "schema": operation.body,
                    "examples": examples_of(operation.body),
                }
            },
        }
    elif operation.receives:
        described["requestBody"] = {
            "required": True,
            "content": {OCTETS: {}},
        }
    elif operation.free_parameters and operation.method == "POST":
        described["requestBody"] = {
            "required": True,
            "content": {
                FORM: {"schema": FREE_PARAMETERS},
                JSON: {"schema": {"type": "object", "description": "The acquirer's."}},
            },
        }
    return described


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    parameters = []
    for match in _PARAMETER.finditer(operation.path):
        name = match["name"]
        schema: dict[str, Any] = {"type": "string"}
        if match["kind"] == "uuid":
            schema["format"] = "uuid"
        elif match["kind"] == "any":
            schema["enum"] = match["choices"].split(",")
        elif match["kind"] in PATH_PARTS:
            schema["pattern"] = f"^{PATH_PARTS[match['kind']].regex}$"
        parameters.append(
            {
                "in": "path",
                "name": name,
                "required": True,
                "schema": schema,
                "example": path_example(name, schema),
            }
        )
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
                "description": "The acquirer's, under any names.",
                "style": "form",
                "explode": True,
                "schema": FREE_PARAMETERS,
            }
        )
    if operation.receives:
        parameters.append(
            {
                "in": "header",
                "name": "Content-Disposition",
                "description": "The name of the file (RFC 6266), of which the harmless part is "
                "kept. Its kind is what its content says.",
                "schema": {"type": "string", "maxLength": 1000},
                "example": "attachment; filename*=UTF-8''%D1%87%D0%B5%D0%BA.pdf",
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
                "example": ID_EXAMPLE,
            }
        )
    if operation.revalidates:
        parameters.append(
            {
                "in": "header",
                "name": "If-None-Match",
                "description": "The `ETag` of the version that the client has: 304 if it is "
                "still the same.",
                "schema": {"type": "string"},
                "example": HEADERS["ETag"]["example"],
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
