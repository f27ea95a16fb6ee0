"""Command ids, derived from the client's Idempotency-Key."""

from __future__ import annotations

import re
from hashlib import sha256
from uuid import UUID

from werkzeug.wrappers import Request

from gateway.operations import Idempotency, Operation, Person
from gateway.problems import Refusal
from gateway.schemas import patterns
from shared.ids import NAMESPACE, derived_id, new_id

HEADER = "Idempotency-Key"
MAX_KEY_LENGTH = 200
_KEY = re.compile(patterns.IDEMPOTENCY_KEY)


def command_id_of(
    request: Request, operation: Operation, person: Person | None, body: bytes
) -> UUID:
    """Return the command id of a request.

    The same person, method, path and key give the same id, so that a repeated request returns
    the result of the first. Without a key the id is random. In a public operation the body takes
    the place of the person: two clients behind one address may use the same key, and a client
    that repeats a request may have got another address.
    """
    if operation.idempotency is Idempotency.NONE:
        return new_id()
    key = request.headers.get(HEADER)
    if key is None:
        if operation.idempotency is Idempotency.REQUIRED:
            raise _refused("idempotency_key_required", "field_required")
        return new_id()
    if len(key) > MAX_KEY_LENGTH or not _KEY.fullmatch(key):
        raise _refused("idempotency_key_invalid", f"field_length 1 {MAX_KEY_LENGTH}")
    if person is None:
        digest = sha256(body).hexdigest()
        return derived_id(NAMESPACE, "anonymous", request.method, request.path, key, digest)
    return derived_id(UUID(person.person_id), request.method, request.path, key)


def _refused(code: str, message: str) -> Refusal:
    return Refusal(400, code, errors=[{"header": HEADER, "message": message}])
