"""The responses of an operation in OpenAPI: its result, headers, links and refusals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from gateway.messages import text_explained
from gateway.openapi_examples import location_example
from gateway.operations import Link, Operation
from gateway.refusals import refusals_of
from gateway.schemas.problems import Problem

_REFUSED = {
    400: "The request cannot be read: it is not what the description says.",
    401: "Nobody is signed in, or the password is wrong.",
    403: "Not allowed to this person, or not in this state.",
    404: "It does not exist, or it is somebody else's.",
    408: "The request came too slowly.",
    409: "It is valid, but not possible in the present state.",
    413: "The body is too large.",
    415: "The body is of another media type.",
    422: "It can be read, and something in it is not valid; `errors` names the fields.",
    429: "Too many attempts; `Retry-After` says when the limit frees.",
    500: "A defect on our side; `instance` is its number in the log.",
    503: "Not available at the moment; repeat the same request after `Retry-After`.",
}

HEADERS: Mapping[str, Any] = {
    "RequestId": {
        "description": "The id of the request in the logs: the client's own, or a new one.",
        "schema": {"type": "string"},
        "example": "K7QM2XWD",
    },
    "RetryAfter": {
        "description": "Seconds to wait. After a 429 the limit is free by then; after a 503 it is "
        "worth another try.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 840,
    },
    "RateLimitPolicy": {
        "description": "The limit of the operation (draft-ietf-httpapi-ratelimit-headers-10): "
        "its name, the quota `q`, and the window `w` in seconds.",
        "schema": {"type": "string"},
        "example": '"sign_in_of_email";q=10;w=900',
    },
    "RateLimit": {
        "description": "What is left of it (draft-ietf-httpapi-ratelimit-headers-10): `r` more "
        "attempts, and `t` seconds until there are more.",
        "schema": {"type": "string"},
        "example": '"sign_in_of_email";r=0;t=840',
    },
    "Challenge": {
        "description": "How to authenticate.",
        "schema": {"type": "string"},
        "example": 'Bearer realm="saldo"',
    },
    "ETag": {
        "description": "The version of the content, for `If-None-Match`.",
        "schema": {"type": "string"},
        "example": '"33a64df551425fcc55e4d42a148795d9f25f89d4"',
    },
    "Location": {
        "description": "The path of what was created.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
}
"""Headers of responses, by the name under which components has them."""

_LIMIT = {"RateLimit-Policy": "RateLimitPolicy", "RateLimit": "RateLimit"}
_HEADERS_OF_STATUS: Mapping[int, Mapping[str, str]] = {
    401: {"WWW-Authenticate": "Challenge"},
    429: {"Retry-After": "RetryAfter", **_LIMIT},
    503: {"Retry-After": "RetryAfter"},
}


Refused = tuple[int, tuple[str, ...]]
"""A status, and the codes with which it comes."""


def shared_refusals(operations: Iterable[Operation]) -> dict[Refused, str]:
    """Return the commonest refusal of each status, with the name under which components has it."""
    uses = Counter(found for one in operations for found in refusals_of(one).items())
    commonest: dict[int, Refused] = {}
    for refused, times in sorted(uses.items(), key=lambda use: (-use[1], use[0])):
        if times > 1:
            commonest.setdefault(refused[0], refused)
    return {refused: _component_name(status) for status, refused in commonest.items()}


def _component_name(status: int) -> str:
    return "".join(filter(str.isalpha, HTTPStatus(status).phrase))


def responses_of(operation: Operation, shared: Mapping[Refused, str]) -> dict[str, Any]:
    """Return the responses of an operation by status; those that many have as references."""
    responses: dict[str, Any] = {str(operation.status): _success(operation)}
    if operation.revalidates:
        responses["304"] = {
            "description": "The client has this version already.",
            "headers": _headers({"ETag": "ETag"}),
        }
    for status, codes in refusals_of(operation).items():
        name = shared.get((status, codes))
        responses[str(status)] = name or refused_response(status, codes)
    return responses


def _success(operation: Operation) -> dict[str, Any]:
    success: dict[str, Any] = {"description": _first_line(operation)}
    names = {"ETag": "ETag"} if operation.revalidates else {}
    headers = _headers(names | (_LIMIT if operation.tells_limit else {}))
    if operation.location:
        headers["Location"] = {**HEADERS["Location"], "example": location_example(operation)}
    success["headers"] = headers
    content: dict[str, Any] = {}
    if operation.result is not None:
        content["application/json"] = {"schema": operation.result}
    if operation.status != 204:
        for media_type in (operation.media_type, *operation.other_media_types):
            content.setdefault(media_type, {})
    if content:
        success["content"] = content
    if operation.links:
        success["links"] = {link.to: _link(link) for link in operation.links}
    return success


def _first_line(operation: Operation) -> str:
    if operation.result is None or operation.result.__doc__ is None:
        return "Done." if operation.status == 204 else operation.summary
    return operation.result.__doc__.strip().splitlines()[0]


def _link(link: Link) -> dict[str, Any]:
    described: dict[str, Any] = {"operationId": link.to}
    if link.parameters:
        described["parameters"] = _taken(link.parameters)
    if link.body:
        described["requestBody"] = _taken(link.body)
    return described


def _taken(members: Mapping[str, str]) -> dict[str, str]:
    return {name: f"$response.body#/{member}" for name, member in members.items()}


def refused_response(status: int, codes: tuple[str, ...]) -> dict[str, Any]:
    """Return the response of a refusal, with its codes explained."""
    listed = "\n".join(f"- `{code}`: {'. '.join(text_explained(code, 'en'))}" for code in codes)
    return {
        "description": f"{_REFUSED[status]}\n\n{listed}",
        "headers": _headers(_HEADERS_OF_STATUS.get(status, {})),
        "content": {
            "application/problem+json": {
                "schema": {
                    "allOf": [Problem, {"properties": {"code": {"enum": list(codes)}}}],
                }
            }
        },
    }


def _headers(names: Mapping[str, str]) -> dict[str, Any]:
    every = {"X-Request-Id": "RequestId", **names}
    return {name: {"$ref": f"#/components/headers/{of}"} for name, of in every.items()}
