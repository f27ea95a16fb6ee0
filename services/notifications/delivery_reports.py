"""Reports about letters that did not arrive (RFC 3464), and those of mailers that write others.

A report comes from anybody, so reading one is bounded: the first megabyte, parts one below another
to a fixed depth, no parser that recurses. All that is taken from it is which letter it is about and
a status; an address or a text never is.
"""

from __future__ import annotations

import binascii
import quopri
import re
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32
from typing import Final, NamedTuple
from uuid import UUID

MAX_BYTES: Final = 1024 * 1024
"""How much of a message is read: the report stands in front of the letter that it returns."""

_MAX_HEADERS: Final = 64 * 1024
_MAX_PARTS: Final = 50
_MAX_DEPTH: Final = 3
_MAX_RECIPIENTS: Final = 100

_STATUS: Final = {"message/delivery-status", "message/global-delivery-status"}
_ORIGINAL: Final = {
    "message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers",
}  # fmt: skip
_SENT_TO: Final = ("Delivered-To", "X-Original-To", "Envelope-To", "To")
"""The headers that name the address to which the report was sent, the surest first."""
_FAILED_BY_HEADER: Final = ("X-Failed-Recipients", "X-MS-Embedded-Report")
"""The headers of failures that are written for people alone: by Exim and Mail.ru; by Exchange."""
_COPY_FOLLOWS: Final = "\n------ "
"""How the line begins below which such a failure returns the letter."""

_OWN_ADDRESS = re.compile(r"\+([0-9a-f]{32})@", re.IGNORECASE)
_MESSAGE_ID = re.compile(
    r"<([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.\d+)?@[^<>\s]+>", re.IGNORECASE
)
_COPIED_ID = re.compile(r"^message-id:\s*(<[^<>\s]+>)", re.IGNORECASE | re.MULTILINE)
_FIELD = re.compile(r"^(action|status|diagnostic-code)[ \t]*:[ \t]*(.*(?:\n[ \t].*)*)", re.I | re.M)
_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REPLY = re.compile(r"(?<![\d.])([45]\d\d)(?=[ -])")
_STATUS_OF_REPLY: Final = {"552": "5.2.2"}
"""What replies mean that say more than their class (RFC 5321): 552, that the mailbox is full."""
_BLANK = re.compile(r"\n[ \t]*\n")
_LINE_ENDS = re.compile(rb"\r\n?")


class DeliveryReport(NamedTuple):
    """What a report says: which letter, and whether it `failed` or is late, by a status.

    The letter is known by the address to which the report was sent (`letter_id`), by the
    Message-ID of what it returns, or by both. `status` is as of RFC 3463, such as 5.1.1.
    """

    letter_id: UUID
    message_id: str | None
    status: str
    failed: bool


class _Part(NamedTuple):
    kind: str
    headers: Message
    body: bytes


class _Said(NamedTuple):
    failed: bool
    status: str


def read_report(raw: bytes) -> DeliveryReport | None:
    """Return what a message reports of one of our letters; None for any other message."""
    top = _part(_LINE_ENDS.sub(b"\n", raw[:MAX_BYTES]))
    parts = list(_parts(top, _MAX_DEPTH))
    said = _said_in_parts(parts) or _said_in_text(top, parts)
    if said is None:
        return None
    message_id = _original_id(top, parts)
    letter_id = _letter_of_address(top.headers) or _letter_of_id(message_id)
    if letter_id is None:
        return None
    return DeliveryReport(letter_id, message_id, said.status, said.failed)


# Parts


def _part(raw: bytes) -> _Part:
    head, _, body = raw.lstrip(b"\n").partition(b"\n\n")
    headers = BytesHeaderParser(policy=compat32).parsebytes(head[:_MAX_HEADERS])
    return _Part(headers.get_content_type(), headers, body)


