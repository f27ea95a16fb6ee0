"""Letters over SMTP: composing messages, and sending many over one connection.

A mail server's reply has four outcomes: accepted, refused permanently (5xx), deferred (4xx), no
connection. The server is responsible for a letter once it has replied to the final dot. If the
connection breaks before that, the outcome is unknown, and the letter is sent again under the same
Message-ID, by which the recipient's mail system recognises the duplicate.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from functools import cache
from typing import Protocol
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import UUID

from services.notifications.envelope import Content
from shared.config import ConfigurationError

#: Seconds to wait for a connection, and for a reply. Content filters are slow at the final dot,
#: and giving up too early there makes duplicates.
CONNECT_TIMEOUT = 10.0
REPLY_TIMEOUT = 60.0


class UndeliverableError(Exception):
    """Raised if no message can be made for an address."""


class RefusedError(Exception):
    """Raised if the server refuses a letter permanently."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the mail server replied {code}")
        self.code = code


class DeferredError(Exception):
    """Raised if the server refuses a letter temporarily."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the mail server replied {code}")
        self.code = code


class ConnectionBrokenError(Exception):
    """Raised if the connection breaks during a letter, whose outcome is then unknown."""


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


class Connection(Protocol):
    """A connection that sends letters one after another."""

    def send(self, message: EmailMessage) -> None:
        """Send a message to its only recipient; return once the server has accepted it.

        Raises UndeliverableError, RefusedError, DeferredError, ConnectionBrokenError or
        ServerUnavailableError.
        """
        ...


class SmtpConnection:
    """An open connection to the mail server."""

    def __init__(self, smtp: smtplib.SMTP) -> None:
        self._smtp = smtp

    def send(self, message: EmailMessage) -> None:
        try:
            self._smtp.send_message(message)
        except smtplib.SMTPNotSupportedError as error:
            raise UndeliverableError(
                "the server does not accept international addresses"
            ) from error
        except smtplib.SMTPRecipientsRefused as error:
            code = next(iter(error.recipients.values()))[0]
            raise _refusal(code) from None  # the original text contains the address
        except smtplib.SMTPSenderRefused as error:
            raise ServerUnavailableError(f"the sender is refused: {error.smtp_code}") from None
        except smtplib.SMTPServerDisconnected as error:
            raise ConnectionBrokenError("the mail server hung up") from error
        except smtplib.SMTPResponseException as error:
            raise _refusal(error.smtp_code) from None
        except OSError as error:
            raise ConnectionBrokenError(type(error).__name__) from error


@contextmanager
def connect(url: str) -> Iterator[Connection]:
    """Yield a connection to the mail server.

    Raises ServerUnavailableError if there is none, ConfigurationError for an invalid URL.
    """
    smtp = _open(SmtpServer.parse(url))
    try:
        yield SmtpConnection(smtp)
    finally:
        # The outcome of every letter is known by now; a failure of QUIT changes nothing.
        with suppress(smtplib.SMTPException, OSError):
            smtp.quit()
        smtp.close()


def compose(letter_id: UUID, content: Content, *, sender: str, queued_at: datetime) -> EmailMessage:
    """Return the message of a letter, with the same Message-ID and Date every time.

    Raises UndeliverableError if the address or the subject is invalid in a header.
    """
    try:
        message = EmailMessage(policy=SMTP)
        message["From"] = _sender(sender)
        message["To"] = _recipient(content.to)
        message["Subject"] = content.subject
        message["Date"] = queued_at
        message["Message-ID"] = message_id_of(letter_id, sender)
        message["Auto-Submitted"] = "auto-generated"
        message["Content-Language"] = "ru, en"
    except (ValueError, IndexError, MessageError) as error:
        # The original text would contain the address.
        raise UndeliverableError(f"{type(error).__name__} in a header") from None
    message.set_content(content.text, cte="base64")
    message.add_alternative(content.html, subtype="html", cte="base64")
    for attachment in content.attachments:
        message.add_attachment(attachment.text, filename=attachment.filename, cte="base64")
    return message


def message_id_of(letter_id: UUID, sender: str) -> str:
    """Return the Message-ID of a letter: its id at the sender's domain."""
    return f"<{letter_id}@{parseaddr(sender)[1].rpartition('@')[2] or 'saldo.invalid'}>"


def _sender(text: str) -> Address:
    name, address = parseaddr(text)
    return Address(display_name=name, addr_spec=address)


def _recipient(text: str) -> Address:
    local, at, domain = text.rpartition("@")
    if not (local and at and domain) or text != text.strip():
        raise ValueError("not an address")
    return Address(addr_spec=f"{local}@{domain.encode('idna').decode()}")


def _open(server: SmtpServer) -> smtplib.SMTP:
    context = ssl.create_default_context()
    smtp: smtplib.SMTP
    try:
        if server.implicit_tls:
            smtp = smtplib.SMTP_SSL(
                server.host,
                server.port,
                local_hostname=_own_name(),
                timeout=CONNECT_TIMEOUT,
                context=context,
            )
        else:
            smtp = smtplib.SMTP(
                server.host, server.port, local_hostname=_own_name(), timeout=CONNECT_TIMEOUT
            )
    except (smtplib.SMTPException, OSError) as error:
        raise ServerUnavailableError(f"no connection: {type(error).__name__}") from error
    try:
        _greet(smtp, server, context)
    except (smtplib.SMTPException, OSError) as error:
        smtp.close()
        # The text of an authentication error may contain the user name.
        raise ServerUnavailableError(f"login failed: {type(error).__name__}") from None
    return smtp


def _greet(smtp: smtplib.SMTP, server: SmtpServer, context: ssl.SSLContext) -> None:
    if server.starttls:
        smtp.starttls(context=context)
    if server.username is not None:
        smtp.login(server.username, server.password or "")
    smtp.ehlo_or_helo_if_needed()
    if smtp.sock is not None:
        smtp.sock.settimeout(REPLY_TIMEOUT)


def _refusal(code: int) -> RefusedError | DeferredError | ConnectionBrokenError:
    if code == 421:  # "closing the connection": the next letter needs a new one
        return ConnectionBrokenError("the mail server replied 421")
    return RefusedError(code) if 500 <= code <= 599 else DeferredError(code)


@cache
def _own_name() -> str:
    # smtplib would query the resolver for every connection, which can take seconds.
    name = socket.getfqdn()
    return name if "." in name else "[127.0.0.1]"
