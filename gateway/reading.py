"""Reading a request: the limits of its body, JSON, parameters, and the operation's schemas."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from eventlet import Timeout
from eventlet.wsgi import ChunkReadError
from marshmallow import Schema, ValidationError
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Request

from gateway.problems import Refusal, pointers
from gateway.schemas.base import Shape, instance_of

MAX_BODY_BYTES = 64 * 1024
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
MAX_PARAMETERS = 50
MAX_NAME_LENGTH, MAX_VALUE_LENGTH = 100, 1000
FREE_PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": MAX_PARAMETERS,
    "propertyNames": {"maxLength": MAX_NAME_LENGTH},
    "additionalProperties": {"type": "string", "maxLength": MAX_VALUE_LENGTH},
}
"""What ``free_parameters`` takes, for the description."""
_CHUNK = 16 * 1024
_MAX_EXACT = 2**53
"""Below this every whole number has a float of its own."""


def read_body(request: Request, seconds: float) -> bytes:
    """Return the body, read in the connection's greenlet: a slow upload holds no worker.

    Raises Refusal: 413 above MAX_BODY_BYTES, 408 when it takes longer than ``seconds``, 400 for an
    incomplete body or a malformed chunk.
    """
    if (expected_bytes(request.environ) or 0) > MAX_BODY_BYTES:
        raise Refusal(413, "body_too_large", limit=MAX_BODY_BYTES)
    body = b""
    for piece in body_pieces(request, Allowance(seconds)):
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise Refusal(413, "body_too_large", limit=MAX_BODY_BYTES)
    return body


class Allowance:
    """The time that a body may take; it grows when more of it turns out to be welcome."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._began = time.monotonic()

    def grow(self, seconds: float) -> None:
        """Allow so much time in all."""
        self.seconds = max(seconds, self.seconds)

    @property
    def left(self) -> float:
        """The seconds that are left, 0 at the least."""
        return max(0.0, self._began + self.seconds - time.monotonic())


def body_pieces(request: Request, allowance: Allowance) -> Iterator[bytes]:
    """Yield the body as it comes, in pieces of at most 16 KiB.

    Raises Refusal: 408 when
    no time is left, 400 for an incomplete body or a malformed chunk.
    """
    stream, expected = request.environ["wsgi.input"], expected_bytes(request.environ)
    received = 0
    while expected is None or received < expected:
        size = _CHUNK if expected is None else min(_CHUNK, expected - received)
        if not (piece := _piece(stream, size, allowance)):
            break
        received += len(piece)
        yield piece
    if expected is not None and received < expected:
        raise Refusal(400, "body_broken_off")


def _piece(stream: Any, size: int, allowance: Allowance) -> bytes:
    # Only the read is interrupted: a call to a service that is cut leaves half a message behind.
    if not (left := allowance.left):  # what has come already is read without a wait
        raise _too_slow(allowance)
    timeout = Timeout(left)
    try:
        piece: bytes = stream.read(size)
    except Timeout as expired:
        if expired is not timeout:
            raise
        raise _too_slow(allowance) from None
    except ChunkReadError as error:
        raise Refusal(400, "chunk_malformed") from error
    except OSError as error:
        raise Refusal(400, "body_broken_off") from error
    finally:
        timeout.cancel()
    return piece


def _too_slow(allowance: Allowance) -> Refusal:
    return Refusal(408, "body_too_slow", seconds=max(1, round(allowance.seconds)))


def announces_body(environ: Mapping[str, Any]) -> bool:
    """Return whether the headers announce a body."""
    return expected_bytes(environ) != 0


def expected_bytes(environ: Mapping[str, Any]) -> int | None:
    """Return the length of the body; None if it is chunked, and so unknown."""
    if "chunked" in str(environ.get("HTTP_TRANSFER_ENCODING", "")).lower():
        return None
    return int(environ.get("CONTENT_LENGTH") or 0)


