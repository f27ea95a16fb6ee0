"""Erasing a person, at his own wish or by staff; telling him what is held."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from identity_steps import refusal_of

from services.identity.domain import PersonErased, farewell_id
from services.identity.erasure import forget_farewells
from services.identity.publishing import publish
from services.identity.registrations import person_id_of
from shared.context import bind
from shared.errors import NotFound
from shared.letters import LETTER_LIFE
from tests.published import check_publication

PHRASE = "длинная фраза 1"


class Elsewhere:
    """The other services, each of which holds one thing."""

    def call(self, service: str, method: str, *, person_id: str) -> dict[str, str]:
        assert method == "held_about"
        return {service: person_id}


@pytest.fixture
def identity(identity: Any) -> Any:
    identity.service.services = Elsewhere()
    return identity


def erase(identity: Any, person_id: str, **more: Any) -> Any:
    return identity.call("erase", person_id=person_id, reason="asked in writing", **more)


def erasures(identity: Any) -> list[str]:
    return [event.cause for event in identity.events() if isinstance(event, PersonErased)]


def test_nothing_of_an_erased_person_opens_or_lets_anybody_in(identity: Any) -> None:
    session = identity.member(PHRASE)
    person_id = session["person_id"]
    identity.call("update_profile", person_id=person_id, full_name="Иванова Анна")
    assert erase(identity, person_id) == {"person_id": person_id, "erased": True}
    assert UUID(person_id) not in identity.store.vault.keys
    for method in ("profile", "contact", "held_about"):
        with pytest.raises(NotFound):
            identity.call(method, person_id=person_id)
    assert refusal_of(identity.sign_in, PHRASE).code == "wrong_credentials"
    assert refusal_of(identity.call, "authenticate", token=session["token"]).code == (
        "session_expired"
    )
    assert identity.tables.credentials.rows == {}
    assert identity.tables.sessions.rows == {}


def test_a_repeated_erasure_changes_nothing(identity: Any) -> None:
    person_id = identity.member()["person_id"]
    erase(identity, person_id)
    log = len(identity.store.log)
    assert erase(identity, person_id) == {"person_id": person_id, "erased": False}
    assert len(identity.store.log) == log


def test_nobody_is_erased_who_never_was_and_a_dry_run_erases_nobody(identity: Any) -> None:
    with pytest.raises(NotFound):
        erase(identity, str(uuid4()))
    person_id = identity.member()["person_id"]
    for _ in range(2):
        assert erase(identity, person_id, dry_run=True)["erased"] is True
    assert erasures(identity) == []
    erase(identity, person_id)
    assert erase(identity, person_id, dry_run=True)["erased"] is False


def test_the_same_address_registers_anew(identity: Any) -> None:
    first = identity.member()["person_id"]
    erase(identity, first)
    second = identity.member("другая длинная фраза")["person_id"]
    assert second != first
    assert identity.call("profile", person_id=second)["email"] == "anna@example.org"


def test_open_registrations_of_an_erased_address_open_no_more(identity: Any) -> None:
    person_id = identity.member()["person_id"]
    registration_id = identity.start("anna@example.org")
    other = identity.start("boris@example.org")
    erase(identity, person_id)
    assert person_id_of(UUID(registration_id)) not in identity.store.vault.keys
    assert person_id_of(UUID(other)) in identity.store.vault.keys
    assert list(identity.tables.codes.rows) == [UUID(other)]
    asked = {"registration_id": registration_id, "ip": "203.0.113.7"}
    refused = refusal_of(identity.call, "resend_code", **asked)
    assert refused.code == "registration_expired"
    assert refusal_of(identity.confirm, registration_id, "123456").code == "registration_expired"


def test_a_registration_whose_code_is_gone_has_expired(identity: Any) -> None:
    registration_id = identity.start("anna@example.org")
    identity.tables.codes.rows.clear()
    asked = {"registration_id": registration_id, "ip": "203.0.113.7"}
    for call in (
        lambda: refusal_of(identity.call, "resend_code", **asked),
        lambda: refusal_of(identity.call, "correct_email", **asked, email="b@example.org"),
        lambda: refusal_of(identity.confirm, registration_id, "123456"),
    ):
        assert call().code == "registration_expired"


def test_withdrawing_the_consent_is_erasure_and_takes_the_password(identity: Any) -> None:
    session = identity.member(PHRASE)
    asked = {name: session[name] for name in ("person_id", "session_id")}
    wrong = refusal_of(identity.call, "withdraw_consent", **asked, password="не та фраза")
    assert wrong.code == "wrong_current_password"
    assert erasures(identity) == []
    done = identity.call("withdraw_consent", **asked, password=PHRASE)
    assert done == {"person_id": session["person_id"], "erased": True}
    assert erasures(identity) == ["withdrawn"]
    again = refusal_of(identity.call, "withdraw_consent", **asked, password=PHRASE)
    assert again.code == "person_not_found"


def test_a_repeated_withdrawal_gets_the_answer_that_was_lost(identity: Any) -> None:
    session = identity.member(PHRASE)
    asked = {name: session[name] for name in ("person_id", "session_id")}
    with bind(command_id=uuid4()):
        first, again = (
            identity.call("withdraw_consent", **asked, password=PHRASE) for _ in range(2)
        )
    assert first == again
    assert erasures(identity) == ["withdrawn"]


def test_guessing_the_password_of_an_open_cabinet_erases_nobody(identity: Any) -> None:
    session = identity.member(PHRASE)
    asked = {name: session[name] for name in ("person_id", "session_id")}
    codes = [
        refusal_of(identity.call, "withdraw_consent", **asked, password=f"guess {n}").code
        for n in range(11)
    ]
    assert codes == ["wrong_current_password"] * 10 + ["too_many_attempts"]
    assert erasures(identity) == []


def test_the_last_letter_has_the_address_until_it_is_written(identity: Any) -> None:
    person_id = identity.member()["person_id"]
    with pytest.raises(NotFound):
        identity.call("farewell", person_id=person_id)
    erase(identity, person_id)
    identity.clock.advance(LETTER_LIFE - timedelta(hours=1))
    assert identity.store.transact(forget_farewells, None) == 0
    for _ in range(2):  # writing it may fail, and be repeated
        assert identity.call("farewell", person_id=person_id) == {
            "email": "anna@example.org",
            "language": "ru",
        }
    identity.clock.advance(timedelta(minutes=5))
    assert identity.store.transact(forget_farewells, None) == 1
    with pytest.raises(NotFound):
        identity.call("farewell", person_id=person_id)
    assert farewell_id(UUID(person_id)) not in identity.store.vault.keys


def test_the_erasure_is_published_and_noted_without_saying_who_it_was(identity: Any) -> None:
    person_id = identity.member()["person_id"]
    erase(identity, person_id)
    (entry,) = [each for each in identity.store.log if isinstance(each.event, PersonErased)]
    publication = publish(entry)
    assert publication is not None
    check_publication("identity", publication)
    assert publication.data == {"person_id": person_id}
    assert "anna" not in json.dumps(msgspec.to_builtins(entry.event))
    (note,) = [each for each in identity.store.security_log if each.action == "erased"]
    assert (str(note.person_id), note.about, note.reason) == (
        person_id,
        "staff",
        "asked in writing",
    )


def test_a_person_is_told_all_that_is_held(identity: Any) -> None:
    session = identity.member(PHRASE)
    person_id = session["person_id"]
    identity.call("update_profile", person_id=person_id, full_name="Иванова Анна")
    identity.call("note_support_code", code="K7VDM3XP", person_id=person_id)
    told = identity.call("held_about", person_id=person_id)
    held = told.pop("identity")
    elsewhere = ("accounts", "payments", "helpdesk", "notifications")
    assert told == {service: {service: person_id} for service in elsewhere}
    assert held["profile"] == {
        "person_type": "individual",
        "email": "anna@example.org",
        "language": "ru",
        "organisation": None,
        "full_name": "Иванова Анна",
        "phone": None,
    }
    assert [sorted(each.keys() - {"at"}) for each in held["entered"]] == [["email"], ["full_name"]]
    assert held["entered"][1]["full_name"] == "Иванова Анна"
    assert len(held["networks"]) == 1
    assert [each["code"] for each in held["support_codes"]] == ["K7VDM3XP"]
    ((accepted),) = held["acceptances"]
    assert accepted["network_address"] == "203.0.113.7"
    assert accepted["consent_version"]
    assert [each["device"] for each in held["sessions"]] == ["Firefox"]
    text = json.dumps(held)
    assert session["token"] not in text
    assert "argon2" not in text


def test_an_export_by_staff_is_noted_and_a_dry_run_shows_nothing(identity: Any) -> None:
    person_id = identity.member()["person_id"]
    asked = {"person_id": person_id, "reason": "asked at the counter"}
    shown = identity.call("export", **asked, dry_run=True)
    assert shown == {"person_id": person_id, "dry_run": True}
    assert not [each for each in identity.store.security_log if each.action == "exported"]
    exported = identity.call("export", **asked)
    assert exported["identity"]["profile"]["email"] == "anna@example.org"
    assert exported["accounts"]
    (note,) = [each for each in identity.store.security_log if each.action == "exported"]
    assert (str(note.person_id), note.reason) == (person_id, "asked at the counter")
