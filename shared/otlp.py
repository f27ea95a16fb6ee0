"""OpenTelemetry: spans, their ids, and their way to a collector.

Imported by :mod:`shared.tracing` alone, and only where traces are switched on: the packages are an
extra. Sampling and sending follow the standard variables (`OTEL_TRACES_SAMPLER`, `OTEL_BSP_*`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from shared import context

ERROR = Status(StatusCode.ERROR)
_KINDS = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
    "internal": SpanKind.INTERNAL,
}
_next_span_id: ContextVar[str] = ContextVar("saldo_next_span_id", default="")


class _Ids(IdGenerator):
    """Ids that others derive, too: the trace from the correlation id, a span where it is named."""

    def generate_trace_id(self) -> int:
        correlation_id = context.current().correlation_id
        return int(context.trace_id_of(correlation_id or secrets.token_hex(16)), 16)

    def generate_span_id(self) -> int:
        return int(_next_span_id.get() or secrets.token_hex(8), 16) or 1


class Tracers:
    """The tracers of all services of a process; one queue to the collector."""

    def __init__(self, endpoint: str) -> None:
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        self._queue = BatchSpanProcessor(exporter)
        self._tracers: dict[str, Tracer] = {}

    def started(
        self,
        service: str,
        name: str,
        kind: str,
        parent: str | None,
        attributes: Mapping[str, Any],
        *,
        span_id: str = "",
        link: str | None = None,
        start_time: int | None = None,
    ) -> Any:
        """Return a new span; ``parent`` and ``link`` are traceparents."""
        token = _next_span_id.set(span_id)
        try:
            return self._tracer(service).start_span(
                name,
                context=set_span_in_context(NonRecordingSpan(_span_of(parent)), Context())
                if parent
                else Context(),
                links=[Link(_span_of(link))] if link else (),
                kind=_KINDS[kind],
                attributes={key.replace("__", "."): value for key, value in attributes.items()},
                start_time=start_time,
            )
        finally:
            _next_span_id.reset(token)

    def published(self, service: str, exchange: str, envelopes: Sequence[Any], began: int) -> None:
        """Record a span for each message that was published since a moment."""
        ended = time.time_ns()
        for envelope in envelopes:
            correlation_id = envelope.headers["saldo_correlation_id"]
            self.started(
                service,
                f"publish {service}.{envelope.routing_key}",
                "producer",
                context.traceparent_of(correlation_id, str(envelope.command_id)),
                {
                    "messaging.system": "rabbitmq",
                    "messaging.destination.name": exchange,
                    "saldo.event_type": envelope.routing_key,
                    "saldo.position": envelope.headers["saldo_position"],
                },
                span_id=context.span_id_of(envelope.headers["cloudEvents_id"]),
                start_time=began,
            ).end(ended)

    def close(self) -> None:
        """Send what is recorded."""
        self._queue.shutdown()  # type: ignore[no-untyped-call]

    def _tracer(self, service: str) -> Tracer:
        if service not in self._tracers:
            resource = Resource.create({"service.name": service, "service.namespace": "saldo"})
            provider = TracerProvider(
                resource=resource, id_generator=_Ids(), shutdown_on_exit=False
            )
            provider.add_span_processor(self._queue)
            self._tracers[service] = provider.get_tracer("saldo")
        return self._tracers[service]


def _span_of(traceparent: str) -> SpanContext:
    _, trace_id, span_id, flags = traceparent.split("-")
    return SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
    )