def _parts(part: _Part, depth: int) -> Iterator[_Part]:
    """Yield the parts of a multipart message; what it returns as a message is not opened."""
    boundary = part.headers.get_boundary() if part.kind.startswith("multipart/") else None
    if not boundary or not depth:
        return
    delimiter = re.escape(boundary.encode("utf-8", "replace"))
    # To the end of the line: the boundary of an inner part may begin as this one does.
    line = re.compile(rb"^--" + delimiter + rb"(--)?[ \t]*$", re.MULTILINE)
    found = line.split(part.body, maxsplit=_MAX_PARTS)
    for closing, raw in zip(found[1::2], found[2::2], strict=True):
        if closing:
            return
        child = _part(raw)
        yield child
        yield from _parts(child, depth - 1)


def _decoded(part: _Part) -> str:
    """Return the text of a part, whatever bytes it has."""
    encoding = str(part.headers.get("Content-Transfer-Encoding", "")).strip().lower()
    body = part.body
    if encoding == "base64":
        try:
            body = binascii.a2b_base64(body)
        except binascii.Error:
            return ""
    elif encoding == "quoted-printable":
        body = quopri.decodestring(body)
    return _LINE_ENDS.sub(b"\n", body).decode("utf-8", "replace")


# What is said


def _said_in_parts(parts: list[_Part]) -> _Said | None:
    """Return the worst of what is said of the recipients: of one letter there is but one."""
    said = [
        found
        for part in parts
        if part.kind in _STATUS
        for fields in _BLANK.split(_decoded(part), maxsplit=_MAX_RECIPIENTS)
        if (found := _said_of_recipient(fields)) is not None
    ]
    return max(said, key=lambda one: (one.failed, one.status), default=None)


def _said_of_recipient(fields: str) -> _Said | None:
    given = {name.lower(): value for name, value in _FIELD.findall(fields)}
    action = given.get("action", "").strip().lower()
    if action not in {"failed", "delayed"}:
        return None
    failed = action == "failed"
    return _Said(failed, _status(given.get("status", ""), given.get("diagnostic-code", ""), failed))


def _status(status: str, diagnostic: str, failed: bool) -> str:
    """Return the most exact status: many write x.0.0, and the truth into the diagnosis."""
    candidates: list[str] = [*_ENHANCED.findall(status), *_ENHANCED.findall(diagnostic)]
    failures = [one for one in candidates if not one.startswith("2")]
    exact = [one for one in failures if not one.endswith(".0.0")]
    if exact:
        return exact[0]
    reply = _REPLY.search(diagnostic)
    if reply and reply[1] in _STATUS_OF_REPLY:
        return _STATUS_OF_REPLY[reply[1]]
    if failures:
        return failures[0]
    return f"{reply[1][0]}.0.0" if reply else "5.0.0" if failed else "4.0.0"


def _said_in_text(top: _Part, parts: list[_Part]) -> _Said | None:
    """Return what a mailer says that writes no report of RFC 3464: Exim, Mail.ru, old Exchange."""
    if not any(name in top.headers for name in _FAILED_BY_HEADER):
        return None
    text = _decoded(next((part for part in parts if part.kind == "text/plain"), top))
    own_words = text.partition(_COPY_FOLLOWS)[0]
    return _Said(failed=True, status=_status("", own_words, failed=True))


# Which letter


def _original_id(top: _Part, parts: list[_Part]) -> str | None:
    """Return the Message-ID of the letter that a report returns, as a part or below its text."""
    returned = [_decoded(part) for part in parts if part.kind in _ORIGINAL]
    if not parts:
        returned = [_decoded(top).partition(_COPY_FOLLOWS)[2]]
    found = next((found for text in returned if (found := _COPIED_ID.search(text))), None)
    return found[1] if found else None


def _letter_of_address(headers: Message) -> UUID | None:
    for name in _SENT_TO:
        for address in headers.get_all(name, []):
            found = _OWN_ADDRESS.search(str(address))
            if found:
                return UUID(found[1])
    return None


def _letter_of_id(message_id: str | None) -> UUID | None:
    found = _MESSAGE_ID.fullmatch(message_id or "")
    return UUID(found[1]) if found else None
