"""The HTTP server and the entrypoint ``route``: nameko's, with limits and one error handler.

nameko's own handler returns the texts of exceptions, reads bodies in workers, and is killed by a
client that resets its connection. Each is replaced here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlsplit

import eventlet
from eventlet.semaphore import Semaphore
from nameko.web.handlers import HttpRequestHandler
from nameko.web.server import WebServer
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import BaseConverter, Map
from werkzeug.wrappers import Request, Response

from gateway.connections import CLOSE, SOCKET_SECONDS, StrictProtocol
from gateway.handling import BODY, CALLER, CONTEXT, FILE, Handler, guarded, respond
from gateway.headers import security_headers
from gateway.operations import PATH_PARTS, Operation
from gateway.peer import caller_address, trusted_networks
from gateway.problems import Refusal, problem_response
from gateway.reading import announces_body, read_body
from gateway.tracing import CORRELATION_HEADER, TRACE_HEADER, callers_span, incoming_context
from shared import context, telemetry, tracing
from shared.clock import Clock
from shared.config import GATEWAY, Settings
from shared.distant_clock import ServiceClocks
from shared.logs import get_logger

log = get_logger("gateway.web")

MAX_CONNECTIONS = 1000
BACKLOG = 512
ACCEPT_RETRY_SECONDS = 0.1
UNMATCHED = "unmatched"
"""The route of a request that no route or page answers, for metrics and logs."""
ANY_OTHER_PATH = "/<outside:path>"
"""The path of the page for every other address outside the API."""
CLIENT_KEY = "saldo.rpc_client"
"""Key of nameko's config under which the process puts the RPC client."""
SETTINGS_KEY = "saldo.settings"
"""Key of nameko's config under which the process puts its settings."""
CLOCKS_KEY = "saldo.clocks"
"""Key of nameko's config under which the process puts what it knows of the services' clocks."""


Headers = list[tuple[str, str]]


class GatewayServer(WebServer):
    """nameko's web server, hardened against slow, broken and hostile clients."""

    _starting: bool

    def __init__(self) -> None:
        super().__init__()
        self._room = Semaphore(MAX_CONNECTIONS)
        self.stopping = False

    def start(self) -> None:
        if self._starting:
            return
        self._starting = True
        self._sock = eventlet.listen(self.bind_addr, backlog=BACKLOG, reuse_port=False)
        self._sock.settimeout(None)
        self._serv = self.get_wsgi_server(self._sock, self.get_wsgi_app(), StrictProtocol)
        self._serv.socket_timeout = SOCKET_SECONDS
        self._serv.head_seconds = self._settings.gateway_head_seconds
        self._serv.log_output = False  # GatewayApp logs each request
        # Ours are written as they are to be sent; eventlet would take each apart and spell it anew.
        self._serv.capitalize_response_headers = False
        self._gt = self.container.spawn_managed_thread(self.run)
        log.info("listening", address=self._sock.getsockname())

    def run(self) -> None:
        while self._is_accepting:
            self._room.acquire()
            try:
                sock, address = self._sock.accept()
            except OSError as error:  # out of file descriptors, or the client left first
                log.warning("accept_failed", reason=str(error))
                self._room.release()
                eventlet.sleep(ACCEPT_RETRY_SECONDS)
                continue
            telemetry.HTTP_CONNECTIONS.inc()
            sock.settimeout(SOCKET_SECONDS)
            self.container.spawn_managed_thread(partial(self.process_request, sock, address))

    def process_request(self, sock: Any, address: Any) -> None:
        """Serve a connection; its failure must not stop the server."""
        try:
            super().process_request(sock, address)
        except OSError as error:
            log.info("connection_lost", reason=type(error).__name__)
        except Exception:
            log.exception("connection_failed")
        finally:
            sock.close()
            telemetry.HTTP_CONNECTIONS.dec()
            self._room.release()

    def stop_accepting(self) -> None:
        """Accept no new connection; requests on open ones are refused with 503."""
        if not self.stopping:
            self.stopping = True
            self._is_accepting = False
            self._gt.kill()
            self._sock.close()

    def stop(self) -> None:
        self.wait_for_providers()
        self.stop_accepting()

    def make_url_map(self) -> Map:
        rules = Map(strict_slashes=False, merge_slashes=False, redirect_defaults=False)
        rules.converters["outside"] = OutsideApi
        rules.converters.update(PATH_PARTS)
        for provider in self._providers:
            rule = provider.get_url_rule()
            rule.endpoint = provider
            rules.add(rule)
        return rules

    def get_wsgi_app(self) -> GatewayApp:
        return GatewayApp(self, https=urlsplit(self._settings.url).scheme == "https")

    @property
    def clocks(self) -> ServiceClocks:
        clocks: ServiceClocks = self.container.config[CLOCKS_KEY]
        return clocks

    @property
    def _settings(self) -> Settings:
        settings: Settings = self.container.config[SETTINGS_KEY]
        return settings


