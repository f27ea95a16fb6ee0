"""Traces are an extra: nothing without it, joined by the ids of events with it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from shared import context, tracing
from shared.bus.messages import Envelope, Message
from shared.config import ConfigurationError
from shared.errors import NotFound, Unavailable
from tests.otlp_collector import Collector, Span, collecting

PROCESSES = (
    "services.work",
    "services.cli",
    "services.migrate",
    "shared.rpc.client",
    "shared.eventstore.group_commit",
)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running:
        tracing.start(running.url)
        yield running
        tracing.stop()


@pytest.fixture
def recorded(collector: Collector) -> Callable[[], dict[str, Span]]:
    """Return how to get all spans by name; none is recorded afterwards."""

    def spans() -> dict[str, Span]:
        tracing.stop()
        return {span.name: span for span in collector.spans}

    return spans


@pytest.mark.parametrize("module", PROCESSES)
def test_nothing_is_imported_where_traces_are_off(module: str) -> None:
    code = (
        f"import sys, {module}; from shared import tracing; tracing.start('')\n"
        "with tracing.span('ledger', 'x'): pass\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_span_that_is_off_changes_nothing() -> None:
    with context.bind(correlation_id="K7QM2XWD", traceparent=None) as before:
        with tracing.span("ledger", "x") as span:
            span.describe("y", saldo__z=1)
            assert context.current() == before
        assert not tracing.enabled()


def test_without_the_extra_the_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shared.otlp", None)
    with pytest.raises(ConfigurationError, match=r"saldo\[otlp\]"):
        tracing.start("http://127.0.0.1:4318")


def test_spans_nest_along_the_context(recorded: Callable[[], dict[str, Span]]) -> None:
    with (
        context.bind(correlation_id="K7QM2XWD", traceparent=None),
        tracing.span("gateway", "request", "server", parent=None) as request,
        tracing.span("gateway", "call", "client", rpc__method="pay"),
    ):
        inner = context.current().traceparent
        request.describe("POST /payments")
    spans = recorded()
    outer, call = spans["POST /payments"], spans["call"]
    assert (outer.parent, call.parent) == ("", outer.id)
    assert outer.trace == call.trace == context.trace_id_of("K7QM2XWD")
    assert inner == f"00-{call.trace}-{call.id}-01"
    assert (call.service, call.kind, call.attributes) == (
        "gateway",
        "client",
        {"rpc.method": "pay"},
    )


def test_an_event_carries_its_trace_from_command_to_reaction(
    recorded: Callable[[], dict[str, Span]],
) -> None:
    command_id, reaction_id = uuid4(), uuid4()
    headers = {
        "cloudEvents_id": "payments-7", "saldo_correlation_id": "K7QM2XWD", "saldo_position": 7,
    }  # fmt: skip
    with (
        context.bind(correlation_id="K7QM2XWD", traceparent=None),
        tracing.command("payments", "capture", command_id),
        tracing.command("payments", "capture", command_id),
    ):
        pass
    envelope = Envelope("payment_captured", headers, b"{}", command_id)
    tracing.published("payments", "payments.log", [envelope], began=1)
    message = Message(
        id="payments-7", type="payment_captured", source="payments", subject="1",
        time=datetime.now(UTC), position=7, predecessor=6, correlation_id="K7QM2XWD", data={},
    )  # fmt: skip
    with (
        context.bind(correlation_id="K7QM2XWD", traceparent=None),
        tracing.reaction("ledger", message, reaction_id),
    ):
        pass
    spans = recorded()
    command, published = spans["capture"], spans["publish payments.payment_captured"]
    reacted = spans["react to payments.payment_captured"]
    assert len(spans) == 3, "a command within itself is one span"
    assert {span.trace for span in spans.values()} == {context.trace_id_of("K7QM2XWD")}
    assert (published.parent, reacted.parent) == (command.id, published.id)
    assert reacted.id == context.span_id_of(str(reaction_id))
    assert (published.kind, reacted.kind, reacted.service) == ("producer", "consumer", "ledger")


def test_a_callers_own_trace_is_linked_to_what_follows_from_its_events(
    recorded: Callable[[], dict[str, Span]],
) -> None:
    command_id = uuid4()
    theirs = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with (
        context.bind(correlation_id="K7QM2XWD", traceparent=theirs),
        tracing.command("payments", "start", command_id),
    ):
        pass
    [span] = recorded().values()
    assert (span.trace, span.parent) == (theirs[3:35], theirs[36:52])
    journey = context.trace_id_of("K7QM2XWD")
    assert span.links == ((journey, context.span_id_of(str(command_id))),)


def test_what_a_caller_does_not_sample_is_not_sent(
    recorded: Callable[[], dict[str, Span]],
) -> None:
    theirs = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
    with tracing.span("gateway", "request", "server", parent=theirs) as span:
        span.describe("GET /")
        assert (context.current().traceparent or "").endswith("-00")
    assert recorded() == {}


def test_a_failure_is_named_by_its_kind_and_a_refusal_is_none(
    recorded: Callable[[], dict[str, Span]],
) -> None:
    for name, error in (
        ("defect", ValueError("Петров, 4510 123456")),
        ("refusal", NotFound("account_not_found", "There is no account 0100000001.")),
        ("outage", Unavailable("database_unavailable", "Later.")),
    ):
        with pytest.raises(type(error)), tracing.span("ledger", name):
            raise error
    spans = recorded()
    found = {name: (span.failed, span.attributes) for name, span in spans.items()}
    assert found == {
        "defect": (True, {"error.type": "ValueError"}),
        "refusal": (False, {"error.type": "account_not_found"}),
        "outage": (True, {"error.type": "database_unavailable"}),
    }


def test_the_log_names_the_trace_of_a_reaction() -> None:
    code = (
        "import sys; from shared import context, logs; logs.configure('test', stream=sys.stdout)\n"
        "with context.bind(correlation_id='K7QM2XWD'): logs.get_logger('test').info('reacted')"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert context.trace_id_of("K7QM2XWD").encode() in printed
    assert context.traceparent_of("K7QM2XWD", "ledger-1")[3:35] == context.trace_id_of("K7QM2XWD")
