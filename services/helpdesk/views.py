"""The results of the read model's queries."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import msgspec

from services.helpdesk.dispute import DisputeState
from services.helpdesk.domain import Author, State


class QuestionView(msgspec.Struct, frozen=True, kw_only=True):
    """A question without its texts; instants are ISO 8601.

    ``unread`` counts the messages that the person has not opened, ``unseen`` those of the person
    that no staff has opened.
    """

    question_id: UUID
    number: int
    person_id: UUID
    topic: str
    department: str
    account: str | None
    state: State
    asked_at: str
    last_message_at: str
    due_on: date
    assigned_to: str | None = None
    unread: int = 0
    unseen: int = 0


class DisputeView(msgspec.Struct, frozen=True, kw_only=True):
    """A disputed line and whose question it is; ``account`` is a key, ``since`` is ISO 8601."""

    question_id: UUID
    number: int
    person_id: UUID
    account: str
    period: str
    service: str
    state: DisputeState
    since: str


class QuestionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which questions staff list; None: whatever it is."""

    states: tuple[str, ...] | None = None
    department: str | None = None
    assigned_to: str | None = None
    due_before: date | None = None
    limit: int = 100


class MessageView(msgspec.Struct, frozen=True, kw_only=True):
    """One message; ``text`` is sealed under the question's id, ``position`` is its event's."""

    position: int
    author: Author
    actor: str
    text: str
    at: str
