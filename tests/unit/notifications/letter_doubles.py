"""Fakes of the tables, the other services, and the mail server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import msgspec

from services.notifications.application import QueuedLetter
from services.notifications.domain import EVENTS, LetterFailed, LetterQueued, LetterSent
from services.notifications.mailer import Connection
from shared.bus import Message
from shared.config import Settings
from shared.eventstore import Aggregate, MemoryStore, Recorded
from tests.fixed_clock import FixedClock

START = datetime(2026, 3, 31, 18, 0, tzinfo=UTC)

SETTINGS = Settings(
    amqp_url="amqp://nowhere",
    secret=bytes(range(32)),
    url="https://saldo.example",
    mail_from="Сальдо <no-reply@saldo.example>",
)


class FakeOutbox:
    """The table `outbox` as a dictionary."""

    def __init__(self, letters: dict[UUID, dict[str, Any]]) -> None:
        self.rows: dict[UUID, QueuedLetter] = {}
        self._letters = letters

    def add(self, letter: QueuedLetter) -> None:
        assert letter.letter_id not in self.rows
        self.rows[letter.letter_id] = letter

    def due(self, now: datetime, limit: int) -> list[QueuedLetter]:
        due = [row for row in self.rows.values() if row.next_attempt_at <= now]
        due.sort(key=lambda row: (row.stale_at is None, row.next_attempt_at, row.letter_id))
        return due[:limit]

    def with_secret(self, topic: str) -> list[UUID]:
        return [row.letter_id for row in self.rows.values() if row.secret_topic == topic]

    def of_person(self, person_id: UUID) -> list[UUID]:
        return [one for one in self.rows if self._letters[one]["person_id"] == person_id]

    def postpone(self, letter_id: UUID, until: datetime) -> None:
        row = self.rows[letter_id]
        self.rows[letter_id] = msgspec.structs.replace(
            row, attempts=row.attempts + 1, next_attempt_at=until
        )

    def erase(self, letter_id: UUID) -> None:
        self.rows.pop(letter_id, None)


class FakeReadModel:
    """The tables of the service as dictionaries."""

    def __init__(self) -> None:
        self.letters: dict[UUID, dict[str, Any]] = {}
        self.outbox = FakeOutbox(self.letters)

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        for entry in recorded:
            match entry.event:
                case LetterQueued(kind=kind, person_id=person_id):
                    self.letters[entry.originator_id] = {
                        "letter_id": entry.originator_id,
                        "kind": kind,
                        "person_id": person_id,
                        "state": "queued",
                        "queued_at": entry.recorded_at,
                        "sent_at": None,
                        "position": entry.position,
                    }
                case LetterSent():
                    row = self.letters[entry.originator_id]
                    row.update(state="sent", sent_at=entry.recorded_at)
                case LetterFailed():
                    self.letters[entry.originator_id].update(state="failed")

    def letters_of(self, person_id: UUID, limit: int) -> list[dict[str, Any]]:
        rows = [row for row in self.letters.values() if row["person_id"] == person_id]
        return sorted(rows, key=lambda row: -row["position"])[:limit]


class Harness:
    """`Services` for reactions and jobs: it returns set answers and records every call."""

    def __init__(self, answers: Mapping[str, Any] | None = None) -> None:
        self.clock = FixedClock(START)
        self.store = MemoryStore(EVENTS, FakeReadModel(), self.clock)
        self.settings = SETTINGS
        self.answers = dict(answers or {})
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def call(self, service: str, method: str, *, deadline: float = 5.0, **kwargs: Any) -> Any:
        self.calls.append((f"{service}.{method}", kwargs))
        answer = self.answers[f"{service}.{method}"]
        if isinstance(answer, Exception):
            raise answer
        return answer(**kwargs) if callable(answer) else answer

    def react(self, reaction: Callable[..., None], message: Message) -> None:
        """Run a reaction as the listener does: in a transaction."""
        self.store.transact(lambda session, _: reaction(session, message, self), None)

    @property
    def queued(self) -> list[QueuedLetter]:
        """Return the letters in the outbox, in the order of queueing."""
        return list(self.store.read_model.outbox.rows.values())

    @property
    def events(self) -> list[Any]:
        """Return every recorded domain event."""
        return [entry.event for entry in self.store.log]


def message_of(source: str, event_type: str, data: dict[str, Any], position: int = 7) -> Message:
    """Return an event of another service, as a reaction gets it."""
    return Message(
        id=f"{source}-{position}",
        type=event_type,
        source=source,
        subject="",
        time=START,
        position=position,
        predecessor=position - 1,
        correlation_id="journey-1",
        data=data,
    )


@dataclass
class FakeMailServer:
    """A mail server that gives the set replies, then accepts.

    Its `connect` is passed to the job in place of SMTP.
    """

    answers: list[Exception | None] = field(default_factory=list)
    accepted: list[EmailMessage] = field(default_factory=list)
    connections: int = 0
    down: Exception | None = None

    @contextmanager
    def connect(self, url: str) -> Iterator[Connection]:
        self.connections += 1
        if self.down is not None:
            raise self.down
        yield self

    def send(self, message: EmailMessage) -> None:
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.accepted.append(message)
