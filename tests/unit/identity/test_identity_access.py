"""Signing in, sessions, the temporary password and its change (S8-S10)."""

from __future__ import annotations

import inspect
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from identity_steps import refusal_of

from services.identity import password_policy
from services.identity.domain import PasswordChanged, TemporaryPasswordIssued
from services.identity.fingerprints import token_digest
from services.identity.limits import CURRENT_PASSWORDS, SESSIONS_PER_PERSON
from services.identity.passwords import Passwords
from shared.context import bind
from shared.errors import Conflict, Forbidden, NotFound, ValidationFailed

OWN = "длинная фраза 1"


@pytest.fixture
def newcomer(identity: Any) -> dict[str, str]:
    person_id = identity.person()
    issued = identity.call("issue_temporary_password", person_id=person_id)
    return {"person_id": person_id, "password": issued["password"], "email": issued["email"]}


def change(identity: Any, session: Any, current: str, new: str = OWN) -> Any:
    return identity.call(
        "change_password",
        person_id=session["person_id"],
        session_id=session["session_id"],
        current_password=current,
        new_password=new,
    )


def sessions_of(identity: Any, session: Any, ip: str = "203.0.113.7") -> Any:
    return identity.call("sessions", person_id=session["person_id"], ip=ip)["sessions"]


def end(identity: Any, session: Any, by: Any) -> Any:
    return identity.call(
        "end_session",
        person_id=by["person_id"],
        session_id=session["session_id"],
        by_session_id=by["session_id"],
    )


def test_temporary_password_serves_to_choose_a_password(
    identity: Any, newcomer: dict[str, str]
) -> None:
    assert newcomer["email"] == "anna@example.org"
    session = identity.sign_in(newcomer["password"], " ANNA@example.org ")
    assert session["must_change_password"] is True
    assert len(session["token"]) >= 43
    found = identity.call("authenticate", token=session["token"])
    assert found == {
        "session_id": session["session_id"],
        "person_id": newcomer["person_id"],
        "must_change_password": True,
        "must_accept": [],
        "must_add_factor": False,
    }
    session |= change(identity, session, newcomer["password"])
    assert identity.call("authenticate", token=session["token"])["must_change_password"] is False
    kinds = [type(event) for event in identity.events()[-2:]]
    assert kinds == [TemporaryPasswordIssued, PasswordChanged]
    assert refusal_of(identity.sign_in, newcomer["password"]).code == "wrong_credentials"
    assert identity.sign_in(OWN)["must_change_password"] is False


def test_temporary_password_expires_after_a_day(identity: Any, newcomer: dict[str, str]) -> None:
    identity.clock.advance(timedelta(hours=24))
    refused = refusal_of(identity.sign_in, newcomer["password"])
    assert (refused.kind, refused.code) == ("forbidden", "temporary_password_expired")
    assert refusal_of(identity.sign_in, "something else").code == "wrong_credentials"


def test_second_letter_voids_the_first_and_none_follows_a_chosen_password(
    identity: Any, newcomer: dict[str, str]
) -> None:
    issue = {"person_id": newcomer["person_id"]}
    early = identity.sign_in(newcomer["password"])
    second = identity.call("issue_temporary_password", **issue)["password"]
    assert refusal_of(identity.call, "authenticate", token=early["token"]).code == "session_expired"
    assert refusal_of(identity.sign_in, newcomer["password"]).code == "wrong_credentials"
    change(identity, identity.sign_in(second), second)
    refused = refusal_of(identity.call, "issue_temporary_password", **issue)
    assert (type(refused), refused.code) == (Conflict, "password_already_chosen")
    assert identity.sign_in(OWN)


def test_temporary_password_allows_one_session(identity: Any, newcomer: dict[str, str]) -> None:
    first, second = (identity.sign_in(newcomer["password"]) for _ in range(2))
    assert refusal_of(identity.call, "authenticate", token=first["token"]).code == "session_expired"
    assert identity.call("authenticate", token=second["token"])
    identity.clock.advance(timedelta(hours=1))
    refused = refusal_of(identity.call, "authenticate", token=second["token"])
    assert (type(refused), refused.code) == (Forbidden, "session_expired")


REFUSED = [
    ("short 1", "password_too_short"),
    ("x" * 201, "password_too_long"),
    ("Qwerty12345", "password_too_common"),
    ("11111111112", "password_too_common"),
    ("Anna@Example.org", "password_has_email"),
    ("тайна Горшкова 5", "password_has_name"),
    (None, "password_unchanged"),
    ("SENT", "password_was_temporary"),
]