def json_body(request: Request, body: bytes, schema: type[Schema] | None) -> dict[str, Any]:
    """Return the body as the schema loads it; ``{}`` if the operation takes none."""
    if schema is None:
        if body.strip() not in {b"", b"{}"}:
            raise Refusal(400, "body_unexpected")
        return {}
    if request.mimetype != JSON:
        raise Refusal(415, "body_not_json", headers=_accepted(request, JSON))
    try:
        data = json.loads(
            body.decode("utf-8"),
            parse_constant=_no_constant,
            parse_float=_number,
            object_pairs_hook=_object,
        )
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "malformed_json") from error
    return loaded(schema, data, "pointer")


def query_parameters(request: Request, schema: type[Schema] | None) -> dict[str, Any]:
    """Return the query as the schema loads it; what no schema names is refused."""
    if schema is None and not request.query_string:
        return {}
    return loaded(schema, _single_values(request.args), "parameter")


def free_parameters(request: Request, body: bytes) -> tuple[dict[str, str], str]:
    """Return another system's parameters, from the query and a form, and its JSON as it came.

    Each parameter is named once. Whoever knows the system reads its JSON.
    """
    parameters, text = MultiDict(request.args), ""
    if body:
        if request.mimetype not in {FORM, JSON}:
            raise Refusal(415, "body_not_form", headers=_accepted(request, f"{FORM}, {JSON}"))
        try:
            text = body.decode("utf-8")
            form = (
                parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
                if request.mimetype == FORM
                else []
            )
        except ValueError as error:
            raise Refusal(400, "parameters_unusable") from error
        text = text if request.mimetype == JSON else ""
        for name, value in form:
            parameters.add(name, value)
    values = _single_values(parameters)
    fits = all(
        len(name) <= MAX_NAME_LENGTH and len(value) <= MAX_VALUE_LENGTH
        for name, value in values.items()
    )
    if not (fits and len(values) <= MAX_PARAMETERS and (values or text)):
        raise Refusal(400, "parameters_unusable")
    return values, text


def _single_values(parameters: MultiDict[str, str]) -> dict[str, str]:
    repeated = [name for name, values in parameters.lists() if len(values) > 1]
    if repeated:
        raise Refusal(
            400,
            "parameter_repeated",
            errors=[{"parameter": name, "message": "field_repeated"} for name in repeated],
        )
    return parameters.to_dict()


def loaded(schema: type[Schema] | None, data: Any, place: str) -> dict[str, Any]:
    """Return data as a schema loads them; without one, there must be none.

    ``place`` is what errors name: ``pointer`` or ``parameter``. Raises Refusal 422
    ``invalid_request`` that names all wrong members.
    """
    try:
        members: dict[str, Any] = instance_of(schema or Shape).load(data)
    except ValidationError as error:
        wrong = [
            {
                place: where if place == "pointer" else where.removeprefix("#/"),
                "message": message,
            }
            for where, message in pointers(error.messages)
        ]
        raise Refusal(422, "invalid_request", errors=wrong) from None
    return members


def _accepted(request: Request, media_type: str) -> dict[str, str]:
    """Return the headers of a 415 that name the media type (RFC 9110, 15.5.16; RFC 5789, 2.2)."""
    accepted = {"Accept": media_type}
    if request.method in {"POST", "PATCH"}:
        accepted[f"Accept-{request.method.title()}"] = media_type
    return accepted


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; programs disagree on which of two equal names counts (RFC 8259, 4).

    Raises Refusal 400 that quotes a name that stands twice.
    """
    members = dict(pairs)
    if len(members) != len(pairs):
        ((repeated, _),) = Counter(name for name, _ in pairs).most_common(1)
        quoted = repeated[:MAX_NAME_LENGTH].encode(errors="replace").decode()
        raise Refusal(400, "json_name_repeated", name=quoted)
    return members


def _number(text: str) -> int | float:
    """Return a number; in JSON Schema 100.0 is an integer like 100."""
    number = float(text)
    return int(number) if abs(number) < _MAX_EXACT and number.is_integer() else number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
