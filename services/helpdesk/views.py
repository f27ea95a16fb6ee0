"""The results of the read model's queries."""

from __future__ import annotations

from uuid import UUID

import msgspec

from services.helpdesk.domain import Author, State


class QuestionView(msgspec.Struct, frozen=True, kw_only=True):
    """A question without its texts; instants are ISO 8601."""

    question_id: UUID
    number: int
    person_id: UUID
    topic: str
    department: str
    account: str | None
    state: State
    asked_at: str
    last_message_at: str


class MessageView(msgspec.Struct, frozen=True, kw_only=True):
    """One message; ``text`` is sealed under the question's id."""

    author: Author
    actor: str
    text: str
    at: str