class GatewayApp:
    """The WSGI application: binds the context, routes, and adds headers, metrics and a log line."""

    def __init__(self, server: GatewayServer, *, https: bool) -> None:
        self._server = server
        self._rules = server.make_url_map()
        self._exact = exact_paths(self._rules)
        self._https = https
        self._clock: Clock = server.clocks.of_gateways
        self._trusted = trusted_networks(os.environ.get("SALDO_TRUSTED_PROXY", ""))

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        response, added = self._answered(Request(environ), self._routed)
        unread = BODY not in environ and announces_body(environ)
        if CLOSE in environ and (unread or self._server.stopping):
            environ[CLOSE](unread)

        def start_with_ours(status: str, headers: Headers, exc_info: Any = None) -> Any:
            return start_response(status, [*headers, *added], exc_info)

        return response(environ, start_with_ours)

    def refused(self, environ: dict[str, Any], refusal: Refusal) -> Response:
        """Return the problem document for a request that is not one of HTTP."""
        response, added = self._answered(
            Request(environ), lambda request: (UNMATCHED, problem_response(request, refusal))
        )
        response.headers.extend(added)
        return response

    def _answered(
        self, request: Request, respond_to: Callable[[Request], tuple[str, Response]]
    ) -> tuple[Response, Headers]:
        """Return a response, and the headers that it gets on its way: werkzeug takes each of its
        own apart several times."""
        started, environ = time.monotonic(), request.environ
        environ[CONTEXT] = incoming_context(
            request.headers.get(CORRELATION_HEADER, ""),
            request.headers.get(TRACE_HEADER, ""),
            self._clock.now(),
        )
        environ[CALLER] = caller_address(
            request.remote_addr or "", request.headers.get("X-Forwarded-For", ""), self._trusted
        )
        parent = callers_span(request.headers.get(TRACE_HEADER, ""))
        with (
            telemetry.HTTP_IN_PROGRESS.track_inprogress(),
            context.bind(**environ[CONTEXT]),
            tracing.span(GATEWAY, "request", "server", parent=parent) as span,
        ):
            bound = context.current()
            environ[CONTEXT]["traceparent"] = bound.traceparent
            route, response = respond_to(request)
            added = [
                (CORRELATION_HEADER, bound.correlation_id),
                (TRACE_HEADER, bound.traceparent or ""),
                *security_headers(
                    response, api=request.path.startswith("/api/"), https=self._https
                ),
            ]
            seconds = time.monotonic() - started
            method = request.method if route != UNMATCHED else "ANY"
            telemetry.http_answered(method, route, response.status_code, seconds)
            span.describe(
                f"{method} {route}",
                http__request__method=method,
                http__route=route,
                http__response__status_code=response.status_code,
            )
            log.info(
                "request_finished",
                method=method,
                route=route,
                status=response.status_code,
                milliseconds=round(seconds * 1000, 1),
            )
        return response, added

    def _routed(self, request: Request) -> tuple[str, Response]:
        if exact := self._exact.get((request.method, request.path)):
            return exact.operation.template, exact.handle(request, {})
        try:
            rule, values = self._rules.bind_to_environ(request.environ).match(return_rule=True)
        except MethodNotAllowed as error:
            allowed = {"Allow": ", ".join(sorted(error.valid_methods or ()))}
            refusal = Refusal(405, "method_not_allowed", headers=allowed)
            return UNMATCHED, problem_response(request, refusal)
        except HTTPException:
            return UNMATCHED, problem_response(request, Refusal(404, "path_not_found"))
        provider: Route = rule.endpoint
        return provider.operation.template, provider.handle(request, values)


