"""From a request to a response: authentication, schemas, the route, and one error handler."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from werkzeug.wrappers import Request, Response

from gateway import support_codes
from gateway.auth import person_of
from gateway.idempotency import command_id_of
from gateway.operations import Access, Call, Operation, Reply, ServiceCalls
from gateway.problems import Refusal, problem_response, refusal_of
from gateway.reading import free_parameters, json_body, query_parameters
from gateway.schemas.base import instance_of
from shared import context
from shared.errors import InternalError, ServiceError
from shared.ids import new_id
from shared.logs import get_logger

log = get_logger("gateway.handling")

Handler = Callable[[Any, Call], Any]

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

BODY = "saldo.body"
CALLER = "saldo.caller"
FILE = "saldo.file"
CONTEXT = "saldo.context"
PERSON = "saldo.person"
"""Keys of the WSGI environment: what is read before a worker has it, and who is signed in."""


def respond(
    operation: Operation, handler: Handler, service: Any, request: Request, path: Mapping[str, Any]
) -> Response:
    """Return the response of a route; every failure becomes a problem document."""
    with context.bind(**request.environ[CONTEXT]):
        return guarded(
            operation.template,
            request,
            lambda: _run(operation, handler, service, request, path),
            partial(_refused, service),
        )


def _refused(service: Any, request: Request, refusal: Refusal) -> Response:
    """Return the problem document; identity is told who met it, if somebody is signed in."""
    error_id = str(new_id())
    response = problem_response(request, refusal, error_id)
    support_codes.note(service.services, request.environ.get(PERSON), refusal.status, error_id)
    return response


def guarded(
    route: str,
    request: Request,
    handle: Callable[[], Response],
    refused: Callable[[Request, Refusal], Response] = problem_response,
) -> Response:
    """Return the response of ``handle``, or what ``refused`` makes of the error it raises.

    The log has the template of the route: a path may hold the token of a link.
    """
    try:
        return handle()
    except Refusal as refusal:
        return refused(request, refusal)
    except InternalError as error:
        log.exception("service_failed", service_error=error.params.get("error_id"))
        return refused(request, Refusal(500, "internal_error"))
    except ServiceError as error:
        return refused(request, refusal_of(error))
    except Exception:
        log.exception("route_failed", route=route)
        return refused(request, Refusal(500, "internal_error"))


def _run(
    operation: Operation, handler: Handler, service: Any, request: Request, path: Mapping[str, Any]
) -> Response:
    services: ServiceCalls = service.services
    ip: str = request.environ[CALLER]
    person = person_of(request, services, operation.access)
    if person is not None:
        request.environ[PERSON] = person.person_id
    subscriber = None
    if operation.access is Access.SUBSCRIBER:
        subscriber = service.subscriptions.subscriber_of(request, ip)
    actor = f"person:{person.person_id}" if person else "anonymous"
    body: bytes = request.environ[BODY]
    command_id = command_id_of(request, operation, person, body)
    text = ""
    if operation.free_parameters:
        data: dict[str, Any] = {}
        query, text = free_parameters(request, body)
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
        text=text,
        file=request.environ.get(FILE, {}),
        person=person,
        subscriber=subscriber,
    )
    with context.bind(actor=actor, command_id=command_id):
        response = _encoded(operation, handler(service, call))
    return _revalidated(response, request) if operation.revalidates else response


def _encoded(operation: Operation, result: Any) -> Response:
    """Return the response; of a route's result only the fields of the schema are sent."""
    if isinstance(result, Response):
        return result
    reply = result if isinstance(result, Reply) else Reply(data=result)
    if operation.result is None:
        return Response(status=operation.status, headers=dict(reply.headers))
    data = instance_of(operation.result).dump(reply.data)
    location = {"Location": operation.location_of(data)} if operation.location else {}
    return Response(
        _JSON.encode(data),
        status=operation.status,
        content_type="application/json",
        # The language is that of the messages to people.
        headers={"Vary": "Accept-Language", **location, **reply.headers},
    )


def _revalidated(response: Response, request: Request) -> Response:
    """Add the ETag; without its body (304) if the client has the same already."""
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    # If-Match guards changes: for a read werkzeug would answer 412, without a word.
    environ = {name: value for name, value in request.environ.items() if name != "HTTP_IF_MATCH"}
    return response.make_conditional(environ)
