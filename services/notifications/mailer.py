"""Letters over SMTP: composing a message, and one connection that carries many of them.

What a mail server can answer is reduced to four outcomes: accepted, refused for good (5xx), not
now (4xx), and no connection. A letter is the server's once the final dot is answered; where the
connection breaks before the answer nobody can know, so the letter is sent again under the same
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

#: Seconds to wait for a connection, and for one answer (content filters take their time at the
#: final dot; giving up too early there makes duplicates).
CONNECT_TIMEOUT = 10.0
ANSWER_TIMEOUT = 60.0


class UndeliverableError(Exception):
    """No message can be made for this address."""


class RefusedError(Exception):
    """The server refused this letter for good."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the mail server answered {code}")
        self.code = code


class NotNowError(Exception):
    """The server refused this letter for the time being."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the mail server answered {code}")
        self.code = code


class ConnectionBrokenError(Exception):
    """The connection broke while a letter was on its way: its fate is unknown."""


class ServerUnavailableError(Exception):
    """The server can not be reached, or does not take us as a sender: no letter's own fault."""


@dataclass(frozen=True)
class SmtpServer:
    """Where letters are handed over: `smtp://host`, `smtp://user:password@host:587?starttls`,
    `smtps://host`."""

    host: str
    port: int
    username: str | None
    password: str | None = field(repr=False)
    implicit_tls: bool
    starttls: bool

    @classmethod
    def parse(cls, url: str) -> SmtpServer:
        """Read SALDO_SMTP_URL. Raises ConfigurationError, which does not repeat the password."""
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
    """A way to hand letters over, one after another."""

    def send(self, message: EmailMessage) -> None:
        """Hand over one message to its only recipient; returns once the server has accepted it.

        Raises UndeliverableError, RefusedError, NotNowError, ConnectionBrokenError or
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
            raise UndeliverableError("the server does not take international addresses") from error
        except smtplib.SMTPRecipientsRefused as error:
            code = next(iter(error.recipients.values()))[0]
            raise _refusal(code) from None  # the original text names the address
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
    """A connection to the mail server, for the length of a block.

    Raises ServerUnavailableError when there is none, ConfigurationError for a URL it can not read.
    """
    smtp = _open(SmtpServer.parse(url))
    try:
        yield SmtpConnection(smtp)
    finally:
        # The letters are delivered or not by now; how the farewell goes changes nothing.
        with suppress(smtplib.SMTPException, OSError):
            smtp.quit()
        smtp.close()


def compose(letter_id: UUID, content: Content, *, sender: str, queued_at: datetime) -> EmailMessage:
    """The message of a letter: the same letter gives the same Message-ID and Date every time.

    Raises UndeliverableError when the address or the subject could not stand in a header.
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
        # The text of the original would name the address.
        raise UndeliverableError(f"{type(error).__name__} in a header") from None
    message.set_content(content.text, cte="base64")
    message.add_alternative(content.html, subtype="html", cte="base64")
    for attachment in content.attachments:
        message.add_attachment(attachment.text, filename=attachment.filename, cte="base64")
    return message


def message_id_of(letter_id: UUID, sender: str) -> str:
    """The Message-ID of a letter: its id, at the domain that sends."""
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
        # The text of an authentication error may quote the user name.
        raise ServerUnavailableError(f"not let in: {type(error).__name__}") from None
    return smtp


def _greet(smtp: smtplib.SMTP, server: SmtpServer, context: ssl.SSLContext) -> None:
    if server.starttls:
        smtp.starttls(context=context)
    if server.username is not None:
        smtp.login(server.username, server.password or "")
    smtp.ehlo_or_helo_if_needed()
    if smtp.sock is not None:
        smtp.sock.settimeout(ANSWER_TIMEOUT)


def _refusal(code: int) -> RefusedError | NotNowError | ConnectionBrokenError:
    if code == 421:  # "closing the connection": the next letter needs a new one
        return ConnectionBrokenError("the mail server answered 421")
    return RefusedError(code) if 500 <= code <= 599 else NotNowError(code)


@cache
def _own_name() -> str:
    # smtplib would ask the resolver at every connection, which can take seconds.
    name = socket.getfqdn()
    return name if "." in name else "[127.0.0.1]"
