"""The context of a call in the worker that serves it: actor, ids, trace; counted and logged.

Imported by :mod:`shared.rpc.server` alone; it imports nameko.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

from nameko.extensions import DependencyProvider

from shared import context, telemetry, tracing
from shared.bus.principals import Principal
from shared.errors import ServiceError
from shared.logs import get_logger
from shared.rpc.callers import believed

log = get_logger(__name__)

CALLER = "saldo.caller"
"""Where the principal stands among a worker's headers: those of the wire have no such name."""


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
        caller: Principal = headers.pop(CALLER)
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
