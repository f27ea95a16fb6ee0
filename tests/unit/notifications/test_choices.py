"""Which letters a person wants: the choices in the cabinet, and the links that switch some off."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from letter_doubles import SETTINGS, START, Harness

from services.notifications import unsubscribe
from services.notifications.choices import ChoicesErased, LettersChosen, Way
from services.notifications.choosing import erase_choices
from services.notifications.service import NotificationsService
from shared.contracts.notifications import OPTIONAL, LetterKind
from shared.errors import NotFound, ValidationFailed

ANNA = UUID("11111111-2222-4333-8444-555555555555")
KEY = b"k" * 32


class Office:
    """The service on the in-memory store, called as the RPC server calls it."""

    def __init__(self) -> None:
        self.store = Harness().store
        self.service: Any = NotificationsService()
        self.service.store = self.store

    def call(self, method: str, **arguments: Any) -> Any:
        bound = getattr(self.service, method)
        (entrypoint,) = bound.nameko_entrypoints
        return json.loads(json.dumps(bound(**entrypoint.load(arguments))))

    def choose(self, **wanted: bool) -> None:
        self.call("choose", person_id=str(ANNA), wanted=wanted)

    def optional(self) -> dict[str, bool]:
        found: dict[str, bool] = self.call("choices", person_id=str(ANNA))["optional"]
        return found

    def link(self, kind: LetterKind, person_id: UUID = ANNA) -> str:
        return unsubscribe.token_of(self.store.hash_key(unsubscribe.KEY_PURPOSE), person_id, kind)

    def erase(self) -> None:
        self.store.transact(lambda session, _: erase_choices(session, ANNA), None)

    def events(self) -> list[Any]:
        return [entry.event for entry in self.store.log]


@pytest.fixture
def office() -> Office:
    return Office()


def test_every_optional_letter_is_wanted_until_it_is_switched_off(office: Office) -> None:
    assert office.optional() == {"bill_ready": True, "due_soon": True, "overdue": True}
    office.choose(due_soon=False)
    assert office.optional() == {"bill_ready": True, "due_soon": False, "overdue": True}
    office.choose(due_soon=True, overdue=False)
    assert office.optional() == {"bill_ready": True, "due_soon": True, "overdue": False}


def test_choices_say_since_when_letters_come_back(office: Office) -> None:
    assert office.call("choices", person_id=str(ANNA))["bounced_since"] is None
    office.store.read_model.bounces.rows[ANNA] = START
    found = office.call("choices", person_id=str(ANNA))
    assert found["bounced_since"] == START.isoformat()


def test_choosing_what_is_chosen_makes_no_event(office: Office) -> None:
    office.choose(bill_ready=True, due_soon=True)
    assert office.events() == []
    for _ in range(2):
        office.choose(due_soon=False)
    assert office.events() == [LettersChosen(kind="due_soon", wanted=False, way=Way.CABINET)]


@pytest.mark.parametrize("kind", sorted(set(LetterKind) - OPTIONAL))
def test_no_other_letter_can_be_switched_off(office: Office, kind: LetterKind) -> None:
    with pytest.raises(ValidationFailed):
        office.choose(**{kind.value: False})


def test_what_is_switched_off_is_found_for_many_at_once(office: Office) -> None:
    boris, vera = uuid4(), uuid4()
    office.choose(due_soon=False)
    office.call("choose", person_id=str(boris), wanted={"overdue": False, "bill_ready": True})
    read = office.store.read_model
    assert read.choices.unwanted([ANNA, boris, vera]) == {(ANNA, "due_soon"), (boris, "overdue")}


@pytest.mark.parametrize("kind", sorted(OPTIONAL))
def test_a_link_switches_its_own_letters_off_and_no_others(
    office: Office, kind: LetterKind
) -> None:
    token = office.link(kind)
    assert office.call("subscription", token=token) == {"kind": kind, "wanted": True}
    assert office.events() == [], "looking changes nothing"
    for _ in range(2):
        assert office.call("unsubscribe", token=token) == {"kind": kind}
    assert office.events() == [LettersChosen(kind=kind, wanted=False, way=Way.LINK)]
    assert office.call("subscription", token=token) == {"kind": kind, "wanted": False}
    assert office.optional() == {each.value: each != kind for each in OPTIONAL}


def test_a_link_works_again_after_the_letters_were_switched_on(office: Office) -> None:
    token = office.link(LetterKind.OVERDUE)
    office.call("unsubscribe", token=token)
    office.choose(overdue=True)
    office.call("unsubscribe", token=token)
    assert office.optional()["overdue"] is False


def test_a_link_of_somebody_erased_is_answered_kindly_and_does_nothing(office: Office) -> None:
    token = office.link(LetterKind.DUE_SOON)
    office.choose(overdue=False)
    office.erase()
    assert office.call("held_about", person_id=str(ANNA))["choices"] == []
    before = len(office.store.log)
    assert office.call("subscription", token=token) == {"kind": "due_soon", "wanted": False}
    assert office.call("unsubscribe", token=token) == {"kind": "due_soon"}
    office.choose(bill_ready=False)
    office.erase()
    assert len(office.store.log) == before
    assert isinstance(office.events()[-1], ChoicesErased)


def test_a_person_is_told_the_choices_he_has_made(office: Office) -> None:
    office.choose(due_soon=False)
    office.choose(due_soon=True, bill_ready=False)
    held = office.call("held_about", person_id=str(ANNA))
    assert [(one["kind"], one["wanted"]) for one in held["choices"]] == [
        ("bill_ready", False),
        ("due_soon", True),
    ]
    assert all(one["chosen_at"] for one in held["choices"])


def _spoiled(token: str) -> list[str]:
    """Return tokens that we never made, each near to one that we did."""
    changed = [
        token[:place] + other + token[place + 1 :]
        for place, letter in enumerate(token)
        for other in "Aq7_"
        if other != letter
    ]
    return [*changed, token[:-1], f"{token}A", token[::-1], "A" * 43, "=" * 43, "ы" * 43, "+" * 43]


def test_a_forged_link_is_no_link(office: Office) -> None:
    for token in _spoiled(office.link(LetterKind.DUE_SOON)):
        for method in ("subscription", "unsubscribe"):
            with pytest.raises(NotFound) as caught:
                office.call(method, token=token)
            assert caught.value.code == "unsubscribe_link_unknown"
    assert office.events() == []


@pytest.mark.parametrize("kind", sorted(set(LetterKind) - OPTIONAL))
def test_a_token_for_another_letter_opens_nothing(kind: LetterKind) -> None:
    assert unsubscribe.read_token(KEY, unsubscribe.token_of(KEY, ANNA, kind)) is None


def test_a_token_of_another_key_opens_nothing() -> None:
    token = unsubscribe.token_of(KEY, ANNA, LetterKind.OVERDUE)
    assert unsubscribe.read_token(KEY, token) == (ANNA, LetterKind.OVERDUE)
    assert unsubscribe.read_token(b"l" * 32, token) is None


def test_a_token_says_nothing_of_the_person() -> None:
    """Two letters of one person have nothing in common, and neither has the id in it."""
    first, second, third = (unsubscribe.token_of(KEY, ANNA, kind) for kind in sorted(OPTIONAL))
    assert len({first, second, third}) == 3
    for one, other in ((first, second), (second, third)):
        equal = sum(left == right for left, right in zip(one, other, strict=True))
        assert equal < len(one) // 4
    assert ANNA.hex not in first


def test_the_address_is_that_of_the_cabinet() -> None:
    url = unsubscribe.unsubscribe_url(SETTINGS, KEY, ANNA, LetterKind.OVERDUE)
    token = unsubscribe.token_of(KEY, ANNA, LetterKind.OVERDUE)
    assert url == f"https://saldo.example/letters/unsubscribe/{token}"
