"""Recovery of a password by a link, which must not reveal known addresses."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from identity_steps import refusal_of

from services.identity import recovery
from services.identity.domain import PasswordChanged, PasswordOrigin
from services.identity.fingerprints import new_token
from services.identity.limits import LETTERS_OF_NETWORK, PASSWORD_RESET_LIFE
from services.identity.link_aggregates import PasswordResetRequested
from services.identity.sweeping import Sweep, sweep
from shared.errors import NotFound

OWN, NEW = "длинная фраза 1", "совсем другая фраза"
IP = "203.0.113.7"


def request(identity: Any, email: str = "anna@example.org", ip: str = IP) -> str:
    assert identity.call("request_password_reset", email=email, ip=ip) == {}
    return str(identity.store.log[-1].originator_id)


def link_of(identity: Any, reset_id: str) -> str:
    issued = identity.call("issue_reset_link", reset_id=reset_id)
    assert issued["email"] == "anna@example.org"
    assert issued["valid_minutes"] == 60
    return str(issued["token"])


def link(identity: Any, **more: Any) -> str:
    return link_of(identity, request(identity, **more))


def confirm(identity: Any, token: str, new: str = NEW, ip: str = IP) -> Any:
    return identity.call("confirm_password_reset", token=token, new_password=new, ip=ip)


def test_a_link_gives_a_new_password_and_ends_every_session(identity: Any) -> None:
    session = identity.member(OWN)
    assert confirm(identity, link(identity, email="ANNA@example.org")) == {}
    refused = refusal_of(identity.call, "authenticate", token=session["token"])
    assert refused.code == "session_expired"
    assert identity.sign_in(NEW)["must_change_password"] is False
    changes = [event for event in identity.events() if isinstance(event, PasswordChanged)]
    assert [event.origin for event in changes] == [PasswordOrigin.CHANGED, PasswordOrigin.RESET]


def test_a_link_serves_once_and_voids_the_others(identity: Any) -> None:
    identity.member(OWN)
    first, second = link(identity), link(identity)
    confirm(identity, first)
    for used in (first, second):
        refused = refusal_of(confirm, identity, used, "третья длинная фраза")
        assert (type(refused), refused.code) == (NotFound, "password_reset_not_found")
    assert identity.sign_in(NEW)


def test_a_further_letter_leaves_the_earlier_links_valid(identity: Any) -> None:
    identity.member(OWN)
    first = link(identity)
    for number in range(8):
        request(identity, ip=f"198.51.100.{number}")
    assert confirm(identity, first) == {}


def test_a_changed_password_voids_the_links(identity: Any) -> None:
    session, token = identity.member(OWN), ""
    token = link(identity)
    identity.call(
        "change_password",
        person_id=session["person_id"],
        session_id=session["session_id"],
        current_password=OWN,
        new_password=NEW,
    )
    assert refusal_of(confirm, identity, token).code == "password_reset_not_found"


def test_a_link_is_valid_for_an_hour(identity: Any) -> None:
    identity.member(OWN)
    first = link(identity)
    identity.clock.advance(timedelta(hours=1))
    assert refusal_of(confirm, identity, first).code == "password_reset_not_found"
    second = link(identity)
    identity.clock.advance(timedelta(minutes=59))
    assert confirm(identity, second) == {}


def test_recovery_replaces_an_expired_temporary_password_but_not_by_itself(identity: Any) -> None:
    person_id = identity.person()
    sent = identity.call("issue_temporary_password", person_id=person_id)["password"]
    identity.clock.advance(timedelta(days=2))
    token = link(identity)
    assert refusal_of(confirm, identity, token, sent).code == "password_was_temporary"
    confirm(identity, token)
    assert identity.sign_in(NEW)["must_change_password"] is False


def test_recovery_of_an_unknown_address_looks_the_same(identity: Any) -> None:
    identity.member(OWN)
    known, unknown = request(identity), request(identity, "boris@example.org")
    one, other = identity.events()[-2:]
    assert isinstance(one, PasswordResetRequested)
    assert isinstance(other, PasswordResetRequested)
    assert (one.person_id is None, other.person_id) == (False, None)
    assert link_of(identity, known)
    refused = refusal_of(identity.call, "issue_reset_link", reset_id=unknown)
    assert (type(refused), refused.code) == (NotFound, "person_not_found")


def test_nothing_is_hashed_for_a_token_that_nobody_has(
    identity: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity.member(OWN)
    token = link(identity)
    hashed: list[str] = []
    hasher = identity.service.passwords.hash
    monkeypatch.setattr(
        identity.service.passwords, "hash", lambda password: hashed.append("") or hasher(password)
    )
    for _ in range(30):
        assert refusal_of(confirm, identity, new_token()).code == "password_reset_not_found"
    refused = refusal_of(confirm, identity, new_token())
    assert (refused.code, refused.params["policy"]) == ("too_many_attempts", "wrong_links")
    assert refusal_of(confirm, identity, token, "short").code == "password_too_short"
    assert hashed == []
    assert confirm(identity, token) == {}, "wrong links of a network never stop a right one"


def test_a_mailbox_that_has_links_gets_no_further_letter_and_nobody_is_told(identity: Any) -> None:
    identity.member(OWN)
    for email in ("anna@example.org", "nobody@example.org"):
        for _ in range(7):
            request(identity, email)
    persons = [event.person_id for event in identity.events() if is_request(event)]
    assert [person is not None for person in persons] == [True] * 5 + [False] * 9
    identity.clock.advance(timedelta(minutes=30))
    assert link(identity)


def test_a_neighbour_who_spends_the_letters_of_a_network_stops_no_known_device(
    identity: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "LETTERS_OF_NETWORK", LETTERS_OF_NETWORK._replace(most=4))
    identity.member(OWN)
    device = identity.sign_in(OWN)["device_token"]
    for number in range(3):
        request(identity, f"nobody{number}@example.org")
    asked = {"email": "anna@example.org", "ip": IP}
    refused = refusal_of(identity.call, "request_password_reset", **asked)
    assert (refused.code, refused.params["policy"]) == ("too_many_attempts", "letters_of_network")
    identity.call("request_password_reset", **asked, device_token=device)
    assert link_of(identity, str(identity.store.log[-1].originator_id))


def is_request(event: Any) -> bool:
    return isinstance(event, PasswordResetRequested)


def test_a_refused_password_leaves_the_link_valid(identity: Any) -> None:
    identity.member(OWN)
    token = link(identity)
    assert refusal_of(confirm, identity, token, "anna@example.org").code == "password_has_email"
    assert refusal_of(confirm, identity, token, "password2024").code == "password_too_common"
    assert confirm(identity, token) == {}


def test_an_old_recovery_is_swept(identity: Any) -> None:
    identity.member(OWN)
    reset_id = request(identity)
    token = link_of(identity, reset_id)
    identity.clock.advance(PASSWORD_RESET_LIFE + timedelta(seconds=1))
    assert identity.store.transact(sweep, Sweep()) > 0
    assert refusal_of(confirm, identity, token).code == "password_reset_not_found"
    refused = refusal_of(identity.call, "issue_reset_link", reset_id=reset_id)
    assert refused.code == "password_reset_expired"
