"""The monitoring listener: metrics, readiness, liveness."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
import requests
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from shared import telemetry
from shared.bus.epoch_metrics import EpochCollector
from shared.bus.progress import ProgressCollector
from shared.config import ConfigurationError, load_settings
from shared.errors import Conflict
from shared.monitoring import OK, UNAVAILABLE, Monitoring, stopping
from tests.e2e.scraping import documented_metrics
from tests.waiting import eventually


@pytest.fixture
def monitoring() -> Iterator[Monitoring]:
    made = Monitoring("127.0.0.1:0")
    yield made
    made.close()


def _get(monitoring: Monitoring, path: str, **headers: str) -> requests.Response:
    url = f"http://127.0.0.1:{monitoring.port}{path}"
    return requests.get(url, headers=headers, timeout=10)


def test_process_is_alive_before_it_is_ready(monitoring: Monitoring) -> None:
    assert _get(monitoring, "/healthz").json() == {"status": "ok"}
    early = _get(monitoring, "/readyz")
    assert (early.status_code, early.json()["status"]) == (503, "not_ready")
    assert early.headers["Retry-After"]


def test_readiness_names_what_is_missing(monitoring: Monitoring) -> None:
    monitoring.report(lambda: {"ledger": OK, "bus": OK})
    ready = _get(monitoring, "/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    monitoring.report(lambda: {"ledger": OK, "bus": UNAVAILABLE})
    missing = _get(monitoring, "/readyz")
    assert missing.status_code == 503
    assert missing.json()["needs"] == {"ledger": "ok", "bus": "unavailable"}
    monitoring.report(stopping)
    assert _get(monitoring, "/readyz").status_code == 503


def test_process_whose_check_fails_is_not_ready(monitoring: Monitoring) -> None:
    monitoring.report(lambda: {"broken": str(1 / 0)})
    assert _get(monitoring, "/readyz").status_code == 503
    assert _get(monitoring, "/healthz").ok


def test_metrics_parse_in_both_formats(monitoring: Monitoring) -> None:
    telemetry.events_committed("ledger", 3)
    plain = _get(monitoring, "/metrics")
    names = {family.name for family in text_string_to_metric_families(plain.text)}
    wanted = "application/openmetrics-text; version=1.0.0"
    newer = _get(monitoring, "/metrics", Accept=wanted)
    assert newer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert names >= {"saldo_event_log_appended_events", "process_cpu_seconds"}
    assert {family.name for family in openmetrics(newer.text)} >= names - {"python_info"}


def test_silent_client_does_not_hold_others_up(monitoring: Monitoring) -> None:
    silent = [socket.create_connection(("127.0.0.1", monitoring.port)) for _ in range(20)]
    assert _get(monitoring, "/metrics").ok
    for connection in silent:
        connection.close()


def test_caller_who_breaks_the_connection_off_is_no_failure(monitoring: Monitoring) -> None:
    failures: list[str] = []
    with patch("shared.monitoring.log.exception", failures.append):
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", monitoring.port), 10) as proxy:
                proxy.sendall(b"GET /healthz HTTP/1.1\r\nHost: p\r\n\r\n")
                assert proxy.recv(1)
                # As HAProxy ends a look: by a reset.
                proxy.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        eventually(lambda: answering() == 0, "all are answered")
    assert failures == []


def answering() -> int:
    """Return how many threads answer somebody."""
    return sum("process_request_thread" in one.name for one in threading.enumerate())


def test_anything_else_is_not_found(monitoring: Monitoring) -> None:
    assert _get(monitoring, "/").status_code == 404
    assert _get(monitoring, "/api/v1/me").status_code == 404


@pytest.mark.parametrize("listen", ["nowhere", "127.0.0.1:", "127.0.0.1:99999", "192.0.2.1:9100"])
def test_an_address_that_cannot_be_used_is_named(listen: str) -> None:
    with pytest.raises(ConfigurationError, match="SALDO_MONITORING_LISTEN"):
        Monitoring(listen)


def test_two_processes_do_not_share_an_address(monitoring: Monitoring) -> None:
    with pytest.raises(ConfigurationError, match="cannot listen"):
        Monitoring(f"127.0.0.1:{monitoring.port}")


def test_outcome_of_a_call_is_the_kind_of_its_error() -> None:
    def calls() -> list[float]:
        outcomes = ("ok", "conflict", "failed")
        return [telemetry.RPC_CALLS.labels("ledger", "try", of)._value.get() for of in outcomes]

    assert calls() == [0, 0, 0]
    with telemetry.call_made("ledger", "try"):
        pass
    with pytest.raises(Conflict), telemetry.call_made("ledger", "try"):
        raise Conflict("x", "y")
    with pytest.raises(KeyError), telemetry.call_made("ledger", "try"):
        raise KeyError("z")
    assert calls() == [1, 1, 1]


def test_failed_run_of_a_job_leaves_the_time_of_the_last_success() -> None:
    success = telemetry.JOB_SUCCESS.labels("ledger", "test")
    with telemetry.job_run("ledger", "test"):
        pass
    succeeded = success._value.get()
    assert succeeded > 0
    with pytest.raises(OSError, match="lost"), telemetry.job_run("ledger", "test"):
        raise OSError("lost")
    assert success._value.get() == succeeded


def test_table_of_metrics_is_complete() -> None:
    defined = {
        f"{found._name}_total" if found._type == "counter" else found._name: set(found._labelnames)
        for found in vars(telemetry).values()
        if isinstance(found, MetricWrapperBase)
    }
    for family in (*ProgressCollector({}).describe(), *EpochCollector({}).describe()):
        defined[family.name] = set(family._labelnames)
    table = {name: set(row.labels) for name, row in documented_metrics().items()}
    assert table == defined


def test_scrape_outlives_a_login_that_has_lost_its_rights() -> None:
    def refuse(timeout: float) -> Any:
        raise psycopg.errors.InsufficientPrivilege

    store: Any = SimpleNamespace(pool=SimpleNamespace(connection=refuse))
    for collector in (ProgressCollector({"ledger": store}), EpochCollector({"ledger": store})):
        families = list(collector.collect())
        assert families
        assert not any(family.samples for family in families)


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "nan", "4000"])
def test_time_limits_of_requests_are_checked(seconds: str) -> None:
    given = {"SALDO_AMQP_URL": "amqp://x", "SALDO_SECRET": "00" * 32}
    assert load_settings(given).gateway_body_seconds == 15
    assert load_settings(given | {"SALDO_GATEWAY_BODY_SECONDS": "2.5"}).gateway_body_seconds == 2.5
    with pytest.raises(ConfigurationError, match="SALDO_GATEWAY_HEAD_SECONDS"):
        load_settings(given | {"SALDO_GATEWAY_HEAD_SECONDS": seconds})
