"""Refusals and their problem documents: RFC 9457, ``application/problem+json``.

The text of an exception is never sent. A client gets the stable code, the text of the catalogue
in the person's language, and an error id that leads to the log line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from werkzeug.wrappers import Request, Response

from gateway.headers import limit_headers
from gateway.messages import field_text, language_of, text_of
from shared.errors import ServiceError
from shared.ids import new_id
from shared.logs import get_logger

log = get_logger("gateway.problems")

RETRY_AFTER_SECONDS = 5
"""When it is worth asking again after a 503, unless a service knows better."""
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="saldo"'}
"""The scheme by which a 401 asks a client to authenticate."""

_STATUS_OF_KIND = {
    "validation": 422,
    "not_found": 404,
    "conflict": 409,
    "forbidden": 403,
    "unavailable": 503,
    "internal": 500,
}
_KIND_OF_STATUS = {
    400: "validation",
    401: "forbidden",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    429: "forbidden",
    500: "internal",
    503: "unavailable",
}
_STATUS_OF_CODE = {
    "command_reused": 422,
    "account_not_linked": 404,
    "attachment_too_large": 413,
    "too_many_attachments_today": 429,
    "too_many_messages": 429,
    "too_many_questions": 429,
    "too_many_attempts": 429,
    "second_factor_guessed": 429,
    "wrong_credentials": 401,
    "session_expired": 401,
    "subscriber_unknown": 401,
}


class Refusal(Exception):  # noqa: N818 - an outcome, not a failure
    """The refusal of a request.

    ``errors`` are the wrong fields, each ``{"pointer" | "parameter" | "header": place,
    "message": <a code of the field catalogue, and its numbers>}``.
    """

    def __init__(
        self,
        status: int,
        code: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **params: Any,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.kind = _KIND_OF_STATUS.get(status, "validation")
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.params = params


def refusal_of(error: ServiceError) -> Refusal:
    """Return the HTTP refusal for the error of a service."""
    params = {
        name: value
        for name, value in error.params.items()
        if name not in {"status", "errors", "headers"}
    }
    fields = params.pop("fields", None)
    refusal = Refusal(
        _STATUS_OF_CODE.get(error.code, _STATUS_OF_KIND.get(error.kind, 500)),
        error.code,
        errors=_service_fields(fields, params.get("field")),
        **params,
    )
    refusal.kind = error.kind
    if refusal.status == 401:
        refusal.headers.update(CHALLENGE)
    if refusal.status in {429, 503}:
        seconds = params.get("retry_after_seconds", RETRY_AFTER_SECONDS)
        refusal.headers["Retry-After"] = str(seconds)
    if refusal.status == 429:
        refusal.headers.update(limit_headers(params))
    return refusal


def problem_response(request: Request, refusal: Refusal, error_id: str = "") -> Response:
    """Return the problem document of a refusal, in the language that the client prefers."""
    language = language_of(request.accept_languages)
    error_id = error_id or str(new_id())
    detail = text_of(refusal.code, refusal.kind, language, refusal.params)
    document: dict[str, Any] = {
        "type": f"/problems/{refusal.code}",
        "title": detail.split(". ")[0].rstrip("."),
        "status": refusal.status,
        "detail": detail,
        "code": refusal.code,
        "instance": f"urn:uuid:{error_id}",
    }
    if refusal.errors:
        document["errors"] = [_with_text(error, language) for error in refusal.errors]
    if refusal.params:
        document["params"] = refusal.params
    log.info("refused", code=refusal.code, status=refusal.status, error_id=error_id)
    response = Response(
        json.dumps(document, ensure_ascii=False),
        status=refusal.status,
        content_type="application/problem+json",
        headers=refusal.headers,
    )
    response.headers["Content-Language"] = language
    response.vary.add("Accept-Language")
    return response


def pointers(messages: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Return the (JSON pointer, message) pairs of marshmallow's nested error messages."""
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            inner_path = path if key == "_schema" else (*path, str(key))
            yield from pointers(inner, inner_path)
    elif isinstance(messages, Sequence) and not isinstance(messages, str):
        for inner in messages:
            yield from pointers(inner, path)
    else:
        steps = (step.replace("~", "~0").replace("/", "~1") for step in path)
        yield "#" + "".join(f"/{step}" for step in steps), str(messages)


def _service_fields(fields: Any, field: Any) -> list[dict[str, str]]:
    """Return the wrong fields that a service names, without its words."""
    if fields:
        places = dict.fromkeys(pointer for pointer, _ in pointers(fields))
    elif isinstance(field, str):
        places = {f"#/{field}": None}
    else:
        places = {}
    return [{"pointer": place, "message": "field_refused"} for place in places]


def _with_text(error: Mapping[str, str], language: str) -> dict[str, str]:
    """Return the error of one field with the text of its message."""
    code, *numbers = error["message"].split(" ")
    place = {name: value for name, value in error.items() if name != "message"}
    return place | {"code": code, "detail": field_text(code, language, numbers)}
