"""The letter's own rules, and the outbox use cases on the in-memory store."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from letter_doubles import House

from services.notifications import application, jobs
from services.notifications.application import (
    PATIENCE,
    GiveUp,
    LettersOf,
    MarkSent,
    Postpone,
    QueueLetter,
)
from services.notifications.domain import (
    Kind,
    Letter,
    LetterFailed,
    LetterQueued,
    LetterSent,
    Reason,
    State,
)
from services.notifications.publishing import publish
from tests.published import check_publication


@pytest.fixture
def house() -> House:
    return House()


def queue(house: House, **changes: object) -> UUID:
    letter_id = uuid4()
    fields = {"letter_id": letter_id, "kind": Kind.PASSWORD_CHANGED, "person_id": None}
    command = QueueLetter(**{**fields, "sealed": "sealed", **changes})
    house.store.transact(application.queue_letter, command)
    return command.letter_id


def postpone(house: House, letter_id: UUID) -> None:
    row = house.store.read_model.outbox.rows[letter_id]
    command = Postpone(
        letter_id=letter_id,
        attempts=row.attempts + 1,
        queued_at=row.queued_at,
        secret=row.stale_at is not None,
    )
    house.store.transact(application.postpone, command)


def test_a_letter_is_queued_once_and_ends_once() -> None:
    letter = Letter(uuid4())
    assert letter.queue(Kind.PASSWORD_CHANGED, None)
    assert not letter.queue(Kind.PASSWORD_CHANGED, None)
    assert letter.mark_sent("<id@host>", 1)
    assert not letter.mark_sent("<id@host>", 2)
    assert not letter.fail(Reason.STALE)
    assert letter.state is State.SENT
    assert len(letter.pending) == 2


def test_a_letter_that_was_never_queued_cannot_end() -> None:
    letter = Letter(uuid4())
    assert not letter.mark_sent("<id@host>", 1)
    assert not letter.fail(Reason.STALE)
    assert letter.pending == []


def test_the_same_id_queues_nothing_twice(house: House) -> None:
    letter_id = queue(house)
    queue(house, letter_id=letter_id)
    assert len(house.waiting) == 1
    assert house.events == [LetterQueued(kind="password_changed", person_id=None)]


def test_a_sent_letter_is_erased(house: House) -> None:
    letter_id = queue(house)
    command = MarkSent(letter_id=letter_id, message_id="<x@y>", attempts=1)
    house.store.transact(application.mark_sent, command)
    house.store.transact(application.mark_sent, command)
    assert house.waiting == []
    assert house.events[1:] == [LetterSent(kind="password_changed", message_id="<x@y>", attempts=1)]


def test_a_newer_secret_replaces_the_unsent_older_one(house: House) -> None:
    secret = {
        "kind": Kind.REGISTRATION_CODE,
        "secret_topic": "registration:1",
        "stale_at": house.clock.now() + timedelta(minutes=15),
    }
    queue(house, **secret)
    other = queue(house, **{**secret, "secret_topic": "registration:2"})
    newer = queue(house, **secret)
    assert {row.letter_id for row in house.waiting} == {other, newer}
    assert house.events.count(LetterFailed(kind="registration_code", reason="stale")) == 1


def test_pauses_grow_and_secrets_do_not_wait_long(house: House) -> None:
    plain = queue(house)
    secret = queue(
        house, secret_topic="reset:1", stale_at=house.clock.now() + timedelta(minutes=15)
    )
    pauses: dict[UUID, list[float]] = {plain: [], secret: []}
    for _ in range(8):
        for letter_id, seen in pauses.items():
            postpone(house, letter_id)
            row = house.store.read_model.outbox.rows[letter_id]
            seen.append((row.next_attempt_at - house.clock.now()).total_seconds())
    assert pauses[plain] == [5, 15, 60, 300, 900, 3600, 3600, 3600]
    assert pauses[secret] == [5, 15, 30, 30, 30, 30, 30, 30]


def test_after_five_days_a_letter_is_given_up(house: House) -> None:
    letter_id = queue(house)
    house.clock.advance(PATIENCE - timedelta(seconds=1))
    postpone(house, letter_id)
    assert len(house.waiting) == 1
    house.clock.advance(timedelta(seconds=1))
    postpone(house, letter_id)
    assert house.waiting == []
    assert house.events[-1] == LetterFailed(kind="password_changed", reason="gave_up")


def test_secrets_are_due_first_and_stale_ones_apart(house: House) -> None:
    plain = queue(house)
    house.clock.advance(timedelta(seconds=1))
    soon = {"stale_at": house.clock.now() + timedelta(minutes=15)}
    secret = queue(house, secret_topic="registration:1", **soon)
    stale = queue(house, secret_topic="registration:2", stale_at=house.clock.now())
    postponed = queue(house)
    postpone(house, postponed)
    fresh, expired = house.store.query(lambda session: application.due_letters(session, 10))
    assert [row.letter_id for row in fresh] == [secret, plain]
    assert [row.letter_id for row in expired] == [stale]


def test_letters_of_a_person_the_newest_first(house: House) -> None:
    person = uuid4()
    first = queue(house, person_id=person)
    queue(house, person_id=uuid4())
    second = queue(house, person_id=person, kind=Kind.PAYMENT_RECEIPT)
    house.store.transact(
        application.mark_sent, MarkSent(letter_id=first, message_id="<x@y>", attempts=1)
    )
    query = LettersOf(person_id=person, limit=10)
    answer = house.store.query(lambda session: application.letters_of(session, query))
    now = house.clock.now().isoformat()
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


def test_publications_keep_their_contracts(house: House) -> None:
    sent, failed = queue(house), queue(house)
    house.store.transact(
        application.mark_sent, MarkSent(letter_id=sent, message_id="<x@y>", attempts=1)
    )
    house.store.transact(
        application.give_up, GiveUp(letter_id=failed, reason=Reason.REFUSED_BY_SERVER)
    )
    published = [publication for entry in house.store.log if (publication := publish(entry))]
    assert [(p.type, p.subject) for p in published] == [
        ("letter_sent", str(sent)),
        ("letter_failed", str(failed)),
    ]
    for publication in published:
        check_publication("notifications", publication)


def test_every_reason_and_kind_is_in_the_contract() -> None:
    from shared.contracts.notifications import FAILURES, KINDS

    assert set(KINDS) == {kind.value for kind in Kind}
    assert set(FAILURES) == {reason.value for reason in Reason}


def test_the_delivery_is_a_job() -> None:
    assert [job.name for job in jobs.JOBS] == ["deliver_letters"]
