"""A letter that was sent may come back, and staff may have it sent again."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from letter_doubles import START, Harness

from services.notifications import application
from services.notifications.application import ClaimedLetter
from services.notifications.bouncing import is_hard
from services.notifications.domain import (
    DRAWS_BEFORE_REQUEUEING,
    Letter,
    LetterBounced,
    LetterDelayed,
    LetterRequeued,
    State,
)
from services.notifications.recipes import Asking
from services.notifications.requests import LetterRequest, lane_of
from services.notifications.staff_letters import Resend, resend
from shared.contracts.notifications import FailureReason, LetterKind
from shared.errors import Conflict

FIRST, SECOND = "<1@saldo.example>", "<2@saldo.example>"


def queued() -> Letter:
    letter = Letter(uuid4())
    letter.queue(LetterKind.PAYMENT_RECEIPT, uuid4(), {"payment_id": "1"})
    return letter


def sent(message_id: str = FIRST) -> Letter:
    letter = queued()
    letter.mark_sent(message_id, 1)
    return letter


def reminder(harness: Harness) -> UUID:
    """Queue a reminder that helps for one more day, and have it sent."""
    request = LetterRequest(
        letter_id=uuid4(),
        kind=LetterKind.DUE_SOON,
        person_id=uuid4(),
        refs={"due_on": "2026-03-31", "accounts": ["0100000001"]},
        not_after=START + timedelta(days=1),
    )
    harness.store.transact(application.queue_letters, [request])
    command = application.MarkSent(letter_id=request.letter_id, message_id=FIRST, attempts=1)
    harness.store.transact(application.mark_sent, command)
    return request.letter_id


def last(letter: Letter) -> object:
    return letter.pending[-1]


@pytest.mark.parametrize("message_id", [FIRST, None])
def test_sent_letter_comes_back_once(message_id: str | None) -> None:
    letter = sent()
    assert letter.bounce("5.1.1", message_id, hard=True)
    assert letter.state is State.BOUNCED
    assert last(letter) == LetterBounced(kind="payment_receipt", status="5.1.1", hard=True)
    assert not letter.bounce("5.1.1", message_id, hard=True)
    assert not letter.note_delay("4.4.1", message_id)


def test_late_letter_stays_sent_and_may_still_come_back() -> None:
    letter = sent()
    assert letter.note_delay("4.4.1", FIRST)
    assert last(letter) == LetterDelayed(kind="payment_receipt", status="4.4.1")
    assert not letter.note_delay("4.4.1", FIRST), "told again an hour later"
    assert letter.state is State.SENT
    assert letter.bounce("4.4.7", FIRST, hard=False)


def test_letter_that_never_waited_or_was_given_up_does_not_come_back() -> None:
    assert not Letter(uuid4()).bounce("5.1.1", None, hard=True)
    letter = queued()
    letter.fail(FailureReason.GAVE_UP)
    assert not letter.bounce("5.1.1", None, hard=True)


def test_letter_handed_over_with_an_unknown_outcome_may_come_back_while_it_waits() -> None:
    letter = queued()
    assert letter.bounce("5.1.1", FIRST, hard=True)
    assert letter.state is State.BOUNCED


def test_report_of_an_earlier_sending_does_not_stop_a_later_one() -> None:
    letter = sent(FIRST)
    letter.bounce("5.2.2", FIRST, hard=False)
    assert letter.requeue("staff:olga")
    for message_id in (FIRST, None):
        assert not letter.bounce("5.2.2", message_id, hard=False)
    letter.mark_sent(SECOND, 1)
    assert not letter.bounce("5.2.2", FIRST, hard=False)
    assert letter.bounce("5.1.1", SECOND, hard=True)


def test_letter_is_queued_again_as_what_was_asked_for() -> None:
    letter = Letter(uuid4())
    letter.queue(LetterKind.REGISTRATION_CODE, None, {"registration_id": "1"})
    assert not letter.requeue("staff:olga"), "it waits already"
    letter.mark_sent(FIRST, 1, kind=LetterKind.ALREADY_REGISTERED, person_id=uuid4())
    assert letter.kind == "already_registered"
    assert letter.requeue("staff:olga")
    assert last(letter) == LetterRequeued(kind="registration_code", by="staff:olga")
    assert (letter.state, letter.kind) == (State.QUEUED, "registration_code")
    assert letter.mark_sent(SECOND, 1)


def test_draws_of_a_letter_that_is_queued_again_have_numbers_of_their_own() -> None:
    letter = sent()
    assert letter.drawn_before == 0
    letter.requeue("staff:olga")
    letter.fail(FailureReason.REFUSED_BY_SERVER)
    letter.requeue("staff:olga")
    assert letter.drawn_before == 2 * DRAWS_BEFORE_REQUEUEING


def test_unknown_letter_is_not_queued_again() -> None:
    assert not Letter(uuid4()).requeue("staff:olga")


@pytest.mark.parametrize(
    ("status", "hard"),
    [
        ("5.1.1", True),
        ("5.1.10", True),
        ("5.2.1", True),
        ("5.4.4", True),
        ("5.0.0", True),
        ("5.2.2", False),
        ("5.1.7", False),
        ("5.1.8", False),
        ("5.4.7", False),
        ("5.4.70", True),
        ("5.4.300", False),
        ("5.5.2", False),
        ("5.3.4", False),
        ("5.6.0", False),
        ("5.7.1", False),
        ("4.4.7", False),
    ],
)
def test_only_some_failures_speak_against_the_address(status: str, *, hard: bool) -> None:
    assert is_hard(status) is hard


def claimed(kind: LetterKind, person_id: UUID) -> ClaimedLetter:
    return ClaimedLetter(
        letter_id=uuid4(),
        kind=kind.value,
        person_id=person_id,
        refs={},
        lane=lane_of(kind),
        sealed=None,
        sealed_until=None,
        generation=0,
        not_after=None,
        claim=uuid4(),
        correlation_id="run",
        attempts=0,
        queued_at=START,
    )


def test_optional_letters_are_not_sent_where_letters_come_back() -> None:
    anna, boris = uuid4(), uuid4()
    harness = Harness()
    harness.store.read_model.bounces.rows[anna] = START
    kinds = (LetterKind.BILL_READY, LetterKind.PAYMENT_RECEIPT)
    letters = [claimed(kind, person) for person in (anna, boris) for kind in kinds]
    asking = Asking(harness, letters)
    assert [asking.is_wanted(letter) for letter in letters] == [False, True, True, True]


def test_a_reminder_that_is_sent_again_has_the_same_last_day() -> None:
    harness = Harness()
    command = Resend(letter_id=reminder(harness), reason="call 17", dry_run=False)
    assert harness.store.transact(resend, command)["state"] == "queued"
    assert [row.not_after for row in harness.queued] == [START + timedelta(days=1)]


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_reminder_is_not_sent_again_after_its_day(*, dry_run: bool) -> None:
    harness = Harness()
    command = Resend(letter_id=reminder(harness), reason="call 17", dry_run=dry_run)
    harness.clock.advance(timedelta(days=1))
    with pytest.raises(Conflict) as refused:
        harness.store.transact(resend, command)
    assert refused.value.code == "letter_out_of_date"
    assert harness.queued == []
