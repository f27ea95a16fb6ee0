"""Writing one event's letters: ask the owner for what they need, render, seal, queue.

All of it happens in the transaction that also moves the position of the reaction. The letter's id
is derived from the event's, so an event that comes twice queues nothing twice, and no second
secret is asked for (which would replace the one that is on its way).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.notifications import application, letters
from services.notifications.domain import Kind
from services.notifications.envelope import Attachment, seal
from shared.bus import Message, Services
from shared.errors import Conflict, NotFound
from shared.eventstore import Session
from shared.ids import NAMESPACE, derived_id
from shared.logs import get_logger

log = get_logger(__name__)


class Writer:
    """Writes the letters that one event calls for."""

    def __init__(self, session: Session, message: Message, services: Services) -> None:
        self._session = session
        self._message = message
        self._services = services

    @property
    def event(self) -> dict[str, Any]:
        """The data of the event."""
        data: dict[str, Any] = self._message.data
        return data

    def letter_id(self, *purpose: str) -> UUID:
        """The id of this event's letter for a purpose: always the same."""
        return derived_id(
            NAMESPACE, "letter", self._message.source, str(self._message.id), *purpose
        )

    def is_queued(self, letter_id: UUID) -> bool:
        """Whether the letter was queued before, by this same event."""
        return application.is_queued(self._session, letter_id)

    def ask(self, owner: str, method: str, **arguments: Any) -> dict[str, Any] | None:
        """Ask the owner; None when there is nothing to write about any more.

        A registration that was confirmed meanwhile, a person who was erased: the owner refuses,
        and that is an answer. `Unavailable` is not: it goes up, and the event waits.
        """
        try:
            answer: dict[str, Any] = self._services.call(owner, method, **arguments)
        except (NotFound, Conflict) as refusal:
            log.info("no_letter_to_write", asked=f"{owner}.{method}", code=refusal.code)
            return None
        return answer

    def local_time(self, instant: datetime | str | None = None) -> str:
        """An instant (by default the event's) in the household's calendar: "31.03.2026 21:00"."""
        moment = self._message.time if instant is None else instant
        if isinstance(moment, str):
            moment = datetime.fromisoformat(moment)
        return letters.local_time(moment, self._services.settings)

    def queue(
        self,
        letter_id: UUID,
        kind: Kind,
        to: str,
        facts: Mapping[str, Any],
        *,
        person_id: UUID | None = None,
        secret: tuple[str, timedelta] | None = None,
        attachments: tuple[Attachment, ...] = (),
    ) -> None:
        """Queue a letter. `facts` are what the template of the kind names; `secret` is the topic
        of the secret among them and how long that is valid."""
        settings = self._services.settings
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

    def tell(self, person_id: str, kind: Kind, facts: Mapping[str, Any]) -> None:
        """Queue a letter without a secret to a registered person, at the address of today."""
        letter_id = self.letter_id(kind.value, person_id)
        if self.is_queued(letter_id):
            return
        contact = self.ask("identity", "contact", person_id=person_id)
        if contact is not None:
            self.queue(letter_id, kind, contact["email"], facts, person_id=UUID(person_id))
