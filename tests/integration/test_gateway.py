"""The gateway's process with a real RabbitMQ and fake services."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 30.0

pytestmark = pytest.mark.nodes

# Minimal services, which return the context of the call.
FAKE_SERVICES = """
import sys
import eventlet
eventlet.monkey_patch()
from marshmallow import EXCLUDE, Schema, fields
from nameko.runners import ServiceRunner
from shared import context
from shared.config import SERVICES
from shared.errors import Conflict
from shared.rpc.server import Nothing, RequestContextProvider, rpc

class Kind(Schema):
    kind = fields.String(required=True)
    version = fields.String(allow_none=True)

class Email(Schema):
    email = fields.String(required=True)
    ip = fields.String(required=True)

class Base:
    request_context = RequestContextProvider()

    @rpc(Nothing)
    def health(self):
        return {"status": "ok"}

class Identity(Base):
    name = "identity"

    @rpc(Kind)
    def document(self, kind, version):
        now = context.current()
        if kind == "consent":
            raise Conflict("last_account_stays", "not for the world")
        if kind == "instruction":
            raise RuntimeError("a secret in an exception")
        text = f"{now.actor} {now.correlation_id} {now.traceparent}"
        return dict(kind=kind, version="1", title="t", media_type="text/plain", text=text)

    @rpc(Email)
    def request_password_reset(self, email, ip):
        eventlet.sleep(1)
        return {"reset_id": str(context.current().command_id)}

runner = ServiceRunner({"AMQP_URI": sys.argv[1], "max_workers": 200})
runner.add_service(Identity)
for name in SERVICES[1:]:
    runner.add_service(type(name, (Base,), {"name": name}))
runner.start()
runner.wait()
"""


@pytest.fixture
def gateway_url(amqp_url: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Yield the URL and the process of a gateway."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    environ = {
        **os.environ,
        "SALDO_AMQP_URL": amqp_url,
        "SALDO_SECRET": "00" * 32,
        "SALDO_GATEWAY_LISTEN": listen,
    }
    with _running(["-m", "gateway"], environ) as process:
        url = f"http://{listen}"
        _wait_until(lambda: _status(f"{url}/healthz") == 200)
        yield url, process


@pytest.fixture
def fake_services(amqp_url: str, clean_bus: object) -> Iterator[None]:
    with _running(["-c", FAKE_SERVICES, amqp_url], dict(os.environ)):
        yield


def test_call_passes_through_the_broker(
    gateway_url: tuple[str, subprocess.Popen[bytes]], fake_services: None
) -> None:
    url, _ = gateway_url
    _wait_until(lambda: _status(f"{url}/readyz") == 200)

    document = f"{url}/api/v1/documents"
    answer = requests.get(f"{document}/rules", headers={"X-Request-Id": "it-1"}, timeout=10)
    assert answer.text == f"anonymous it-1 {answer.headers['traceparent']}"

    refused = requests.get(f"{document}/consent", timeout=10)
    assert (refused.status_code, refused.json()["code"]) == (409, "last_account_stays")
    assert "not for the world" not in refused.text

    broken = requests.get(f"{document}/instruction", timeout=10)
    assert (broken.status_code, broken.json()["code"]) == (500, "internal_error")
    assert "secret" not in broken.text


def test_calls_run_concurrently_and_shutdown_is_graceful(
    gateway_url: tuple[str, subprocess.Popen[bytes]], fake_services: None
) -> None:
    url, process = gateway_url
    _wait_until(lambda: _status(f"{url}/readyz") == 200)

    def reset(key: int) -> requests.Response:
        return requests.post(
            f"{url}/api/v1/password-resets",
            json={"email": "a@b.ru"},
            headers={"Idempotency-Key": str(key % 20)},
            timeout=30,
        )

    started = time.monotonic()
    with ThreadPoolExecutor(40) as threads:
        answers = list(threads.map(reset, range(40)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["reset_id"] for answer in answers}) == 20
    assert time.monotonic() - started < 10, "the calls must wait side by side"

    counted = f"{url}/metrics"
    with ThreadPoolExecutor(1) as threads:
        under_way = threads.submit(reset, 99)
        _wait_until(
            lambda: "saldo_gateway_requests_in_progress 2" in requests.get(counted, timeout=5).text
        )
        process.send_signal(signal.SIGTERM)
        assert under_way.result().status_code == 202
    assert process.wait(PATIENCE_SECONDS) == 0


def test_idle_gateway_stops_at_once(
    gateway_url: tuple[str, subprocess.Popen[bytes]],
) -> None:
    url, process = gateway_url
    with requests.Session() as kept_open:
        assert kept_open.get(f"{url}/healthz", timeout=10).status_code == 200
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
        assert time.monotonic() - started < 3


def test_gateway_without_services_is_alive_but_not_ready(
    gateway_url: tuple[str, subprocess.Popen[bytes]], clean_bus: object
) -> None:
    url, _ = gateway_url
    started = time.monotonic()
    answer = requests.get(f"{url}/readyz", timeout=10)
    assert time.monotonic() - started < 4
    assert answer.status_code == 503
    assert set(answer.json()["services"].values()) == {"unavailable"}
    assert _status(f"{url}/healthz") == 200


def test_a_missing_setting_is_one_sentence() -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SALDO_")}
    ended = subprocess.run(
        [sys.executable, "-m", "gateway"],
        env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.startswith("set SALDO_AMQP_URL")
    assert ended.stderr.count("\n") == 1


@contextmanager
def _running(arguments: list[str], environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, *arguments], env=environ | {"PYTHONPATH": str(ROOT)}, cwd=ROOT
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _status(url: str) -> int:
    try:
        return requests.get(url, timeout=10).status_code
    except requests.ConnectionError:
        return 0


def _wait_until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < ends, "the condition was not met in time"
        time.sleep(0.05)
