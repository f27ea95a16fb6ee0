"""The letter's own rules, and the outbox use cases on the in-memory store."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from letter_doubles import Harness

from services.notifications import application
from services.notifications.application import (
    ClaimedLetter,
    ClaimLetters,
    GiveUp,
    LettersOf,
    MarkSent,
    Postpone,
)
from services.notifications.domain import Letter, LetterFailed, LetterQueued, LetterSent, State
from services.notifications.publishing import publish
from services.notifications.requests import Lane, LetterRequest
from shared.contracts.notifications import FailureReason, LetterKind
from shared.letters import LETTER_LIFE
from tests.published import check_publication


@pytest.fixture
def harness() -> Harness:
    return Harness()


def queue(
    harness: Harness, kind: LetterKind = LetterKind.PASSWORD_CHANGED, **changes: object
) -> UUID:
    fields = {"letter_id": uuid4(), "kind": kind, **changes}
    request = LetterRequest(**fields)
    harness.store.transact(application.queue_letters, [request])
    return request.letter_id


def queue_code(harness: Harness, registration_id: str, **changes: object) -> UUID:
    refs = {"registration_id": registration_id}
    return queue(harness, LetterKind.REGISTRATION_CODE, refs=refs, **changes)


def claim(harness: Harness, lowest: Lane = Lane.BULK, limit: int = 10) -> list[ClaimedLetter]:
    command = ClaimLetters(claim=uuid4(), lowest=lowest, limit=limit)
    return list(harness.store.transact(application.claim_letters, command))


def postpone(harness: Harness, letter_id: UUID) -> None:
    row = harness.store.read_model.outbox.rows[letter_id]
    row.claimed_by = uuid4()
    command = Postpone(
        letter_id=letter_id,
        claim=row.claimed_by,
        attempts=row.attempts + 1,
        queued_at=row.queued_at,
        secret=row.lane == Lane.SECRET,
    )
    harness.store.transact(application.postpone, command)


def give_up(harness: Harness, letter_id: UUID, reason: FailureReason) -> None:
    claimed_by = harness.store.read_model.outbox.rows[letter_id].claimed_by = uuid4()
    command = GiveUp(letter_id=letter_id, reason=reason, claim=claimed_by)
    harness.store.transact(application.give_up, command)


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


def test_many_letters_are_queued_at_once_each_once(harness: Harness) -> None:
    requests = [
        LetterRequest(letter_id=uuid4(), kind=LetterKind.PASSWORD_CHANGED) for _ in range(5)
    ]
    queued = [
        harness.store.transact(application.queue_letters, part)
        for part in (requests[:3], requests, requests)
    ]
    assert queued == [3, 2, 0]
    assert [row.letter_id for row in harness.queued] == [one.letter_id for one in requests]


@pytest.mark.parametrize(
    ("kind", "lane"),
    [
        (LetterKind.REGISTRATION_CODE, Lane.SECRET),
        (LetterKind.PAYMENT_RECEIPT, Lane.PERSONAL),
        (LetterKind.BILL_READY, Lane.BULK),
    ],
)
def test_a_letter_goes_in_the_lane_of_its_kind(
    harness: Harness, kind: LetterKind, lane: Lane
) -> None:
    queue(harness, kind, refs={"registration_id": "1"})
    assert [row.lane for row in harness.queued] == [lane]


def test_a_sent_letter_is_erased(harness: Harness) -> None:
    letter_id = queue(harness)
    command = MarkSent(letter_id=letter_id, message_id="<x@y>", attempts=1)
    harness.store.transact(application.mark_sent, command)
    harness.store.transact(application.mark_sent, command)
    assert harness.queued == []
    assert harness.events[1:] == [
        LetterSent(kind="password_changed", message_id="<x@y>", attempts=1)
    ]


def test_retry_delays_grow_less_for_secrets(harness: Harness) -> None:
    plain, secret = queue(harness), queue_code(harness, "1")
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
    harness.clock.advance(LETTER_LIFE - timedelta(seconds=1))
    postpone(harness, letter_id)
    assert len(harness.queued) == 1
    harness.clock.advance(timedelta(seconds=1))
    postpone(harness, letter_id)
    assert harness.queued == []
    assert harness.events[-1] == LetterFailed(kind="password_changed", reason="gave_up")


def test_secrets_are_claimed_first_and_each_letter_once(harness: Harness) -> None:
    bulk = queue(harness, LetterKind.BILL_READY)
    plain = queue(harness)
    secret = queue_code(harness, "1")
    postponed = queue(harness)
    postpone(harness, postponed)
    assert [letter.letter_id for letter in claim(harness)] == [secret]
    assert [letter.letter_id for letter in claim(harness)] == [plain]
    assert claim(harness, lowest=Lane.PERSONAL) == []
    assert [letter.letter_id for letter in claim(harness)] == [bulk]
    assert claim(harness) == []


def test_a_claim_ends_by_itself_unless_it_is_renewed(harness: Harness) -> None:
    first, second = queue(harness), queue_code(harness, "1")
    (code,), (plain,) = claim(harness), claim(harness)
    harness.clock.advance(application.LEASE / 2)
    assert harness.store.transact(application.renew_claims, [code.claim]) == 1
    harness.clock.advance(application.LEASE / 2)
    (again,) = claim(harness)
    assert (again.letter_id, plain.letter_id) == (first, first)
    assert again.claim != plain.claim
    harness.clock.advance(application.LEASE / 2)
    assert [letter.letter_id for letter in claim(harness)] == [second]


def test_nothing_is_recorded_under_a_lost_claim(harness: Harness) -> None:
    queue(harness)
    (lost,) = claim(harness)
    harness.clock.advance(application.LEASE)
    (held,) = claim(harness)
    give_up = GiveUp(letter_id=lost.letter_id, claim=lost.claim, reason=FailureReason.UNDELIVERABLE)
    harness.store.transact(application.give_up, give_up)
    later = Postpone(
        letter_id=lost.letter_id,
        claim=lost.claim,
        attempts=1,
        queued_at=lost.queued_at,
        secret=False,
    )
    harness.store.transact(application.postpone, later)
    harness.store.transact(application.release, lost.claim)
    (row,) = harness.queued
    assert (row.claimed_by, row.attempts) == (held.claim, 0)
    assert claim(harness) == []


def test_a_released_letter_is_due_at_once(harness: Harness) -> None:
    letter_id = queue(harness)
    (held,) = claim(harness)
    harness.store.transact(application.release, held.claim)
    assert [letter.letter_id for letter in claim(harness)] == [letter_id]


def test_what_a_letter_turned_out_to_be_is_recorded(harness: Harness) -> None:
    letter_id, person = queue_code(harness, "1"), uuid4()
    command = MarkSent(
        letter_id=letter_id,
        message_id="<x@y>",
        attempts=1,
        kind=LetterKind.ALREADY_REGISTERED,
        person_id=person,
    )
    harness.store.transact(application.mark_sent, command)
    assert (harness.events[-1].kind, harness.events[-1].person_id) == ("already_registered", person)


def test_nobody_learns_by_his_letters_whether_another_address_has_a_cabinet(
    harness: Harness,
) -> None:
    person = uuid4()
    for kind in (None, LetterKind.EMAIL_TAKEN):
        letter_id = queue(harness, LetterKind.EMAIL_TO_CONFIRM)
        command = MarkSent(
            letter_id=letter_id, message_id="<x@y>", attempts=1, kind=kind, person_id=person
        )
        harness.store.transact(application.mark_sent, command)
    query = LettersOf(person_id=person, limit=10)
    answer = harness.store.query(lambda session: application.letters_of(session, query))
    taken, free = ({**row, "letter_id": None} for row in answer["letters"])
    assert taken == free
    assert taken["kind"] == "email_to_confirm"


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
            "reason": None,
            "queued_at": now,
            "sent_at": None,
        },
        {
            "letter_id": str(first),
            "kind": "password_changed",
            "state": "sent",
            "reason": None,
            "queued_at": now,
            "sent_at": now,
        },
    ]


def test_publications_keep_their_contracts(harness: Harness) -> None:
    sent, failed = queue(harness), queue(harness)
    harness.store.transact(
        application.mark_sent, MarkSent(letter_id=sent, message_id="<x@y>", attempts=1)
    )
    give_up(harness, failed, FailureReason.REFUSED_BY_SERVER)
    published = [publication for entry in harness.store.log if (publication := publish(entry))]
    assert [(p.type, p.subject) for p in published] == [
        ("letter_sent", str(sent)),
        ("letter_failed", str(failed)),
    ]
    for publication in published:
        check_publication("notifications", publication)
