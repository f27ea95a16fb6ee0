"""Fakes of the tables, the other services, and the mail server."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import msgspec

from services.notifications.application import ClaimedLetter, HeldLetter, WaitingLetter
from services.notifications.choices import ChoicesErased, LettersChosen
from services.notifications.domain import EVENTS, LetterFailed, LetterQueued, LetterSent
from services.notifications.mailer import Connection, ConnectionBrokenError
from services.notifications.requests import Lane
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


class Row(msgspec.Struct, kw_only=True):
    """A row of the table `outbox`."""

    letter_id: UUID
    lane: Lane
    secret_topic: str | None
    not_after: datetime | None
    correlation_id: str
    queued_at: datetime
    next_attempt_at: datetime
    attempts: int = 0
    generation: int = 0
    sealed: str | None = None
    sealed_until: datetime | None = None
    claimed_by: UUID | None = None


class FakeOutbox:
    """The table `outbox` as a dictionary."""

    def __init__(self, letters: dict[UUID, dict[str, Any]]) -> None:
        self.rows: dict[UUID, Row] = {}
        self._letters = letters

    def add(self, letters: Sequence[WaitingLetter]) -> None:
        for letter in letters:
            assert letter.letter_id not in self.rows
            self.rows[letter.letter_id] = Row(
                **msgspec.structs.asdict(letter), next_attempt_at=letter.queued_at
            )

    def waiting(self, late_before: datetime) -> dict[Lane, tuple[int, int, datetime]]:
        found: dict[Lane, tuple[int, int, datetime]] = {}
        for row in self.rows.values():
            number, late, since = found.get(row.lane, (0, 0, row.queued_at))
            late += row.queued_at < late_before
            found[row.lane] = (number + 1, late, min(since, row.queued_at))
        return found

    def any_due(self, now: datetime, lowest: Lane) -> bool:
        return any(row.lane <= lowest and row.next_attempt_at <= now for row in self.rows.values())

    def most_urgent(self, now: datetime, lowest: Lane) -> Lane | None:
        return next((lane for lane in Lane if lane <= lowest and self._has_due(lane, now)), None)

    def _has_due(self, lane: Lane, now: datetime) -> bool:
        return any(row.lane == lane and row.next_attempt_at <= now for row in self.rows.values())

    def claim(
        self, lane: Lane, limit: int, *, claim: UUID, now: datetime, until: datetime
    ) -> list[ClaimedLetter]:
        due = [r for r in self.rows.values() if r.lane == lane and r.next_attempt_at <= now]
        claimed = sorted(due, key=lambda row: row.next_attempt_at)[:limit]
        for row in claimed:
            row.claimed_by, row.next_attempt_at = claim, until
        return [self._claimed(row, claim) for row in claimed]

    def _claimed(self, row: Row, claim: UUID) -> ClaimedLetter:
        letter = self._letters[row.letter_id]
        known = {name: letter[name] for name in ("kind", "person_id", "refs")}
        names = {field.name for field in msgspec.structs.fields(ClaimedLetter)}
        own = {n: v for n, v in msgspec.structs.asdict(row).items() if n in names}
        return ClaimedLetter(**own, **known, claim=claim)

    def renew(self, claims: Sequence[UUID], until: datetime) -> int:
        held = [row for row in self.rows.values() if row.claimed_by in claims]
        for row in held:
            row.next_attempt_at = until
        return len(held)

    def is_claimed(self, letter_id: UUID, claim: UUID, now: datetime) -> bool:
        return self.hold(letter_id, claim) and self.rows[letter_id].next_attempt_at > now

    def hold(self, letter_id: UUID, claim: UUID) -> bool:
        return letter_id in self.rows and self.rows[letter_id].claimed_by == claim

    def keep(self, letter_id: UUID, sealed: str, until: datetime | None) -> None:
        row = self.rows[letter_id]
        row.sealed, row.sealed_until, row.generation = sealed, until, row.generation + 1

    def postpone(self, letter_id: UUID, claim: UUID, until: datetime, *, attempts: int) -> None:
        if self.hold(letter_id, claim):
            row = self.rows[letter_id]
            row.attempts, row.next_attempt_at, row.claimed_by = attempts, until, None

    def release(self, claim: UUID, now: datetime) -> None:
        for row in self.rows.values():
            if row.claimed_by == claim:
                row.next_attempt_at, row.claimed_by = now, None

    def queued_before(self, moment: datetime, limit: int) -> list[UUID]:
        return [row.letter_id for row in self.rows.values() if row.queued_at <= moment][:limit]

    def hold_topic(self, letter_id: UUID) -> list[HeldLetter]:
        if letter_id not in self.rows:
            return []
        topic = self.rows[letter_id].secret_topic
        held = [
            row
            for row in self.rows.values()
            if row.letter_id == letter_id or (topic and row.secret_topic == topic)
        ]
        held.sort(key=lambda row: (row.queued_at, self._letters[row.letter_id]["position"]))
        return [HeldLetter(letter_id=row.letter_id, claim=row.claimed_by) for row in held]

    def lock(self, letter_ids: Collection[UUID]) -> None:
        """Lock nothing: there is one transaction at a time."""

    def of_person(self, person_id: UUID) -> list[UUID]:
        return [one for one in self.rows if self._letters[one]["person_id"] == person_id]

    def erase(self, letter_id: UUID) -> None:
        self.rows.pop(letter_id, None)


class FakeChoices:
    """The table `choices` as a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[tuple[UUID, str], tuple[bool, datetime]] = {}

    def put(self, person_id: UUID, kind: str, at: datetime, *, wanted: bool) -> None:
        self.rows[person_id, kind] = (wanted, at)

    def erase(self, person_id: UUID) -> None:
        self.rows = {key: row for key, row in self.rows.items() if key[0] != person_id}

    def made_by(self, person_id: UUID) -> list[dict[str, Any]]:
        return [
            {"kind": kind, "wanted": wanted, "chosen_at": at}
            for (owner, kind), (wanted, at) in sorted(self.rows.items())
            if owner == person_id
        ]

    def unwanted_by(self, person_id: UUID) -> set[str]:
        return {kind for _, kind in self.unwanted([person_id])}

    def unwanted(self, person_ids: Collection[UUID]) -> set[tuple[UUID, str]]:
        return {
            key for key, (wanted, _) in self.rows.items() if key[0] in person_ids and not wanted
        }


