"""TLS to the broker: a certificate must be trusted, and be that of the host in the URL."""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from shared.bus.broker_connection import BrokerConnection
from shared.bus.principals import tls_of
from shared.bus.topology import connect
from shared.config import Settings
from shared.errors import Unavailable
from shared.rpc.sender import Sender
from tests.certificates import write_certificate
from tests.tls_listener import Heard, listening

GREETING = b"AMQP"


def attempt(heard: Heard) -> None:
    """Connect as every process of the house does; nobody answers in AMQP."""
    with pytest.raises((OSError, OperationalError)):
        connect(f"amqps://ledger:wonderland@127.0.0.1:{heard.port}/", name="tests").connect()


def test_broker_of_an_own_authority_is_trusted_by_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = write_certificate(tmp_path / "broker.pem", "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with listening(certificate) as heard:
        attempt(heard)
    assert heard.first.startswith(b"AMQP")


def test_broker_with_an_untrusted_certificate_is_refused(tmp_path: Path) -> None:
    with listening(write_certificate(tmp_path / "broker.pem", "127.0.0.1")) as heard:
        attempt(heard)
    assert (heard.first, bool(heard.refused)) == (b"", True)


def test_broker_with_the_certificate_of_another_host_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = write_certificate(tmp_path / "broker.pem", "elsewhere.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with listening(certificate) as heard:
        attempt(heard)
    assert (heard.first, bool(heard.refused)) == (b"", True)


def test_without_tls_there_is_nothing_to_check() -> None:
    assert tls_of("amqp://ledger:x@broker.example/") is None
    assert tls_of("amqps://ledger:x@broker.example/") == {
        "server_hostname": "broker.example",
        "cert_reqs": ssl.CERT_REQUIRED,
    }


def test_services_receive_and_reply_over_the_same_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    from services.serve import _config
    from shared.rpc import consumer

    url = "amqps://ledger:x@broker.example/"
    receiving = consumer._PromptQueueConsumer()
    receiving.container = SimpleNamespace(
        config=_config(url, SimpleNamespace(settings=Settings())),  # type: ignore[arg-type]
        service_name="ledger",
    )
    assert receiving.connection.ssl == tls_of(url)

    replying: list[Any] = []

    def refuse(self: BrokerConnection, **_: Any) -> None:
        replying.append(self.ssl)
        raise ConnectionRefusedError

    monkeypatch.setattr(BrokerConnection, "ensure_connection", refuse)
    with pytest.raises(Unavailable):
        Sender(url, name="tests", user="ledger").send(b"{}", "reply.x", ends=time.monotonic() + 5)
    assert replying[0] == tls_of(url)
