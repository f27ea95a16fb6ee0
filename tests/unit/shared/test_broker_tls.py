"""TLS to the broker: a certificate must be trusted, and be that of the host in the URL."""

from __future__ import annotations

import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from shared.bus.principals import tls_of
from shared.bus.topology import connect
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

    config = _config("amqps://ledger:x@broker.example/", SimpleNamespace())  # type: ignore[arg-type]
    assert config["AMQP_SSL"] == tls_of("amqps://ledger:x@broker.example/")

    replied: list[Any] = []
    monkeypatch.setattr(
        consumer._QuickResponder, "send_response", lambda self, *_: replied.append(self.ssl)
    )
    called = SimpleNamespace(
        container=SimpleNamespace(config=config, service_name="ledger"),
        queue=SimpleNamespace(exchange=None),
        queue_consumer=SimpleNamespace(ack_message=lambda _message: None),
    )
    consumer.RobustRpcConsumer.handle_result(called, SimpleNamespace(), None, None)  # type: ignore[arg-type]
    assert replied == [config["AMQP_SSL"]]
