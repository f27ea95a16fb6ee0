"""TLS to the mailbox of reports: the password goes to the host of the URL and to nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.notifications.bounce_mailboxes import MailboxUnavailableError, opened
from tests.certificates import write_certificate
from tests.tls_listener import listening

GREETING = b"* OK ready\r\n"


def log_in(port: int) -> None:
    url = f"imaps://bounces:wonderland@127.0.0.1:{port}/INBOX"
    with pytest.raises(MailboxUnavailableError), opened(url):
        pass


def test_mailbox_with_a_trusted_certificate_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = write_certificate(tmp_path / "imap.pem", "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with listening(certificate, GREETING) as heard:
        log_in(heard.port)
    assert b"CAPABILITY" in heard.first


def test_mailbox_with_an_untrusted_certificate_hears_nothing(tmp_path: Path) -> None:
    with listening(write_certificate(tmp_path / "imap.pem", "127.0.0.1"), GREETING) as heard:
        log_in(heard.port)
    assert heard.first == b""


def test_mailbox_with_the_certificate_of_another_host_hears_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = write_certificate(tmp_path / "imap.pem", "elsewhere.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with listening(certificate, GREETING) as heard:
        log_in(heard.port)
    assert heard.first == b""
