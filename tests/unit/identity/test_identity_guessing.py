"""Strangers who guess passwords are slowed down; whoever has the password gets in."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from identity_steps import refusal_of

from services.identity.domain import SignInLinkRequested
from services.identity.limits import (
    SIGN_IN_LETTERS,
    SIGN_IN_LINK_LIFE,
    SIGN_IN_OF_EMAIL,
    SIGN_IN_OF_NETWORK,
)
from services.identity.passwords import Passwords
from shared.errors import Forbidden

OWN = "длинная фраза 1"
HOME = "203.0.113.7"
CAFE = "198.51.100.1"
ANNA = "anna@example.org"


@pytest.fixture
def owner(identity: Any) -> Any:
    """Anna, who has signed in at home; her device is known by a token."""
    return identity.member(OWN)


def guess(identity: Any, email: str = ANNA, ip: str = CAFE, **more: Any) -> str:
    return refusal_of(identity.sign_in, "guess", email, ip=ip, **more).code


def addresses() -> Any:
    """Yield addresses, each of another network."""
    return (f"10.{number // 250}.{number % 250}.1" for number in count())


def guessed_from_everywhere(identity: Any, most: int = SIGN_IN_OF_EMAIL.most) -> None:
    for _, ip in zip(range(most), addresses(), strict=False):
        assert guess(identity, ip=ip) == "wrong_credentials"


def letters(identity: Any) -> list[SignInLinkRequested]:
    return [event for event in identity.events() if isinstance(event, SignInLinkRequested)]


def link_of(identity: Any, letter: SignInLinkRequested) -> str:
    issued = identity.call("issue_sign_in_link", link_id=str(letter.link_id))
    assert (issued["email"], issued["valid_minutes"]) == (ANNA, 30)
    return str(issued["token"])


def follow(identity: Any, token: str, **more: Any) -> Any:
    return identity.call("sign_in_by_link", token=token, device="Firefox", ip=CAFE, **more)


def test_ten_guesses_from_ten_addresses_take_nothing_from_the_owner(
    identity: Any, owner: Any
) -> None:
    for _, ip in zip(range(10), addresses(), strict=False):
        assert guess(identity, ip=ip) == "wrong_credentials"
    assert identity.sign_in(OWN, ip=CAFE)


def test_any_number_of_log_ins_behind_one_address_are_let_in(identity: Any, owner: Any) -> None:
    for _ in range(2 * SIGN_IN_OF_NETWORK.most):
        assert identity.sign_in(OWN)


def test_a_neighbour_who_guesses_slows_down_only_himself(identity: Any, owner: Any) -> None:
    boris = "boris@example.org"
    identity.member("другая фраза 2", boris)
    for _ in range(6):
        refusal_of(identity.sign_in, "guess", boris)
    assert refusal_of(identity.sign_in, "другая фраза 2", boris).code == "too_many_attempts"
    assert identity.sign_in(OWN)


def test_guesses_of_one_place_are_slowed_down_more_and_more(identity: Any, owner: Any) -> None:
    for _ in range(5):
        assert guess(identity) == "wrong_credentials"
    pauses = []
    for _ in range(12):
        refused = refusal_of(identity.sign_in, OWN, ip=CAFE)
        assert (type(refused), refused.code) == (Forbidden, "too_many_attempts")
        pauses.append(refused.params["retry_after_seconds"])
        identity.clock.advance(timedelta(seconds=pauses[-1]))
        assert guess(identity) == "wrong_credentials"
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    assert refused.params == {
        "policy": "sign_in_of_pair",
        "limit": 5,
        "window_seconds": 900,
        "retry_after_seconds": 900,
    }
    identity.clock.advance(timedelta(seconds=900))
    assert identity.sign_in(OWN, ip=CAFE)
    assert guess(identity) == "wrong_credentials"


def test_a_day_without_guesses_forgets_them(identity: Any, owner: Any) -> None:
    for _ in range(5):
        guess(identity)
    identity.clock.advance(timedelta(days=1))
    for _ in range(5):
        assert guess(identity) == "wrong_credentials"


def test_a_delayed_attempt_and_an_asked_for_letter_verify_nothing(
    identity: Any, owner: Any
) -> None:
    for _ in range(5):
        guess(identity)

    class Idle(Passwords):
        def verify(self, stored_hash: str | None, password: str) -> bool:
            raise AssertionError("it was verified")

    identity.service.passwords = Idle(time_cost=1, memory_cost=8)
    assert guess(identity) == "too_many_attempts"


def test_the_owner_is_let_in_from_known_places_whatever_others_try(
    identity: Any, owner: Any
) -> None:
    guessed_from_everywhere(identity)
    assert identity.sign_in(OWN, ip=CAFE, device_token=owner["device_token"])
    assert identity.sign_in(OWN, ip=HOME)


def test_guesses_on_a_known_device_count_against_it_alone(identity: Any, owner: Any) -> None:
    known = {"device_token": owner["device_token"]}
    for _ in range(5):
        assert guess(identity, **known) == "wrong_credentials"
    assert guess(identity, **known) == "too_many_attempts"
    assert identity.sign_in(OWN, ip=CAFE)


def test_a_foreign_device_token_makes_no_place_known(identity: Any, owner: Any) -> None:
    boris = identity.member("другая фраза 2", "boris@example.org")
    guessed_from_everywhere(identity)
    for token in (boris["device_token"], "made up"):
        refused = refusal_of(identity.sign_in, OWN, ip=CAFE, device_token=token)
        assert refused.code == "sign_in_by_letter"


def test_strangers_get_a_letter_when_an_address_is_guessed_from_everywhere(
    identity: Any, owner: Any
) -> None:
    guessed_from_everywhere(identity)
    wrong = refusal_of(identity.sign_in, "guess", ip=CAFE)
    assert letters(identity) == []
    right = refusal_of(identity.sign_in, OWN, ip=CAFE)
    assert wrong.as_wire() == right.as_wire()
    assert right.code == "sign_in_by_letter"
    (letter,) = letters(identity)
    session = follow(identity, link_of(identity, letter))
    assert identity.call("authenticate", token=session["token"])
    assert identity.sign_in(OWN, ip=CAFE)  # the place is known by now
    identity.clock.advance(SIGN_IN_OF_EMAIL.window)
    assert identity.sign_in(OWN, ip="198.51.100.2")


def test_unknown_addresses_are_guarded_alike(identity: Any, owner: Any) -> None:
    for _, ip in zip(range(SIGN_IN_OF_EMAIL.most), addresses(), strict=False):
        guess(identity, "nobody@example.org", ip)
    assert guess(identity, "nobody@example.org") == "sign_in_by_letter"


def test_a_guarded_address_does_not_show_which_network_is_known(identity: Any, owner: Any) -> None:
    guessed_from_everywhere(identity)
    assert guess(identity, ip=HOME) == guess(identity, ip=CAFE) == "sign_in_by_letter"


def test_a_network_that_guesses_sends_strangers_letters_and_verifies_slowly(
    identity: Any, owner: Any
) -> None:
    for number in range(SIGN_IN_OF_NETWORK.most):
        guess(identity, f"p{number}@example.org", "2001:db8::1")
    assert guess(identity, "another@example.org", "2001:db8::2") == "sign_in_by_letter"
    busy = refusal_of(identity.sign_in, OWN, ip="2001:db8::2")
    assert busy.code == "too_many_attempts"
    assert busy.params["policy"] == "verifications_of_network"
    identity.clock.advance(timedelta(seconds=busy.params["retry_after_seconds"]))
    assert refusal_of(identity.sign_in, OWN, ip="2001:db8::2").code == "sign_in_by_letter"
    assert len(letters(identity)) == 1
    assert identity.sign_in(OWN, ip="2001:db8:0:1::1")


def test_known_people_of_a_network_that_guesses_are_let_in_at_once(
    identity: Any, owner: Any
) -> None:
    for number in range(SIGN_IN_OF_NETWORK.most + 1):
        guess(identity, f"p{number}@example.org", HOME)
    assert identity.sign_in(OWN, ip=HOME)
    stranger = refusal_of(identity.sign_in, "guess", "p0@example.org", ip=HOME)
    neighbour = refusal_of(identity.sign_in, "guess", ip=HOME)
    assert stranger.as_wire() == neighbour.as_wire()


def test_a_network_that_guesses_does_not_show_whose_it_is(identity: Any, owner: Any) -> None:
    for number in range(SIGN_IN_OF_NETWORK.most):
        refusal_of(identity.sign_in, "wrong wrong", f"x{number}@example.org")
    refusal_of(identity.sign_in, "wrong wrong", "filler@example.org")

    def answers(email: str) -> list[Any]:
        tried = [refusal_of(identity.sign_in, "wrong wrong", email) for _ in range(8)]
        return [(refused.code, refused.params) for refused in tried]

    assert answers("anna@example.org") == answers("nobody@example.org")


def test_letters_to_sign_in_do_not_flood_the_mailbox(identity: Any, owner: Any) -> None:
    guessed_from_everywhere(identity)
    for _, ip in zip(range(SIGN_IN_LETTERS.most + 3), addresses(), strict=False):
        assert refusal_of(identity.sign_in, OWN, ip=ip).code == "sign_in_by_letter"
    assert len(letters(identity)) == SIGN_IN_LETTERS.most


def test_a_letter_more_voids_no_earlier_link(identity: Any, owner: Any) -> None:
    guessed_from_everywhere(identity)
    for ip in (CAFE, "198.51.100.2"):
        refusal_of(identity.sign_in, OWN, ip=ip)
    tokens = [link_of(identity, letter) for letter in letters(identity)]
    assert all(follow(identity, token) for token in tokens)


def test_a_link_signs_in_once_and_for_half_an_hour(identity: Any, owner: Any) -> None:
    guessed_from_everywhere(identity)
    for ip in (CAFE, "198.51.100.2"):
        refusal_of(identity.sign_in, OWN, ip=ip)
    first, second = (link_of(identity, letter) for letter in letters(identity))
    assert follow(identity, first)
    for token in (first, first[:-1] + "x", "x"):
        assert refusal_of(follow, identity, token).code == "sign_in_link_expired"
    identity.clock.advance(SIGN_IN_LINK_LIFE)
    assert refusal_of(follow, identity, second).code == "sign_in_link_expired"


def test_a_change_of_the_password_voids_the_links(identity: Any, owner: Any) -> None:
    guessed_from_everywhere(identity)
    refusal_of(identity.sign_in, OWN, ip=CAFE)
    token = link_of(identity, letters(identity)[0])
    identity.call(
        "change_password",
        person_id=owner["person_id"],
        session_id=owner["session_id"],
        current_password=OWN,
        new_password="новая фраза 77",
    )
    assert refusal_of(follow, identity, token).code == "sign_in_link_expired"


def test_an_expired_temporary_password_opens_nothing_by_letter(identity: Any) -> None:
    person_id = identity.person()
    issued = identity.call("issue_temporary_password", person_id=person_id)
    identity.clock.advance(timedelta(hours=23, minutes=50))
    guessed_from_everywhere(identity)
    refusal_of(identity.sign_in, issued["password"], ip=CAFE)
    token = link_of(identity, letters(identity)[0])
    identity.clock.advance(timedelta(minutes=10))
    assert refusal_of(follow, identity, token).code == "temporary_password_expired"


def test_staff_clear_everything_that_is_counted_of_an_address(identity: Any, owner: Any) -> None:
    guessed_from_everywhere(identity)
    for _ in range(5):
        guess(identity, device_token=owner["device_token"])
    index = next(iter(identity.tables.credentials.rows.values())).email_index
    identity.tables.attempts.clear_of(index)
    assert identity.sign_in(OWN, ip=CAFE)
    assert identity.sign_in(OWN, ip=CAFE, device_token=owner["device_token"])