def test_every_check_of_the_policy_has_a_case() -> None:
    source = inspect.getsource(password_policy.check_password)
    assert {code for _, code in REFUSED} == set(re.findall(r'^ +"(password_\w+)"', source, re.M))


@pytest.mark.parametrize("kind", ["rules", "instruction"])
def test_documents_state_the_minimal_length_of_a_password(identity: Any, kind: str) -> None:
    identity.clock.advance(timedelta(days=30))
    in_words = {8: "восьми"}[password_policy.MIN_LENGTH]
    assert f"не короче {in_words} знаков" in identity.call("document", kind=kind)["text"]


@pytest.mark.parametrize(("new", "code"), REFUSED)
def test_the_policy_names_what_is_wrong(
    identity: Any, newcomer: dict[str, str], new: str | None, code: str
) -> None:
    sent = newcomer["password"]
    session = identity.sign_in(sent)
    person = {"person_id": newcomer["person_id"]}
    identity.call("update_profile", **person, full_name="Горшков Иван", phone=None)
    new = {None: sent, "SENT": sent.upper()}.get(new, new)
    refused = refusal_of(change, identity, session, sent, new)
    assert isinstance(refused, ValidationFailed)
    assert refused.code == code


def test_change_needs_the_current_password_and_is_limited(identity: Any) -> None:
    session = identity.member(OWN)
    for _ in range(10):
        assert refusal_of(change, identity, session, "guess", "new phrase 1").code == (
            "wrong_current_password"
        )
    refused = refusal_of(change, identity, session, OWN, "new phrase 1")
    assert refused.code == "too_many_attempts"
    assert refused.params == {
        "policy": "current_passwords",
        "limit": 10,
        "window_seconds": 900,
        "retry_after_seconds": 900,
    }


def test_a_right_current_password_is_not_counted_when_the_change_is_refused(identity: Any) -> None:
    session = identity.member(OWN)
    for _ in range(CURRENT_PASSWORDS.most):
        refused = refusal_of(change, identity, session, OWN, "Anna@Example.org")
        assert refused.code == "password_has_email"
    assert change(identity, session, OWN, "new phrase 1")["token"]


def test_wrong_passwords_all_day_end_the_session(identity: Any) -> None:
    session = identity.member(OWN)
    for _ in range(2):
        for number in range(10):
            about = {key: session[key] for key in ("person_id", "session_id")}
            if number % 2:
                refused = refusal_of(change, identity, session, "guess", "new phrase 1")
            else:
                refused = refusal_of(identity.call, "start_totp", **about, current_password="guess")
            assert refused.code == "wrong_current_password"
        identity.clock.advance(timedelta(minutes=15))
    refused = refusal_of(change, identity, session, OWN, "new phrase 1")
    assert refused.code == "session_expired"
    refused = refusal_of(identity.call, "authenticate", token=session["token"])
    assert refused.code == "session_expired"


def test_a_change_ends_the_other_sessions(identity: Any) -> None:
    identity.member(OWN)
    phone, laptop = identity.sign_in(OWN, device="phone"), identity.sign_in(OWN, device="laptop")
    with bind(command_id=uuid4()):
        first, repeated = (change(identity, laptop, OWN, "new phrase 1") for _ in range(2))
    for token in (phone["token"], laptop["token"]):
        assert refusal_of(identity.call, "authenticate", token=token).code == "session_expired"
    assert first["token"] == repeated["token"]
    assert identity.call("authenticate", token=repeated["token"])
    listed = sessions_of(identity, laptop)
    assert [entry["device"] for entry in listed] == ["laptop"]
    assert sum(isinstance(event, PasswordChanged) for event in identity.events()) == 2


def test_a_change_needs_a_live_session(identity: Any) -> None:
    session = identity.member(OWN)
    end(identity, session, session)
    assert refusal_of(change, identity, session, OWN, "new phrase 1").code == "session_expired"
    assert identity.sign_in(OWN)


def test_unknown_and_known_addresses_fail_alike(identity: Any) -> None:
    identity.member(OWN)
    answers = [
        refusal_of(identity.sign_in, "wrong password", email).as_wire()
        for email in ("anna@example.org", "nobody@example.org", "no address")
    ]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["code"] == "wrong_credentials"


def test_unknown_address_costs_a_verification(identity: Any) -> None:
    verified = []

    class Counting(Passwords):
        def verify(self, kept: str | None, password: str) -> bool:
            verified.append(kept)
            return super().verify(kept, password)

    identity.service.passwords = Counting(time_cost=1, memory_cost=8)
    refusal_of(identity.sign_in, "wrong password", "nobody@example.org")
    assert verified == [None]


