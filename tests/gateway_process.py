"""Gateways as processes of their own, and minimal services for them to ask."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from shared.config import SERVICES, Settings
from tests.waiting import eventually

ROOT = Path(__file__).parents[1]
PATIENCE_SECONDS = 30.0

# Minimal services, which return the context of the call.
FAKE_SERVICES = """
import json
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
import eventlet
eventlet.monkey_patch()
from marshmallow import EXCLUDE, Schema, fields
from nameko.runners import ServiceRunner
from shared import context
from shared.errors import Conflict
from shared.rpc.consumer import CONFIG_KEY
from shared.rpc.server import Nothing, rpc

AHEAD = timedelta(days=int(sys.argv[2]))

class Clock:
    def known(self):
        return datetime.now(UTC) + AHEAD

class Kind(Schema):
    kind = fields.String(required=True)
    version = fields.String(allow_none=True)

class Registration(Schema):
    person_type = fields.String(required=True)
    email = fields.String(required=True)
    organisation = fields.Raw(allow_none=True)
    language = fields.String(required=True)
    ip = fields.String(required=True)

class Base:
    @rpc(Nothing, callers=["gateway"])
    def health(self):
        return {"status": "ok"}

class Identity(Base):
    name = "identity"

    @rpc(Kind, callers=["gateway"])
    def document(self, kind, version):
        now = context.current()
        if kind == "consent":
            raise Conflict("last_account_stays", "not for the world")
        if kind == "instruction":
            raise RuntimeError("a secret in an exception")
        text = f"{now.actor} {now.correlation_id} {now.traceparent}"
        return dict(kind=kind, version="1", title="t", media_type="text/plain", text=text)

    @rpc(Registration, callers=["gateway"])
    def start_registration(self, person_type, email, organisation, language, ip):
        eventlet.sleep(1)
        return {"registration_id": str(context.current().command_id)}

runner = ServiceRunner({})
for name, url in json.loads(sys.argv[1]).items():
    service = Identity if name == "identity" else type(name, (Base,), {"name": name})
    context_of_server = SimpleNamespace(store=SimpleNamespace(clock=Clock()))
    config = {"AMQP_URI": url, "max_workers": 200, CONFIG_KEY: context_of_server}
    runner.service_map[name] = runner.container_cls(service, config)
runner.start()
runner.wait()
"""


@dataclass(frozen=True)
class GatewayProcess:
    """A gateway that runs: the address for clients, and the one for its operator."""

    url: str
    monitoring: str
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> tuple[str, int]:
        """The address for clients, to connect to by a socket."""
        host, _, port = self.url.removeprefix("http://").partition(":")
        return host, int(port)

    def metrics(self) -> str:
        """Return the metrics of this moment."""
        return requests.get(f"{self.monitoring}/metrics", timeout=10).text


@contextmanager
def gateway_process(settings: Mapping[str, str]) -> Iterator[GatewayProcess]:
    """Run a gateway on free ports; ``settings`` are SALDO_* variables."""
    public, private = _free_addresses()
    environ = {
        **os.environ,
        "SALDO_SECRET": "00" * 32,
        **settings,
        "SALDO_GATEWAY_LISTEN": public,
        "SALDO_MONITORING_LISTEN": private,
    }
    with _running(["-m", "gateway"], environ) as process:
        started = GatewayProcess(f"http://{public}", f"http://{private}", process)
        eventually(lambda: status_of(f"{started.url}/healthz") == 200, "the gateway listens")
        yield started


@contextmanager
def fake_services(settings: Settings, days_ahead: int = 0) -> Iterator[None]:
    """Run minimal services of all names in one process, by a clock that may be ahead of ours."""
    urls = json.dumps({service: settings.amqp_url_of(service) for service in SERVICES})
    with _running(["-c", FAKE_SERVICES, urls, str(days_ahead)], dict(os.environ)):
        yield


def status_of(url: str) -> int:
    """Return the status of a GET; 0 when nobody listens."""
    try:
        return requests.get(url, timeout=10).status_code
    except requests.ConnectionError:
        return 0


def _free_addresses() -> list[str]:
    with socket.socket() as one, socket.socket() as other:
        for free in (one, other):
            free.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{free.getsockname()[1]}" for free in (one, other)]


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
