"""The letter's own rules, and the outbox use cases on the in-memory store."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from letter_doubles import Harness

from services.notifications import application, jobs
from services.notifications.application import (
    RETRY_PERIOD,
    GiveUp,
    LettersOf,
    MarkSent,
    Postpone,
    QueueLetter,
)
from services.notifications.domain import Letter, LetterFailed, LetterQueued, LetterSent, State
from services.notifications.publishing import publish
from shared.contracts.notifications import FailureReason, LetterKind
from tests.published import check_publication


@pytest.fixture
def harness() -> Harness:
    return Harness()


def queue(harness: Harness, **changes: object) -> UUID:
    letter_id = uuid4()
    fields = {"letter_id": letter_id, "kind": LetterKind.PASSWORD_CHANGED, "person_id": None}
    command = QueueLetter(**{**fields, "sealed": "sealed", **changes})
    harness.store.transact(application.queue_letter, command)
    return command.letter_id


def postpone(harness: Harness, letter_id: UUID) -> None:
    row = harness.store.read_model.outbox.rows[letter_id]
    command = Postpone(
        letter_id=letter_id,
        attempts=row.attempts + 1,
        queued_at=row.queued_at,
        secret=row.stale_at is not None,
    )
    harness.store.transact(application.postpone, command)


def test_a_letter_is_queued_once_and_ends_once() -> None:
    letter = Letter(uuid4())
    assert letter.queue(LetterKind.PASSWORD_CHANGED, None)
    assert not letter.queue(LetterKind.PASSWORD_CHANGED, None)
    assert letter.mark_sent("<id@host>", 1)
    assert not letter.mark_sent("<id@host>", 2)
    assert not letter.fail(FailureReason.STALE)
    assert letter.state is State.SENT
    assert len(letter.pending) == 2


def test_a_letter_that_was_never_queued_cannot_end() -> None:
    letter = Letter(uuid4())
    assert not letter.mark_sent("<id@host>", 1)
    assert not letter.fail(FailureReason.STALE)
    assert letter.pending == []


def test_the_same_id_queues_nothing_twice(harness: Harness) -> None:
    letter_id = queue(harness)
    queue(harness, letter_id=letter_id)
    assert len(harness.queued) == 1
    assert harness.events == [LetterQueued(kind="password_changed", person_id=None)]


def test_a_sent_letter_is_erased(harness: Harness) -> None:
    letter_id = queue(harness)
    command = MarkSent(letter_id=letter_id, message_id="<x@y>", attempts=1)
    harness.store.transact(application.mark_sent, command)
    harness.store.transact(application.mark_sent, command)
    assert harness.queued == []
    assert harness.events[1:] == [
        LetterSent(kind="password_changed", message_id="<x@y>", attempts=1)
    ]


def test_a_newer_secret_replaces_the_unsent_older_one(harness: Harness) -> None:
    secret = {
        "kind": LetterKind.REGISTRATION_CODE,
        "secret_topic": "registration:1",
        "stale_at": harness.clock.now() + timedelta(minutes=15),
    }
    queue(harness, **secret)
    other = queue(harness, **{**secret, "secret_topic": "registration:2"})
    newer = queue(harness, **secret)
    assert {row.letter_id for row in harness.queued} == {other, newer}
    assert harness.events.count(LetterFailed(kind="registration_code", reason="stale")) == 1


def test_retry_delays_grow_less_for_secrets(harness: Harness) -> None:
    plain = queue(harness)
    secret = queue(
        harness, secret_topic="reset:1", stale_at=harness.clock.now() + timedelta(minutes=15)
    )
    pauses: dict[UUID, list[float]] = {plain: [], secret: []}
    for _ in range(8):
        for letter_id, seen in pauses.items():
            postpone(harness, letter_id)
            row = harness.store.read_model.outbox.rows[letter_id]
            seen.append((row.next_attempt_at - harness.clock.now()).total_seconds())
    assert pauses[plain] == [5, 15, 60, 300, 900, 3600, 3600, 3600]
    assert pauses[secret] == [5, 15, 30, 30, 30, 30, 30, 30]


def test_after_five_days_a_letter_is_given_up(harness: Harness) -> None:
    letter_id = queue(harness)
    harness.clock.advance(RETRY_PERIOD - timedelta(seconds=1))
    postpone(harness, letter_id)
    assert len(harness.queued) == 1
    harness.clock.advance(timedelta(seconds=1))
    postpone(harness, letter_id)
    assert harness.queued == []
    assert harness.events[-1] == LetterFailed(kind="password_changed", reason="gave_up")


def test_secrets_are_due_first_and_stale_ones_apart(harness: Harness) -> None:
    plain = queue(harness)
    harness.clock.advance(timedelta(seconds=1))
    soon = {"stale_at": harness.clock.now() + timedelta(minutes=15)}
    secret = queue(harness, secret_topic="registration:1", **soon)
    stale = queue(harness, secret_topic="registration:2", stale_at=harness.clock.now())
    postponed = queue(harness)
    postpone(harness, postponed)
    fresh, expired = harness.store.query(lambda session: application.due_letters(session, 10))
    assert [row.letter_id for row in fresh] == [secret, plain]
    assert [row.letter_id for row in expired] == [stale]


def test_letters_of_a_person_the_newest_first(harness: Harness) -> None:
    person = uuid4()
    first = queue(harness, person_id=person)
    queue(harness, person_id=uuid4())
    second = queue(harness, person_id=person, kind=LetterKind.PAYMENT_RECEIPT)
    harness.store.transact(
        application.mark_sent, MarkSent(letter_id=first, message_id="<x@y>", attempts=1)
    )
    query = LettersOf(person_id=person, limit=10)
    answer = harness.store.query(lambda session: application.letters_of(session, query))
    now = harness.clock.now().isoformat()
    assert answer["letters"] == [
        {
            "letter_id": str(second),
            "kind": "payment_receipt",
            "state": "queued",
            "queued_at": now,
            "sent_at": None,
        },
        {
            "letter_id": str(first),
            "kind": "password_changed",
            "state": "sent",
            "queued_at": now,
            "sent_at": now,
        },
    ]


def test_publications_keep_their_contracts(harness: Harness) -> None:
    sent, failed = queue(harness), queue(harness)
    harness.store.transact(
        application.mark_sent, MarkSent(letter_id=sent, message_id="<x@y>", attempts=1)
    )
    harness.store.transact(
        application.give_up, GiveUp(letter_id=failed, reason=FailureReason.REFUSED_BY_SERVER)
    )
    published = [publication for entry in harness.store.log if (publication := publish(entry))]
    assert [(p.type, p.subject) for p in published] == [
        ("letter_sent", str(sent)),
        ("letter_failed", str(failed)),
    ]
    for publication in published:
        check_publication("notifications", publication)


def test_the_delivery_is_a_job() -> None:
    assert [job.name for job in jobs.JOBS] == ["deliver_letters", "forget_letters"]
