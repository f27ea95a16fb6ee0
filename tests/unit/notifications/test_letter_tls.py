"""TLS to the mail server: used as the URL requires, never with an untrusted certificate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiosmtpd.controller import Controller
from letter_doubles import SETTINGS, START

from services.notifications.envelope import Content
from services.notifications.mailer import compose, connect
from shared.smtp import ServerUnavailableError
from tests.certificates import server_context, write_certificate


class MailFake:
    """A mail server that counts the letters accepted over TLS."""

    def __init__(self) -> None:
        self.over_tls = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.over_tls += server.transport.get_extra_info("cipher") is not None
        return "250 accepted"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with an untrusted certificate of 127.0.0.1 and its key."""
    return write_certificate(tmp_path_factory.mktemp("tls") / "mail.pem", "127.0.0.1")


@pytest.fixture(params=["smtps", "starttls"])
def server(
    request: pytest.FixtureRequest, certificate: Path, free_port: int
) -> Iterator[tuple[str, MailFake]]:
    """Yield the URL and the fake of a server that requires TLS."""
    context = server_context(certificate)
    sink = MailFake()
    if request.param == "smtps":
        tls: dict[str, Any] = {"ssl_context": context}
        url = f"smtps://127.0.0.1:{free_port}"
    else:
        tls = {"tls_context": context, "require_starttls": True}
        url = f"smtp://127.0.0.1:{free_port}?starttls"
    controller = Controller(sink, hostname="127.0.0.1", port=free_port, **tls)
    controller.start()
    yield url, sink
    controller.stop()


def send(url: str) -> None:
    content = Content(to="a@example.org", subject="Тема", text="Текст\n", html="<p>Текст</p>")
    message = compose(uuid4(), content, sender=SETTINGS.mail_from, queued_at=START)
    with connect(url) as connection:
        connection.send(message, "no-reply@saldo.example")


def test_trusted_certificate_is_accepted(
    server: tuple[str, MailFake], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    url, sink = server
    send(url)
    assert sink.over_tls == 1


def test_untrusted_certificate_is_refused(server: tuple[str, MailFake]) -> None:
    url, sink = server
    with pytest.raises(ServerUnavailableError):
        send(url)
    assert sink.over_tls == 0
