"""A collector of traces: takes spans by OTLP over HTTP, and keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan

from tests.serving_http import serving


@dataclass(frozen=True)
class Span:
    """A span as it arrived; ids are hexadecimal, ``parent`` is empty for the first of a trace."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    links: tuple[tuple[str, str], ...]
    failed: bool


@dataclass
class Collector:
    """What has arrived."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)

    def trace(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace."""
        return [span for span in self.spans if span.trace == trace_id]

    def named(self, name: str) -> list[Span]:
        """Return the spans of a name."""
        return [span for span in self.spans if span.name == name]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector for the duration of a block."""
    collector = Collector()

    def take(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
        if request.path != "/v1/traces":
            return 404, b""
        exported = ExportTraceServiceRequest()
        exported.ParseFromString(body)
        collector.spans += _spans_in(exported)
        return 200, b""

    with serving(take) as address:
        collector.url = f"http://{address}"
        yield collector


def _spans_in(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        about = {found.key: found.value.string_value for found in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    service=about["service.name"],
                    name=span.name,
                    kind=ProtoSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    attributes={found.key: _value(found.value) for found in span.attributes},
                    links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                    failed=span.status.code == span.status.STATUS_CODE_ERROR,
                )


def _value(value: Any) -> Any:
    return getattr(value, str(value.WhichOneof("value")))
