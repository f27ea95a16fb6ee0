"""Connections to the mail server, whose every wait is bounded."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import parse_qsl, unquote, urlsplit

from shared.config import ConfigurationError

#: Seconds to wait for a connection, and for a reply. Content filters are slow at the final dot,
#: and giving up too early there makes duplicates.
CONNECT_TIMEOUT = 10.0
REPLY_TIMEOUT = 60.0


class ServerUnavailableError(Exception):
    """Raised if the server is unreachable or refuses the sender, whatever the letter."""


@dataclass(frozen=True)
class SmtpServer:
    """The mail server: `smtp://host`, `smtp://user:password@host:587?starttls`, `smtps://host`."""

    host: str
    port: int
    username: str | None
    password: str | None = field(repr=False)
    implicit_tls: bool
    starttls: bool

    @classmethod
    def parse(cls, url: str) -> SmtpServer:
        """Parse SALDO_SMTP_URL. Raises ConfigurationError, which does not repeat the password."""
        parts = urlsplit(url)
        options = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or options - {"starttls"}:
            raise ConfigurationError(
                "set SALDO_SMTP_URL to smtp://host:port, smtp://user:password@host:port?starttls "
                "or smtps://user:password@host:port"
            )
        implicit, starttls = parts.scheme == "smtps", "starttls" in options
        return cls(
            host=parts.hostname,
            port=parts.port or (465 if implicit else 587 if starttls else 25),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            implicit_tls=implicit,
            starttls=starttls,
        )


@contextmanager
def opened(url: str) -> Iterator[smtplib.SMTP]:
    """Yield a connection to the mail server.

    Raises ServerUnavailableError if there is none, ConfigurationError for an invalid URL.
    """
    smtp = _open(SmtpServer.parse(url))
    try:
        yield smtp
    finally:
        # The outcome of every letter is known by now; a failure of QUIT changes nothing.
        with suppress(smtplib.SMTPException, OSError):
            smtp.quit()
        smtp.close()


def _open(server: SmtpServer) -> smtplib.SMTP:
    smtp: smtplib.SMTP
    try:
        if server.implicit_tls:
            smtp = smtplib.SMTP_SSL(
                server.host,
                server.port,
                local_hostname=_own_name(),
                timeout=CONNECT_TIMEOUT,
                context=ssl.create_default_context(),
            )
        else:
            smtp = smtplib.SMTP(
                server.host, server.port, local_hostname=_own_name(), timeout=CONNECT_TIMEOUT
            )
    except (smtplib.SMTPException, OSError) as error:
        raise ServerUnavailableError(f"no connection: {type(error).__name__}") from error
    try:
        _greet(smtp, server)
    except (smtplib.SMTPException, OSError) as error:
        smtp.close()
        # The text of an authentication error may contain the user name.
        raise ServerUnavailableError(f"login failed: {type(error).__name__}") from None
    return smtp


def _greet(smtp: smtplib.SMTP, server: SmtpServer) -> None:
    if server.starttls:
        # Reading the certificates of all authorities takes 20 ms of CPU.
        smtp.starttls(context=ssl.create_default_context())
    if server.username is not None:
        smtp.login(server.username, server.password or "")
    smtp.ehlo_or_helo_if_needed()
    if smtp.sock is not None:
        smtp.sock.settimeout(REPLY_TIMEOUT)


@cache
def _own_name() -> str:
    # smtplib would query the resolver for every connection, which can take seconds.
    name = socket.getfqdn()
    return name if "." in name else "[127.0.0.1]"
