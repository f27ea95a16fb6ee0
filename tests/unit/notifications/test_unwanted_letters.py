"""Delivery of optional letters: none that was switched off while it waited; each has its link."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from letter_doubles import START, Harness

from services.notifications import unsubscribe
from services.notifications.application import ClaimedLetter
from services.notifications.choosing import Choose, choose
from services.notifications.drawing import draw
from services.notifications.recipes import Asking
from services.notifications.requests import Lane
from shared.contracts.notifications import OPTIONAL, LetterKind

ANNA, BORIS = UUID(int=1), UUID(int=2)


@pytest.fixture
def harness() -> Harness:
    return Harness()


def claimed(kind: LetterKind, person_id: UUID | None = ANNA) -> ClaimedLetter:
    return ClaimedLetter(
        letter_id=uuid4(),
        kind=kind.value,
        person_id=person_id,
        refs={},
        lane=Lane.BULK,
        sealed=None,
        sealed_until=None,
        generation=0,
        not_after=None,
        claim=uuid4(),
        correlation_id="run",
        attempts=0,
        queued_at=START,
    )


def switch_off(harness: Harness, kind: LetterKind) -> None:
    harness.store.transact(choose, Choose(person_id=ANNA, wanted={kind.value: False}))


@pytest.mark.parametrize("kind", sorted(OPTIONAL))
def test_a_letter_that_was_switched_off_while_it_waited_is_not_drawn(
    harness: Harness, kind: LetterKind
) -> None:
    switch_off(harness, kind)
    letter = claimed(kind)
    assert draw(harness, Asking(harness, [letter]), letter) is None
    assert harness.calls == [], "nobody is asked for what is not sent"


def test_only_the_kind_of_the_person_is_unwanted(harness: Harness) -> None:
    switch_off(harness, LetterKind.DUE_SOON)
    letters = [
        claimed(LetterKind.DUE_SOON),
        claimed(LetterKind.OVERDUE),
        claimed(LetterKind.DUE_SOON, BORIS),
        claimed(LetterKind.PASSWORD_CHANGED),
    ]
    asking = Asking(harness, letters)
    assert [asking.is_wanted(letter) for letter in letters] == [False, True, True, True]


def test_an_optional_letter_to_an_address_that_bounces_is_not_drawn(harness: Harness) -> None:
    harness.store.read_model.bounces.rows[ANNA] = START
    letters = [
        claimed(LetterKind.BILL_READY),
        claimed(LetterKind.BILL_READY, BORIS),
        claimed(LetterKind.PAYMENT_RECEIPT),
    ]
    asking = Asking(harness, letters)
    assert [asking.is_wanted(letter) for letter in letters] == [False, True, True]


@pytest.mark.parametrize("kind", sorted(OPTIONAL))
def test_an_optional_letter_has_its_own_link(harness: Harness, kind: LetterKind) -> None:
    letter = claimed(kind)
    url = Asking(harness, [letter]).unsubscribe_url(letter)
    assert url is not None
    base, _, token = url.rpartition("/")
    assert base == "https://saldo.example/letters/unsubscribe"
    key = harness.store.hash_key(unsubscribe.KEY_PURPOSE)
    assert unsubscribe.read_token(key, token) == (ANNA, kind)


@pytest.mark.parametrize(
    "letter", [claimed(LetterKind.PAYMENT_RECEIPT), claimed(LetterKind.BILL_READY, None)]
)
def test_a_letter_that_always_comes_has_no_link(harness: Harness, letter: ClaimedLetter) -> None:
    assert Asking(harness, [letter]).unsubscribe_url(letter) is None
