"""The gateway's process with a real RabbitMQ and fake services."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import requests

from shared import formats
from shared.config import GATEWAY, Settings
from tests.gateway_process import (
    PATIENCE_SECONDS,
    ROOT,
    GatewayProcess,
    fake_services,
    gateway_process,
    status_of,
)
from tests.waiting import eventually

pytestmark = pytest.mark.nodes


@pytest.fixture
def gateway(base_settings: Settings) -> Iterator[GatewayProcess]:
    with gateway_process({"SALDO_AMQP_URL": base_settings.amqp_url_of(GATEWAY)}) as started:
        yield started


@pytest.fixture
def services(base_settings: Settings, clean_bus: object) -> Iterator[None]:
    with fake_services(base_settings):
        yield


def _await_readiness(gateway: GatewayProcess) -> None:
    eventually(lambda: status_of(f"{gateway.monitoring}/readyz") == 200, "every service responds")


def test_call_passes_through_the_broker(gateway: GatewayProcess, services: None) -> None:
    _await_readiness(gateway)
    document = f"{gateway.url}/api/v1/documents"
    answer = requests.get(f"{document}/rules", headers={"X-Request-Id": "it-1"}, timeout=10)
    assert answer.text == f"anonymous it-1 {answer.headers['traceparent']}"

    refused = requests.get(f"{document}/consent", timeout=10)
    assert (refused.status_code, refused.json()["code"]) == (409, "last_account_stays")
    assert "not for the world" not in refused.text

    broken = requests.get(f"{document}/instruction", timeout=10)
    assert (broken.status_code, broken.json()["code"]) == (500, "internal_error")
    assert "secret" not in broken.text


@pytest.mark.usefixtures("clean_bus")
def test_pages_have_the_time_of_the_services(
    gateway: GatewayProcess, base_settings: Settings
) -> None:
    ahead = 400
    there = datetime.now(ZoneInfo(base_settings.timezone)) + timedelta(days=ahead)
    days = {formats.day(there.date() + timedelta(days=one), "en") for one in (0, 1)}

    def is_told() -> bool:
        page = requests.get(gateway.url, headers={"Accept-Language": "en"}, timeout=10).text
        return any(f"As of {day}" in page for day in days)

    assert not is_told()
    with fake_services(base_settings, days_ahead=ahead):
        eventually(is_told, "the gateway has asked for the time by itself")


def test_calls_run_concurrently_and_shutdown_is_graceful(
    gateway: GatewayProcess, services: None
) -> None:
    url, process = gateway.url, gateway.process
    _await_readiness(gateway)

    def register(key: int) -> requests.Response:
        return requests.post(
            f"{url}/api/v1/registrations",
            json={"person_type": "individual", "email": "a@b.ru"},
            headers={"Idempotency-Key": str(key % 20)},
            timeout=30,
        )

    started = time.monotonic()
    with ThreadPoolExecutor(40) as threads:
        answers = list(threads.map(register, range(40)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["registration_id"] for answer in answers}) == 20
    assert time.monotonic() - started < 10, "the calls must wait side by side"

    with ThreadPoolExecutor(1) as threads:
        under_way = threads.submit(register, 99)
        eventually(
            lambda: "saldo_http_requests_in_progress 1" in gateway.metrics(),
            "the request is in progress",
        )
        process.send_signal(signal.SIGTERM)
        assert under_way.result().status_code == 202
    assert process.wait(PATIENCE_SECONDS) == 0


def test_idle_gateway_stops_at_once(
    gateway: GatewayProcess,
) -> None:
    url, process = gateway.url, gateway.process
    with requests.Session() as kept_open:
        assert kept_open.get(f"{url}/healthz", timeout=10).status_code == 200
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
        assert time.monotonic() - started < 10, "it waits for nobody"


def test_gateway_without_services_is_alive_but_not_ready(
    gateway: GatewayProcess, clean_bus: object
) -> None:
    answer = requests.get(f"{gateway.monitoring}/readyz", timeout=10)
    assert answer.status_code == 503
    assert set(answer.json()["needs"].values()) == {"unavailable"}
    assert status_of(f"{gateway.monitoring}/healthz") == 200
    assert status_of(f"{gateway.url}/healthz") == 200
    assert status_of(f"{gateway.url}/readyz") == 404


def test_gateway_that_stops_is_not_ready_while_it_finishes(
    gateway: GatewayProcess, services: None
) -> None:
    _await_readiness(gateway)
    with ThreadPoolExecutor(1) as threads:
        body = {"person_type": "individual", "email": "a@b.ru"}
        started = f"{gateway.url}/api/v1/registrations"
        under_way = threads.submit(requests.post, started, json=body, timeout=30)
        eventually(
            lambda: "saldo_http_requests_in_progress 1" in gateway.metrics(),
            "the request is in progress",
        )
        gateway.process.send_signal(signal.SIGTERM)
        eventually(
            lambda: status_of(f"{gateway.monitoring}/readyz") != 200, "it is not ready any more"
        )
        assert under_way.result().status_code == 202


def test_an_address_in_use_is_one_sentence(
    gateway: GatewayProcess, base_settings: Settings
) -> None:
    environ = os.environ | {
        "SALDO_AMQP_URL": base_settings.amqp_url_of(GATEWAY),
        "SALDO_SECRET": "00" * 32,
        "SALDO_MONITORING_LISTEN": gateway.monitoring.removeprefix("http://"),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "gateway"],
        env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.startswith("SALDO_MONITORING_LISTEN: cannot listen on")
    assert ended.stderr.count("\n") == 1


def test_a_missing_setting_is_one_sentence() -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SALDO_")}
    ended = subprocess.run(
        [sys.executable, "-m", "gateway"],
        env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.startswith("set SALDO_AMQP_URL_GATEWAY")
    assert ended.stderr.count("\n") == 1