class FakeBounces:
    """Since when letters to persons come back."""

    def __init__(self) -> None:
        self.rows: dict[UUID, datetime] = {}

    def since(self, person_ids: Collection[UUID], now: datetime) -> dict[UUID, datetime]:
        return {person: at for person, at in self.rows.items() if person in person_ids}


class FakeLists:
    """What staff ask of the table `letters`."""

    def __init__(self, letters: dict[UUID, dict[str, Any]]) -> None:
        self._letters = letters

    def one(self, letter_id: UUID) -> dict[str, Any] | None:
        return self._letters.get(letter_id)


class FakeLostLog:
    """What a restore took: the letters that had gone out, by their ids."""

    def __init__(self) -> None:
        self.sent: set[str] = set()

    def happened(self, type_: str, subjects: Sequence[str]) -> set[str]:
        assert type_ == "letter_sent"
        return self.sent.intersection(subjects)


class FakeReadModel:
    """The tables of the service as dictionaries."""

    def __init__(self) -> None:
        self.letters: dict[UUID, dict[str, Any]] = {}
        self.outbox = FakeOutbox(self.letters)
        self.lists = FakeLists(self.letters)
        self.choices = FakeChoices()
        self.bounces = FakeBounces()
        self.lost = FakeLostLog()

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        for entry in recorded:
            match entry.event:
                case LetterQueued(kind=kind, person_id=person_id, refs=refs):
                    self.letters[entry.originator_id] = {
                        "letter_id": entry.originator_id,
                        "kind": kind,
                        "person_id": person_id,
                        "refs": refs,
                        "state": "queued",
                        "queued_at": entry.recorded_at,
                        "sent_at": None,
                        "reason": None,
                        "position": entry.position,
                    }
                case LetterSent():
                    row = self.letters[entry.originator_id]
                    row.update(state="sent", sent_at=entry.recorded_at, kind=entry.event.kind)
                    row["person_id"] = entry.event.person_id or row["person_id"]
                case LetterFailed(reason=reason):
                    self.letters[entry.originator_id].update(state="failed", reason=reason)
                case LettersChosen(kind=kind, wanted=wanted):
                    self.choices.put(entry.originator_id, kind, entry.recorded_at, wanted=wanted)
                case ChoicesErased():
                    self.choices.erase(entry.originator_id)

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
    def queued(self) -> list[Row]:
        """Return the letters in the outbox, in the order of queueing."""
        return list(self.store.read_model.outbox.rows.values())

    @property
    def events(self) -> list[Any]:
        """Return every recorded domain event."""
        return [entry.event for entry in self.store.log]


def contacts(person_ids: Sequence[str], language: str = "ru") -> dict[str, Any]:
    """Return what identity returns: an address for everybody."""
    return {
        "contacts": {
            one: {"email": f"{one[:4]}@example.org", "language": language} for one in person_ids
        }
    }


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
    senders: list[str] = field(default_factory=list)
    connections: int = 0
    down: Exception | None = None
    breaks_after_the_dot: int = 0

    @contextmanager
    def connect(self, url: str) -> Iterator[Connection]:
        self.connections += 1
        if self.down is not None:
            raise self.down
        yield self

    def send(self, message: EmailMessage, envelope_from: str) -> None:
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.accepted.append(message)
        self.senders.append(envelope_from)
        if self.breaks_after_the_dot:
            self.breaks_after_the_dot -= 1
            raise ConnectionBrokenError("hung up")

    def text_of(self, place: int) -> str:
        """Return the text of a letter that was accepted."""
        body = self.accepted[place].get_body(("plain",))
        assert body is not None
        return str(body.get_content())
