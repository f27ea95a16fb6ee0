"""A file that goes with a message: its limits, and what is known of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

MAX_FILES = 3
"""Files of one message."""

MAX_BYTES = 5 * 1024 * 1024
"""The size of one file."""

PART_BYTES = 256 * 1024
"""The size of a part in which a file travels and is sealed; only the last part is shorter."""

AttachmentState = Literal["arriving", "ready", "taken", "gone"]
"""``arriving``: parts are missing; ``ready``: whole, and of no message; ``taken``: of a message;
``gone``: its key is destroyed, and its content with it."""


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """One file; ``name``, ``file_key`` and ``digest`` are sealed under its id."""

    attachment_id: UUID
    owner: str
    state: AttachmentState
    name: str | None
    file_key: str | None
    digest: str | None
    media_type: str | None
    parts: int
    size: int
    begun_at: datetime
    question_id: UUID | None = None
    position: int | None = None


_PERSON = "person:"


def owned_by_person(person_id: UUID) -> str:
    """Return the owner of what a person sends, who is the actor of his events."""
    return f"{_PERSON}{person_id}"


def is_person(owner: str) -> bool:
    """Return whether an owner is a person, not one of the staff."""
    return owner.startswith(_PERSON)