def test_sessions_are_visible_only_to_their_person(identity: Any) -> None:
    anna = identity.member(OWN)
    boris = identity.member("другая фраза 2", "boris@example.org")
    identity.clock.advance(timedelta(minutes=2))
    phone = identity.sign_in(OWN, device="phone " * 100)
    listed = sessions_of(identity, anna)
    assert [entry["session_id"] for entry in listed] == [phone["session_id"], anna["session_id"]]
    assert len(listed[0]["device"]) == 200
    assert listed[0]["created_at"] == identity.clock.now().isoformat()
    refused = refusal_of(end, identity, phone, boris)
    assert (type(refused), refused.code) == (NotFound, "session_not_found")
    assert end(identity, phone, anna) == {}
    assert refusal_of(identity.call, "authenticate", token=phone["token"]).code == "session_expired"


def test_all_other_sessions_end_at_once(identity: Any) -> None:
    laptop = identity.member(OWN)
    phone, tablet = identity.sign_in(OWN), identity.sign_in(OWN)
    boris = identity.member("другая фраза 2", "boris@example.org")
    asked = {"person_id": laptop["person_id"], "session_id": laptop["session_id"]}
    assert identity.call("end_other_sessions", **asked) == {}
    assert [entry["session_id"] for entry in sessions_of(identity, laptop)] == [
        laptop["session_id"]
    ]
    for ended in (phone, tablet):
        token = ended["token"]
        assert refusal_of(identity.call, "authenticate", token=token).code == "session_expired"
    assert identity.call("authenticate", token=boris["token"])
    asked = {"person_id": phone["person_id"], "session_id": phone["session_id"]}
    assert refusal_of(identity.call, "end_other_sessions", **asked).code == "session_expired"
    assert identity.call("authenticate", token=laptop["token"])


def test_a_session_ends_after_thirty_days_however_often_it_is_used(identity: Any) -> None:
    session = identity.member(OWN)
    for _ in range(29):
        identity.clock.advance(timedelta(days=1))
        assert identity.call("authenticate", token=session["token"])
    identity.clock.advance(timedelta(days=1))
    token = session["token"]
    assert refusal_of(identity.call, "authenticate", token=token).code == "session_expired"


def test_session_expires_when_idle(identity: Any) -> None:
    used, idle = identity.member(OWN), identity.sign_in(OWN)
    for _ in range(4):
        identity.clock.advance(timedelta(days=6))
        identity.call("authenticate", token=used["token"])
    assert refusal_of(identity.call, "authenticate", token=idle["token"]).code == "session_expired"
    identity.clock.advance(timedelta(days=6))
    assert refusal_of(identity.call, "authenticate", token=used["token"]).code == "session_expired"


def test_oldest_session_ends_above_the_limit(identity: Any) -> None:
    first = identity.member(OWN)
    for _ in range(SESSIONS_PER_PERSON):
        identity.clock.advance(timedelta(minutes=2))
        identity.sign_in(OWN)
    listed = sessions_of(identity, first)
    assert len(listed) == SESSIONS_PER_PERSON
    assert first["session_id"] not in [entry["session_id"] for entry in listed]


def test_token_is_stored_as_a_digest(identity: Any) -> None:
    session = identity.member(OWN)
    tokens = list(identity.tables.sessions.tokens.values())
    assert token_digest(session["token"]) in tokens
    assert session["token"].encode() not in tokens


def test_a_weaker_hash_is_replaced_at_sign_in(identity: Any) -> None:
    session = identity.member(OWN)
    identity.service.passwords = Passwords(time_cost=2, memory_cost=16)
    identity.sign_in(OWN)
    (credential,) = identity.tables.credentials.rows.values()
    assert str(credential.person_id) == session["person_id"]
    assert not identity.service.passwords.outdated(credential.password_hash)
    assert identity.sign_in(OWN)


def test_password_changed_during_sign_in_opens_no_session(identity: Any) -> None:
    session = identity.member(OWN)

    class ChangedDuringCheck(Passwords):
        def verify(self, kept: str | None, password: str) -> bool:
            identity.service.passwords = Passwords(time_cost=1, memory_cost=8)
            change(identity, session, OWN, "new phrase 1")
            return super().verify(kept, password)

    identity.service.passwords = ChangedDuringCheck(time_cost=1, memory_cost=8)
    assert refusal_of(identity.sign_in, OWN).code == "wrong_credentials"
