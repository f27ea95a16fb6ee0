"""Letters over SMTP: composing messages, and sending many over one connection.

A mail server's reply has four outcomes: accepted, refused permanently (5xx), deferred (4xx), no
connection. The server is responsible for a letter once it has replied to the final dot. If the
connection breaks before that, the outcome is unknown, and the letter is sent again under the same
Message-ID, by which the recipient's mail system recognises the duplicate.
"""

from __future__ import annotations

import smtplib
from binascii import b2a_base64
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr
from typing import Any, Final, Protocol
from uuid import UUID

from services.notifications.envelope import Attachment, Content
from shared.config import Settings
from shared.smtp import ServerUnavailableError, opened

CRLF: Final = "\r\n"
_OF_LINE: Final = 57
"""Bytes of a body that make a line of 76 characters."""


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
    """Raised if the connection breaks during a letter, which may have arrived or not."""

    def __init__(self, reason: str, *, may_have_arrived: bool = True) -> None:
        super().__init__(reason)
        self.may_have_arrived = may_have_arrived


class Connection(Protocol):
    """A connection that sends letters one after another."""

    def send(self, message: EmailMessage, envelope_from: str) -> None:
        """Send a message to its only recipient; return once the server has accepted it.

        What cannot be delivered later is reported to `envelope_from`.

        Raises UndeliverableError, RefusedError, DeferredError, ConnectionBrokenError or
        ServerUnavailableError.
        """
        ...


class SmtpConnection:
    """An open connection to the mail server."""

    def __init__(self, smtp: smtplib.SMTP) -> None:
        self._smtp = smtp

    def send(self, message: EmailMessage, envelope_from: str) -> None:
        try:
            self._smtp.send_message(message, from_addr=envelope_from)
        except smtplib.SMTPNotSupportedError as error:
            raise UndeliverableError(
                "the server does not accept international addresses"
            ) from error
        except smtplib.SMTPRecipientsRefused as error:
            code = next(iter(error.recipients.values()))[0]
            raise _refusal(code) from None  # the original text contains the address
        except smtplib.SMTPSenderRefused as error:
            raise _refused_sender(error) from None
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
    with opened(url) as smtp:
        yield SmtpConnection(smtp)


class _LetterPolicy(EmailPolicy):
    """The policy of letters, whose subjects keep their spaces, and whose addresses stay whole.

    Python's own folds an encoded subject at a space, which every reader drops there, and writes an
    address or an id that is longer than a line as encoded words, which no reader decodes there. And
    it decodes what looks like an encoded word in a subject, and writes the end of a line that is in
    it as such: what follows would be a header.
    """

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        """Return a header as it is kept. Raises ValueError for one that would be two."""
        if name.lower() == "subject":
            if len(f"{value}.".splitlines()) > 1:
                raise ValueError("a subject is one line of text")
            return name, value
        return super().header_store_parse(name, value)

    def fold_binary(self, name: str, value: str) -> bytes:
        """Return a header as it is sent."""
        if name.lower() in {"list-unsubscribe", "message-id"}:
            return f"{name}: {value}{self.linesep}".encode("ascii")
        if name.lower() != "subject" or (value.isascii() and "=?" not in value):
            return super().fold_binary(name, value)
        folded = Header(str(value), "utf-8", header_name=name).encode(linesep=self.linesep)
        return f"{name}: {folded}{self.linesep}".encode("ascii")


class _WrittenPolicy(_LetterPolicy):
    """The same for letters without attachments: headers of ASCII stay as they are written.

    Python's own parses each of them whenever it is set, read or written, and those of a body four
    times when that is set: two thirds of a millisecond of CPU for a letter.
    """

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        """Return a header as it is kept. Raises ValueError for one that would be two."""
        if isinstance(value, str) and value.isascii() and value.isprintable():
            return name, value
        return super().header_store_parse(name, value)

    def header_fetch_parse(self, name: str, value: Any) -> Any:
        """Return a header as it is kept."""
        return value

    def fold_binary(self, name: str, value: str) -> bytes:
        """Return a header as it is sent."""
        if name.lower() == "content-type":
            folded = value.replace("; boundary=", f";{self.linesep} boundary=")
            return f"{name}: {folded}{self.linesep}".encode("ascii")
        return super().fold_binary(name, value)


_PARSED, _WRITTEN = _LetterPolicy(linesep=CRLF), _WrittenPolicy(linesep=CRLF)