def exact_paths(rules: Map) -> dict[tuple[str, str], Route]:
    """Return the routes whose paths are fixed texts, by method and path.

    Any other spelling of such a path is left to the rules.
    """
    return {
        (method, rule.rule): rule.endpoint
        for rule in rules.iter_rules()
        if "<" not in rule.rule
        for method in rule.methods or ()
    }


class OutsideApi(BaseConverter):
    """Any path that is not the API's: whoever is lost there is a person, and gets a page."""

    regex = r"(?!api/).+"
    part_isolating = False
    weight = 1000


class Addressed(Protocol):
    """What the server needs to know of an operation or a page."""

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def template(self) -> str: ...


class Route(HttpRequestHandler):
    """The entrypoint of an operation: it takes a worker only when the whole body has arrived."""

    server = GatewayServer()

    def __init__(self, operation: Addressed, **kwargs: Any) -> None:
        super().__init__(operation.method, operation.path, **kwargs)
        self.operation = operation

    def stop(self) -> None:
        self.server.stop_accepting()
        super().stop()

    def handle(self, request: Request, values: Mapping[str, Any]) -> Response:
        """Read the body, run the route in a worker, and return its response."""

        def read_and_run() -> Response:
            self.receive(request, self.container.config[SETTINGS_KEY])
            return self._in_worker(request, values)

        return guarded(self.operation.template, request, read_and_run, self.refusal_response)

    def receive(self, request: Request, settings: Settings) -> None:
        """Read the body into the environment of the request; a file is passed on as it comes."""
        operation, body = self.operation, b""
        if isinstance(operation, Operation) and operation.receives:
            services = self.container.config[CLIENT_KEY]
            request.environ[FILE] = operation.receives(
                request, services, operation.access, settings
            )
        else:
            body = read_body(request, settings.gateway_body_seconds)
        request.environ[BODY] = body

    def refusal_response(self, request: Request, refusal: Refusal) -> Response:
        """Return what a client gets that is refused before a worker has its request."""
        return problem_response(request, refusal)

    def _in_worker(self, request: Request, values: Mapping[str, Any]) -> Response:
        container = self.container
        if container._being_killed:
            raise Refusal(503, "shutting_down", headers={"Retry-After": "5"})
        service = container.service_cls()
        for dependency in container.dependencies:
            setattr(service, dependency.attr_name, dependency.get_dependency(None))
        if isinstance(self.operation, Operation) and not self.operation.asks_services:
            # It waits for nobody: another greenlet would cost more than what it does.
            return self._endpoint(service, request, values)
        # The container waits for its pool before it ends. The rest of nameko's machinery for a
        # worker (contexts, hooks, log records) costs as much as the routing, and nobody needs it.
        done = container._worker_pool.spawn(self._endpoint, service, request, values)
        response: Response = done.wait()
        return response

    def _endpoint(self, service: Any, request: Request, values: Mapping[str, Any]) -> Response:
        response: Response = getattr(service, self.method_name)(request, values)
        return response


def route(operation: Operation) -> Callable[[Handler], Handler]:
    """Return a decorator that makes a method of the gateway the handler of an operation.

    The method takes a ``Call`` and returns the data of the response, a ``Reply`` or a whole
    ``Response``. It refuses by raising ``Refusal`` or letting a ``ServiceError`` through.
    """

    def decorate(handler: Handler) -> Handler:
        def endpoint(service: Any, request: Request, path: Mapping[str, Any]) -> Response:
            return respond(operation, handler, service, request, path)

        endpoint.__name__ = handler.__name__
        endpoint.__doc__ = handler.__doc__
        endpoint.operation = operation  # type: ignore[attr-defined]
        endpoint.handler = handler  # type: ignore[attr-defined]
        return Route.decorator(operation)(endpoint)  # type: ignore[no-any-return]

    return decorate
