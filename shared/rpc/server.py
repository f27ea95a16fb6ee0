"""The methods that a service offers by RPC, and what is injected into it.

- A method names the callers that it serves, and knows them by the broker's user, never by a header.
- Arguments are keywords, loaded by a marshmallow schema before the method runs.
- Who called, and for what, is bound to the context of the worker.

How requests arrive and replies leave is in :mod:`shared.rpc.consumer`. Both import nameko; only
``services/<name>/service.py`` and the server process import this module.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from functools import wraps
from typing import Any

from marshmallow import RAISE, Schema, ValidationError
from nameko.extensions import DependencyProvider
from nameko.rpc import Rpc

from shared import context, telemetry, tracing
from shared.bus.messages import Publish
from shared.bus.principals import Principal, principal_of
from shared.config import Settings
from shared.errors import Forbidden, ServiceError, ValidationFailed
from shared.eventstore import Store
from shared.eventstore.postgres import PostgresStore
from shared.logs import get_logger
from shared.rpc.callers import Callers, believed, caller_of, callers_of, label_of
from shared.rpc.client import RpcClient
from shared.rpc.consumer import RobustRpcConsumer
from shared.staff import granted

log = get_logger(__name__)

CONFIG_KEY = "SALDO"
_CALLER = "saldo.caller"
"""Where the principal stands among a worker's headers: those of the wire have no such name."""


@dataclass(frozen=True)
class ServerContext:
    """The dependencies of a service in a server process, under ``config["SALDO"]``."""

    settings: Settings
    client: RpcClient
    store: PostgresStore
    publish: Publish


