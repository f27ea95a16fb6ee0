"""With which status and codes each operation can refuse: its own, and those of every route."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from gateway.operations import Access, Idempotency, Operation

_OF_EVERY_ROUTE = (
    (400, "body_broken_off"),
    (400, "chunk_malformed"),
    (408, "body_too_slow"),
    (413, "body_too_large"),
    (500, "internal_error"),
    (503, "shutting_down"),
)
_OF_SERVICES = ("bus_unavailable", "contended", "database_unavailable", "service_unavailable")


def refusals_of(operation: Operation) -> Mapping[int, tuple[str, ...]]:
    """Return every code with which an operation can refuse, by status, both in order."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    for status, code in (*_OF_EVERY_ROUTE, *_implied(operation)):
        found[status].add(code)
    for status, codes in operation.refusals.items():
        found[status].update(codes)
    return {status: tuple(sorted(found[status])) for status in sorted(found)}


def _implied(operation: Operation) -> Iterator[tuple[int, str]]:
    """Yield the refusals that follow from how an operation is declared."""
    if operation.asks_services:
        yield from ((503, code) for code in _OF_SERVICES)
    if operation.access is Access.SUBSCRIBER:
        yield 401, "subscriber_unknown"
        yield 429, "too_many_attempts"
    elif operation.access is not Access.PUBLIC:
        yield 401, "not_signed_in"
    if operation.access in {Access.SIGNED_IN, Access.WITHOUT_FACTOR, Access.UNACCEPTED}:
        yield 403, "password_change_required"
    if operation.access in {Access.SIGNED_IN, Access.WITHOUT_FACTOR}:
        yield 403, "acceptance_required"
    if operation.access is Access.SIGNED_IN:
        yield 403, "second_factor_setup_required"
    if "<" in operation.path:
        yield 404, "path_not_found"
    if operation.idempotency is not Idempotency.NONE:
        yield 400, "idempotency_key_invalid"
        # Without a person the body is part of the command: another one is another command.
        if operation.access is not Access.PUBLIC:
            yield 422, "command_reused"
    if operation.idempotency is Idempotency.REQUIRED:
        yield 400, "idempotency_key_required"
    yield 400, "parameter_repeated"
    if operation.free_parameters:
        yield 400, "parameters_unusable"
        yield 415, "body_not_form"
    else:
        yield 422, "invalid_request"
        yield from _of_body(operation)


def _of_body(operation: Operation) -> Iterator[tuple[int, str]]:
    if operation.receives:
        return
    if operation.body is None:
        yield 400, "body_unexpected"
    else:
        yield 400, "json_name_repeated"
        yield 400, "malformed_json"
        yield 415, "body_not_json"
