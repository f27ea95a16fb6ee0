"""A drawn letter: its address and content, and their sealed form in the outbox.

Sealed with AES-256-GCM under a key of the service, bound to the letter's id: neither the database
nor a backup reveals an address or a code.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from shared.config import Settings
from shared.contracts.notifications import LetterKind
from shared.keys import KeyRing
from shared.privacy import open_under, seal_under

_FIELD = "letter"


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file attached to a letter: `data` of a media type, or a plain text."""

    filename: str
    text: str = ""
    media_type: str = "text/plain"
    data: bytes = b""


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """The confidential part of a letter. `kind` and `person_id` are what it turned out to be."""

    to: str
    subject: str
    text: str
    html: str
    attachments: tuple[Attachment, ...] = ()
    language: str = "ru"
    unsubscribe_url: str | None = None
    kind: LetterKind | None = None
    person_id: UUID | None = None

    def __repr__(self) -> str:
        """Return a text without the content, which must not get into a log or traceback."""
        return "Content(...)"


def seal(settings: Settings, letter_id: UUID, content: Content) -> str:
    """Return the sealed form of a letter."""
    text = msgspec.json.encode(content).decode()
    return seal_under(outbox_keys(settings), text, letter_id.bytes, _FIELD)


def unseal(settings: Settings, letter_id: UUID, sealed: str) -> Content:
    """Return the content of a sealed letter.

    Raises `cryptography.exceptions.InvalidTag` if it was altered, or sealed under another secret
    or for another letter, `shared.keys.UnknownKeyError` if its key has been dropped.
    """
    text = open_under(outbox_keys(settings), sealed, letter_id.bytes, _FIELD)
    return msgspec.json.decode(text, type=Content)


def outbox_keys(settings: Settings) -> KeyRing:
    """Return the keys of the outbox."""
    return settings.keys_of("notifications", "outbox")