def compose(
    letter_id: UUID, content: Content, *, sender: str, queued_at: datetime, generation: int = 1
) -> EmailMessage:
    """Return the message of a letter, with the same Message-ID and Date for the same draw.

    Raises UndeliverableError if the address or the subject is invalid in a header.
    """
    try:
        message = EmailMessage(policy=_PARSED if content.attachments else _WRITTEN)
        message["From"] = str(_sender(sender))
        message["To"] = str(_recipient(content.to))
        message["Subject"] = content.subject
        message["Date"] = format_datetime(queued_at)
        message["Message-ID"] = message_id_of(letter_id, sender, generation)
        message["Auto-Submitted"] = "auto-generated"
        if content.unsubscribe_url is not None:
            message["List-Unsubscribe"] = f"<{content.unsubscribe_url}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    except (ValueError, IndexError, MessageError) as error:
        # The original text would contain the address.
        raise UndeliverableError(f"{type(error).__name__} in a header") from None
    # Not random ones: the same draw is the same message, byte by byte.
    boundary = f"=_{letter_id.hex}.{generation}"
    if not content.attachments:
        message["MIME-Version"] = "1.0"
        message["Content-Type"] = f'multipart/alternative; boundary="{boundary}.0"'
        html = _body("html", content.html)
        html["MIME-Version"] = "1.0"  # as `add_alternative` writes it
        message.set_payload([_body("plain", content.text), html])
        message["Content-Language"] = content.language
        return message
    message.set_content(content.text, cte="base64")
    message.add_alternative(content.html, subtype="html", cte="base64")
    for attachment in content.attachments:
        _attach(message, attachment)
    # After the body: setting or wrapping it takes every header of the content away.
    message["Content-Language"] = content.language
    for place, part in enumerate(one for one in message.walk() if one.is_multipart()):
        part.set_boundary(f"{boundary}.{place}")
    return message


def _body(subtype: str, text: str) -> EmailMessage:
    """Return one of the bodies, as `set_content` makes it."""
    body = EmailMessage(policy=_WRITTEN)
    body["Content-Type"] = f'text/{subtype}; charset="utf-8"'
    body["Content-Transfer-Encoding"] = "base64"
    sent = b"".join([line + b"\r\n" for line in text.encode().splitlines()])
    lines = (sent[start : start + _OF_LINE] for start in range(0, len(sent), _OF_LINE))
    body.set_payload("".join([b2a_base64(line).decode("ascii") for line in lines]))
    return body


def message_id_of(letter_id: UUID, sender: str, generation: int) -> str:
    """Return the Message-ID of a letter: its id and its draw at the sender's domain.

    Generation 0 was drawn by an earlier version, which named the letter alone.
    """
    draw = f".{generation}" if generation else ""
    return f"<{letter_id}{draw}@{parseaddr(sender)[1].rpartition('@')[2] or 'saldo.invalid'}>"


def envelope_sender(settings: Settings, letter_id: UUID) -> str:
    """Return whom the bounce of a letter goes to: a mailbox for bounces, with the letter's id.

    Without such a mailbox it is the sender.
    """
    mailbox = parseaddr(settings.mail_bounces)[1]
    if not mailbox:
        return parseaddr(settings.mail_from)[1]
    local, _, domain = mailbox.rpartition("@")
    return f"{local}+{letter_id.hex}@{domain}"


def _attach(message: EmailMessage, attachment: Attachment) -> None:
    if attachment.text:
        message.add_attachment(attachment.text, filename=attachment.filename, cte="base64")
        return
    maintype, _, subtype = attachment.media_type.partition("/")
    message.add_attachment(
        attachment.data, maintype=maintype, subtype=subtype, filename=attachment.filename
    )


def _sender(text: str) -> Address:
    name, address = parseaddr(text)
    return Address(display_name=name, addr_spec=address)


def _recipient(text: str) -> Address:
    local, at, domain = text.rpartition("@")
    if not (local and at and domain) or text != text.strip():
        raise ValueError("not an address")
    return Address(addr_spec=f"{local}@{domain.encode('idna').decode()}")


def _refused_sender(error: smtplib.SMTPSenderRefused) -> RefusedError | ServerUnavailableError:
    """Return what a refusal of the sender means: one letter is too large (RFC 1870), or all fail.

    The sender comes with the size of the letter.
    """
    text = error.smtp_error if isinstance(error.smtp_error, bytes) else error.smtp_error.encode()
    if error.smtp_code == 552 and (text.startswith(b"5.3.4") or b"size" in text.lower()):
        return RefusedError(error.smtp_code)
    return ServerUnavailableError(f"the sender is refused: {error.smtp_code}")


def _refusal(code: int) -> RefusedError | DeferredError | ConnectionBrokenError:
    if code == 421:  # "closing the connection": the next letter needs a new one
        return ConnectionBrokenError("the mail server replied 421", may_have_arrived=False)
    return RefusedError(code) if 500 <= code <= 599 else DeferredError(code)
