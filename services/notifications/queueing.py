"""The letters that one event calls for, queued as requests."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.notifications.application import queue_letters
from services.notifications.requests import LetterRequest
from shared.bus import Message
from shared.contracts.notifications import LetterKind
from shared.eventstore import Session
from shared.ids import NAMESPACE, derived_id


class Queue:
    """Queues the letters of one event, each once: a letter's id is derived from the event's."""

    def __init__(self, session: Session, message: Message) -> None:
        self._session = session
        self._message = message

    def add(
        self,
        kind: LetterKind,
        purpose: str,
        *,
        person_id: str | None = None,
        **refs: Any,
    ) -> None:
        """Queue the event's letter for a purpose."""
        self._add(self._letter_id(purpose), kind, person_id, refs)

    def notify(self, person_id: str, kind: LetterKind, *, once_for: str = "", **refs: Any) -> None:
        """Queue a letter to a person; `at` is when it happened.

        `once_for` is what the person gets one such letter about, however many events call for it.
        """
        letter_id = (
            derived_id(NAMESPACE, "letter", kind.value, person_id, once_for)
            if once_for
            else self._letter_id(kind.value, person_id)
        )
        self._add(letter_id, kind, person_id, refs)

    def _letter_id(self, *purpose: str) -> UUID:
        message = self._message
        return derived_id(NAMESPACE, "letter", message.source, str(message.id), *purpose)

    def _add(
        self, letter_id: UUID, kind: LetterKind, person_id: str | None, refs: dict[str, Any]
    ) -> None:
        request = LetterRequest(
            letter_id=letter_id,
            kind=kind,
            person_id=UUID(person_id) if person_id else None,
            refs={"at": self._message.time.isoformat(), **refs},
        )
        queue_letters(self._session, [request])