class Method(Rpc):
    """An RPC method: ``@rpc(RequestSchema, callers=...)`` on one that takes the schema's fields."""

    rpc_consumer = RobustRpcConsumer()

    def __init__(self, request: type[Schema], callers: Callers, **kwargs: Any) -> None:
        self._request = request
        self.callers = callers
        self._schema = request(unknown=RAISE)
        super().__init__(expected_exceptions=(ServiceError,), **kwargs)

    def handle_message(self, body: Any, message: Any) -> None:
        caller = caller_of(message.properties)
        try:
            self.callers.check(caller)
        except Forbidden:
            _note_refused(self.container.service_name, self.method_name, caller)
            raise
        if not isinstance(body, dict) or body.get("args"):
            raise ValidationFailed(
                "invalid_request", "Send a JSON object with empty args and with kwargs."
            )
        arguments = self._load(body.get("kwargs") or {})
        super().handle_message({"args": [], "kwargs": arguments}, message)

    def setup(self) -> None:
        super().setup()
        telemetry.RPC_SERVED.labels(self.container.service_name, self.method_name, telemetry.FAILED)

    def unpack_message_headers(self, message: Any) -> dict[str, Any]:
        """Return the headers, with the caller as the broker knows it."""
        headers: dict[str, Any] = super().unpack_message_headers(message)
        return {**headers, _CALLER: caller_of(message.properties)}

    def check_signature(self, args: Any, kwargs: Any) -> None:
        """Accept: the schema has checked the arguments already."""

    def _load(self, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            return dict(self._schema.load(arguments))
        except ValidationError as error:
            raise ValidationFailed(
                "invalid_request",
                "Some arguments are missing or have the wrong form; see fields.",
                fields=error.messages,
            ) from None


def rpc(
    request: type[Schema], *, callers: Collection[str]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Expose a method by RPC; the schema loads its keyword arguments.

    ``callers`` are names of services, ``"gateway"``, and ``staff(permission)``. Anybody else is
    refused with Forbidden ``caller_not_served``, staff without the permission with
    ``staff_may_not``.
    """
    served = callers_of(callers)

    def expose(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def serve(service: Any, **arguments: Any) -> Any:
            _check_staff(service, served)
            return method(service, **arguments)

        return Method.decorator(request, served)(serve)  # type: ignore[no-any-return]

    return expose


def _check_staff(service: Any, callers: Callers) -> None:
    """Raise Forbidden ``staff_may_not`` if one of the staff calls who lacks the permission."""
    caller = principal_of(context.current().caller)
    if caller is None or caller.kind != "staff" or "*" in callers.permissions:
        return
    store, needed = service.server_context.store, callers.permissions
    if not store.query(
        lambda session: any(
            granted(session.cursor, caller.name, permission) for permission in needed
        )
    ):
        _note_refused(service.name, ", ".join(sorted(needed)), caller)
        raise Forbidden(
            "staff_may_not",
            f"You may not do this: it takes the permission {' or '.join(sorted(needed))}, which "
            "an administrator grants by `saldo staff may`.",
            permissions=sorted(needed),
        )


def _note_refused(service: str, what: str, caller: Principal | None) -> None:
    telemetry.RPC_REFUSED.labels(service, label_of(caller)).inc()
    log.warning(
        "rpc_caller_refused", service=service, what=what, caller=caller.user if caller else ""
    )


class RequestContextProvider(DependencyProvider):
    """Binds the caller's context to the worker; logs and counts each call with its outcome."""

    def __init__(self) -> None:
        self._bound: dict[Any, ExitStack] = {}
        self._began: dict[Any, float] = {}
        self._spans: dict[Any, tracing.Span] = {}

    def worker_setup(self, worker_ctx: Any) -> None:
        self._began[worker_ctx] = time.monotonic()
        telemetry.RPC_IN_PROGRESS.labels(worker_ctx.service_name).inc()
        headers = dict(worker_ctx.context_data)
        caller: Principal = headers.pop(_CALLER)
        service, name = worker_ctx.service_name, worker_ctx.entrypoint.method_name
        bound = self._bound[worker_ctx] = ExitStack()
        bound.enter_context(context.bind(**believed(caller, headers)))
        self._spans[worker_ctx] = bound.enter_context(
            tracing.span(
                service, f"{service}.{name}", "server",
                rpc__system="nameko", rpc__service=service, rpc__method=name,
            )
        )  # fmt: skip

    def worker_result(self, worker_ctx: Any, result: Any = None, exc_info: Any = None) -> None:
        service, name = worker_ctx.service_name, worker_ctx.entrypoint.method_name
        seconds = time.monotonic() - self._began[worker_ctx]
        outcome = telemetry.outcome_of(None if exc_info is None else exc_info[1])
        telemetry.RPC_SERVED.labels(service, name, outcome).inc()
        telemetry.RPC_SERVED_SECONDS.labels(service, name).observe(seconds)
        method = f"{service}.{name}"
        if exc_info is not None:
            self._spans[worker_ctx].failed(exc_info[1])
        if exc_info is None:
            log.info("rpc_answered", method=method)
        elif isinstance(exc_info[1], ServiceError):
            log.info("rpc_refused", method=method, code=exc_info[1].code)

    def worker_teardown(self, worker_ctx: Any) -> None:
        if self._began.pop(worker_ctx, None) is not None:
            telemetry.RPC_IN_PROGRESS.labels(worker_ctx.service_name).dec()
        self._spans.pop(worker_ctx, None)
        bound = self._bound.pop(worker_ctx, None)
        if bound is not None:
            bound.close()


class StoreProvider(DependencyProvider):
    """Injects the store of the service."""

    def get_dependency(self, worker_ctx: Any) -> Store:
        return _server(self).store


class SettingsProvider(DependencyProvider):
    """Injects the settings."""

    def get_dependency(self, worker_ctx: Any) -> Settings:
        return _server(self).settings


class RpcClientProvider(DependencyProvider):
    """Injects a client for calls to other services."""

    def get_dependency(self, worker_ctx: Any) -> RpcClient:
        return _server(self).client


class ServerContextProvider(DependencyProvider):
    """Injects all of these dependencies."""

    def get_dependency(self, worker_ctx: Any) -> ServerContext:
        return _server(self)


class Nothing(Schema):
    """A request without arguments."""


def _server(provider: DependencyProvider) -> ServerContext:
    found = provider.container.config[CONFIG_KEY]
    if not isinstance(found, ServerContext):
        raise TypeError("the server must be started by `python -m services serve`")
    return found
