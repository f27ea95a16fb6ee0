"""What operators see of an installation at work: panels with figures, no alarm, whole traces."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from deploy.demo.client import CabinetClient
from deploy.demo.company import demo_accounts
from deploy.demo.journey import run_journey
from deploy.demo.letters import Mailbox
from deploy.demo.report import Report
from deploy.embedded.environment import MONITORED
from deploy.embedded.installation import Installation
from services.cli import app
from shared.config import SERVICES
from tests.demo_installation import PROCESSES, demo_installation
from tests.e2e.scraping import documented_metrics
from tests.monitoring_files import ALERTS, OF_RABBITMQ, dashboards, metrics_in, panels
from tests.otlp_collector import Collector, Span, collecting
from tests.prometheus_package import Prometheus, scraping
from tests.waiting import eventually

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

SCRAPED = [process for process in MONITORED if process in PROCESSES]
MAY_BE_EMPTY = {
    "Calls that did not end well",
    "Refused and failed calls of the ledger",
    "Refused and failed calls of payments",
}
"""Panels of what has gone wrong."""


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture(scope="module")
def installation(
    collector: Collector,
    module_database: Any,
    module_bus: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    with demo_installation(
        module_database.settings,
        tmp_path_factory.mktemp("observability") / "saldo",
        SALDO_OTLP_ENDPOINT=collector.url,
    ) as running:
        yield running


@pytest.fixture(scope="module")
def prometheus(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    targets = {
        process: urlsplit(
            installation.environment[f"SALDO_MONITORING_URL_{process.upper()}"]
        ).netloc
        for process in SCRAPED
    }
    folder = tmp_path_factory.mktemp("prometheus") / "prometheus"
    with scraping(targets, ALERTS, folder) as running:
        eventually(
            lambda: len(running.query('up{job="saldo"} == 1')) == len(SCRAPED),
            "each process is scraped",
        )
        yield running


@pytest.fixture(scope="module")
def journey(installation: Installation) -> None:
    """A person registers, links an account, pays and asks."""
    run_journey(
        CabinetClient(installation.environment["SALDO_URL"]),
        Report(),
        Mailbox(Path(installation.environment["SALDO_MAIL_DIR"])),
        demo_accounts(),
    )


def test_every_panel_has_figures_and_nothing_is_alarmed(
    prometheus: Prometheus, journey: None
) -> None:
    elsewhere = OF_RABBITMQ | {
        name for name, row in documented_metrics().items() if not row.processes & {*SCRAPED}
    }
    asked = {
        (panel["title"], target["expr"].replace("$__rate_interval", "1m"))
        for dashboard in dashboards().values()
        for panel in panels(dashboard)
        for target in panel["targets"]
        if not metrics_in(target["expr"]) & elsewhere
    }
    assert len(asked) > 50
    for title, expression in asked:
        if title in MAY_BE_EMPTY:
            prometheus.query(expression)
        else:
            eventually(
                lambda asked=expression: prometheus.query(asked),  # type: ignore[misc]
                f"{title}: {expression}",
            )
    assert prometheus.query('ALERTS{alertstate="firing"}') == []


def test_the_looks_of_operators_show_the_installation(
    installation: Installation, journey: None
) -> None:
    seen = CliRunner().invoke(app, ["top", "--json", "--every", "0.5"])
    picture = json.loads(seen.stdout)
    states = {one["process"]: one["state"] for one in picture["processes"]}
    assert {states[process] for process in SCRAPED} == {"ready"}
    assert {one["service"] for one in picture["services"]} == {*SERVICES}
    found = CliRunner().invoke(app, ["bus", "lag", "--json", "--max-seconds", "600"])
    assert found.exit_code == 0, found.output
    [ledger] = [one for one in json.loads(found.stdout)["services"] if one["service"] == "ledger"]
    assert ledger["log"] > 40
    assert ledger["stream_messages"] > 40


def test_a_payment_is_one_trace_from_the_bank_to_the_letter(
    collector: Collector, journey: None
) -> None:
    [receipt] = eventually(
        lambda: collector.named("react to payments.payment_completed"), "the letter is queued"
    )
    names = {
        "publish payments.payment_captured",
        "react to payments.payment_captured",
        "publish ledger.payment_posted",
        "react to ledger.payment_posted",
        "publish payments.payment_completed",
        "react to payments.payment_completed",
    }

    def have_arrived() -> bool:
        found = collector.trace(receipt.trace)
        # A span is sent when it ends, so one that lasts longer than its children comes last.
        known = {span.id for span in found}
        return names <= {span.name for span in found} and all(
            not span.parent or span.parent in known for span in found
        )

    eventually(have_arrived, "all spans have arrived, and those above them")
    spans = {span.id: span for span in collector.trace(receipt.trace)}
    path = [span.service for span in _up(receipt, spans)]
    assert list(dict.fromkeys(path)) == ["notifications", "payments", "ledger", "gateway"]
    assert path[-1] == "gateway"
    # Whichever came first: the bank's own request, or the payer who is back from its page.
    assert _up(receipt, spans)[-1].name in {
        "GET /api/v1/acquirer/callback",
        "GET /api/v1/payments/{payment_id}",
    }


def test_no_attribute_of_a_span_names_a_person(collector: Collector, journey: None) -> None:
    account = demo_accounts()[0].number
    assert len(collector.spans) > 50
    for span in collector.spans:
        text = f"{span.name} {span.attributes}"
        assert account not in text
        assert "@" not in text
        assert span.attributes.keys() <= {
            "http.request.method", "http.route", "http.response.status_code",
            "rpc.system", "rpc.service", "rpc.method", "error.type",
            "messaging.system", "messaging.destination.name",
            "saldo.command", "saldo.event_type", "saldo.position",
        }, span  # fmt: skip


def _up(span: Span, spans: dict[str, Span]) -> list[Span]:
    """Return a span and all above it, to the first of its trace."""
    path = [span]
    while path[-1].parent:
        path.append(spans[path[-1].parent])
    return path
