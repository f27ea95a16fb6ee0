"""A letter's address and content, and their sealed form in the outbox.

Sealed with AES-256-GCM under a key derived from the installation's secret, bound to the letter's
id: whoever reads the database, or a backup of it, reads neither addresses nor codes.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from shared.config import Settings
from shared.privacy import open_with, seal_with


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A plain text file that goes with a letter."""

    filename: str
    text: str


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of a letter that is nobody else's business."""

    to: str
    subject: str
    text: str
    html: str
    attachments: tuple[Attachment, ...] = ()

    def __repr__(self) -> str:
        """Without the content: this may end in a log or a traceback."""
        return "Content(...)"


def seal(settings: Settings, letter_id: UUID, content: Content) -> str:
    """The sealed form of a letter."""
    return seal_with(_key(settings), msgspec.json.encode(content).decode(), letter_id.bytes)


def unseal(settings: Settings, letter_id: UUID, sealed: str) -> Content:
    """The content again. Raises `cryptography.exceptions.InvalidTag` when it was sealed under
    another secret or for another letter, or was altered."""
    return msgspec.json.decode(open_with(_key(settings), sealed, letter_id.bytes), type=Content)


def _key(settings: Settings) -> bytes:
    return settings.derive_key("notifications/outbox")
