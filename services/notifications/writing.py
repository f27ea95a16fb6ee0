"""Writing the letters of one event: request the facts from their owner, render, seal, queue.

All of it happens in the transaction that moves the position of the reaction. A letter's id is
derived from the event's: a repeated event queues no second letter and requests no second secret,
which would replace the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.notifications import application, letters
from services.notifications.envelope import Attachment, seal
from shared.bus import Message, Services
from shared.config import Settings
from shared.contracts.notifications import LetterKind
from shared.errors import Conflict, NotFound
from shared.eventstore import Session
from shared.ids import NAMESPACE, derived_id
from shared.logs import get_logger

log = get_logger(__name__)


class Writer:
    """Writes the letters of one event."""

    def __init__(self, session: Session, message: Message, services: Services) -> None:
        self._session = session
        self._message = message
        self._services = services

    @property
    def settings(self) -> Settings:
        settings: Settings = self._services.settings
        return settings

    @property
    def event(self) -> dict[str, Any]:
        """Return the data of the event."""
        data: dict[str, Any] = self._message.data
        return data

    def letter_id(self, *purpose: str) -> UUID:
        """Return the id of this event's letter for a purpose, always the same."""
        return derived_id(
            NAMESPACE, "letter", self._message.source, str(self._message.id), *purpose
        )

    def is_queued(self, letter_id: UUID) -> bool:
        """Return whether this event has queued the letter before."""
        return application.is_queued(self._session, letter_id)

    def ask(self, owner: str, method: str, **arguments: Any) -> dict[str, Any] | None:
        """Return the owner's result, or None if the letter has become pointless.

        The owner refuses when the registration has been confirmed since, or the person erased.
        `Unavailable` is passed on, so that the event is retried.
        """
        try:
            result: dict[str, Any] = self._services.call(owner, method, **arguments)
        except (NotFound, Conflict) as refusal:
            log.info("letter_not_needed", rpc=f"{owner}.{method}", code=refusal.code)
            return None
        return result

    def local_time(self, instant: datetime | str | None = None) -> str:
        """Return an instant, by default the event's, in local time: "31.03.2026 21:00"."""
        moment = self._message.time if instant is None else instant
        if isinstance(moment, str):
            moment = datetime.fromisoformat(moment)
        return letters.local_time(moment, self.settings)

    def queue(
        self,
        letter_id: UUID,
        kind: LetterKind,
        to: str,
        facts: Mapping[str, Any],
        *,
        person_id: UUID | None = None,
        secret: tuple[str, timedelta] | None = None,
        attachments: tuple[Attachment, ...] = (),
    ) -> None:
        """Queue a letter from the `facts` that its template names.

        `secret` is the topic of the secret among them, and how long it is valid.
        """
        settings = self.settings
        content = letters.render(kind, to, settings, facts, attachments)
        topic, validity = secret or (None, None)
        command = application.QueueLetter(
            letter_id=letter_id,
            kind=kind,
            person_id=person_id,
            sealed=seal(settings, letter_id, content),
            secret_topic=topic,
            stale_at=self._session.now + validity if validity is not None else None,
        )
        application.queue_letter(self._session, command)

    def notify(
        self, person_id: str, kind: LetterKind, facts: Mapping[str, Any], *, once_for: str = ""
    ) -> None:
        """Queue a letter without a secret to a person, at the current address.

        `once_for` is what the person gets one such letter about, however many events call for it.
        """
        letter_id = self.letter_id(kind.value, person_id)
        if once_for:
            letter_id = derived_id(NAMESPACE, "letter", kind.value, person_id, once_for)
        if self.is_queued(letter_id):
            return
        contact = self.ask("identity", "contact", person_id=person_id)
        if contact is not None:
            self.queue(letter_id, kind, contact["email"], facts, person_id=UUID(person_id))
