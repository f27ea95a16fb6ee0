"""From a request to a response: who asks, what is asked, the route, and one error handler."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from werkzeug.wrappers import Request, Response

from gateway.auth import person_of
from gateway.idempotency import command_id_of
from gateway.operations import Answer, Call, Operation, ServiceCalls
from gateway.problems import Refusal, problem_response, refusal_of
from gateway.reading import free_parameters, json_body, query_parameters
from shared import context
from shared.errors import InternalError, ServiceError
from shared.logs import get_logger

log = get_logger("gateway.handling")

Handler = Callable[[Any, Call], Any]

BODY = "saldo.body"
CALLER = "saldo.caller"
CONTEXT = "saldo.context"
"""Keys of the WSGI environment: what the server has read before a worker takes over."""


def respond(
    operation: Operation, handler: Handler, service: Any, request: Request, path: Mapping[str, Any]
) -> Response:
    """Return a request by a route; whatever goes wrong becomes a problem document."""
    with context.bind(**request.environ[CONTEXT]):
        return guarded(request, lambda: _answered(operation, handler, service, request, path))


def guarded(
    request: Request,
    answer: Callable[[], Response],
    refused: Callable[[Request, Refusal], Response] = problem_response,
) -> Response:
    """Answer, or turn what was raised into a problem document: the one error handler."""
    try:
        return answer()
    except Refusal as refusal:
        return refused(request, refusal)
    except InternalError as error:
        log.exception("service_failed", service_error=error.params.get("error_id"))
        return refused(request, Refusal(500, "internal_error"))
    except ServiceError as error:
        return refused(request, refusal_of(error))
    except Exception:
        log.exception("route_failed", path=request.path)
        return refused(request, Refusal(500, "internal_error"))


def _answered(
    operation: Operation, handler: Handler, service: Any, request: Request, path: Mapping[str, Any]
) -> Response:
    services: ServiceCalls = service.services
    ip: str = request.environ[CALLER]
    person = person_of(request, services, operation.access)
    actor = f"person:{person.person_id}" if person else "anonymous"
    command_id = command_id_of(request, operation, person, ip)
    body: bytes = request.environ[BODY]
    if operation.free_parameters:
        query, data = free_parameters(request, body), {}
    else:
        query = query_parameters(request, operation.query)
        data = json_body(request, body, operation.body)
    call = Call(
        request=request,
        services=services,
        ip=ip,
        command_id=command_id,
        path=path,
        query=query,
        body=data,
        person=person,
    )
    with context.bind(actor=actor, command_id=command_id):
        return _encoded(operation, handler(service, call))


def _encoded(operation: Operation, result: Any) -> Response:
    """Return what a route returned; only what the operation's schema names goes out."""
    if isinstance(result, Response):
        return result
    answer = result if isinstance(result, Answer) else Answer(data=result)
    if operation.answer is None:
        return Response(status=operation.status, headers=dict(answer.headers))
    data = operation.answer().dump(answer.data)
    response = Response(
        json.dumps(data, ensure_ascii=False, separators=(",", ":")),
        status=operation.status,
        content_type="application/json",
        headers=dict(answer.headers),
    )
    response.vary.add("Accept-Language")  # of the notices
    return response
