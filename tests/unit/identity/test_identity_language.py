"""The language of letters: of a registration, of a person, of every letter's facts."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from identity_steps import refusal_of

from services.identity.domain import LanguageChosen
from services.identity.registrations import RegistrationStarted
from shared.eventstore import EventTypes


def choose(identity: Any, person_id: str, language: str) -> Any:
    return identity.call("choose_language", person_id=person_id, language=language)


def language_of(identity: Any, person_id: str) -> str:
    found = identity.call("contacts", person_ids=[person_id])["contacts"]
    return str(found[person_id]["language"])


@pytest.mark.parametrize(("asked", "language"), [({}, "ru"), ({"language": "en"}, "en")])
def test_a_person_has_the_language_of_the_registration(
    identity: Any, asked: dict[str, str], language: str
) -> None:
    registration_id = identity.start(**asked)
    issued = identity.call("issue_registration_code", registration_id=registration_id)
    assert issued["language"] == language
    identity.confirm(registration_id, issued["code"])
    person_id = str(identity.store.log[-1].originator_id)
    assert language_of(identity, person_id) == language
    assert identity.call("profile", person_id=person_id)["language"] == language


def test_a_chosen_language_is_in_force_everywhere(identity: Any) -> None:
    person_id = identity.member()["person_id"]
    assert choose(identity, person_id, "en") == {"language": "en"}
    ip = "203.0.113.7"
    identity.call("request_password_reset", email="anna@example.org", ip=ip)
    reset_id = str(identity.store.log[-1].originator_id)
    assert identity.call("issue_reset_link", reset_id=reset_id)["language"] == "en"
    session = identity.sign_in("длинная фраза 1")
    asked = {"person_id": person_id, "session_id": session["session_id"], "ip": ip}
    asked |= {"email": "moved@example.org", "current_password": "длинная фраза 1"}
    identity.call("request_email_change", **asked)
    change_id = str(identity.store.log[-1].originator_id)
    for side in ("new", "old"):
        link = identity.call("issue_email_link", change_id=change_id, side=side)
        assert link["language"] == "en"
        identity.call("confirm_email_change", token=link["token"], ip=ip)
    assert identity.call("changed_email", change_id=change_id)["language"] == "en"
    held = identity.call("profile", person_id=person_id)
    assert (held["email"], held["language"]) == ("moved@example.org", "en")


def test_the_welcome_letter_has_the_language_of_the_person(identity: Any) -> None:
    person_id = identity.person(language="en")
    assert identity.call("issue_temporary_password", person_id=person_id)["language"] == "en"


def test_choosing_the_same_language_makes_no_event(identity: Any) -> None:
    person_id = identity.person()
    for language in ("ru", "en", "en", "ru"):
        choose(identity, person_id, language)
    chosen = [event.language for event in identity.events() if isinstance(event, LanguageChosen)]
    assert chosen == ["en", "ru"]


def test_a_registered_address_gets_its_letter_in_the_language_of_its_owner(identity: Any) -> None:
    choose(identity, identity.person("known@example.org"), "en")
    registration_id = identity.start("known@example.org", language="ru")
    letter = identity.call("issue_registration_code", registration_id=registration_id)
    assert (letter["kind"], letter["language"]) == ("already_registered", "en")


def test_a_taken_address_is_told_in_the_language_of_its_owner(identity: Any) -> None:
    choose(identity, identity.person("known@example.org"), "en")
    session = identity.member()
    asked = {"person_id": session["person_id"], "session_id": session["session_id"]}
    asked |= {
        "email": "known@example.org",
        "current_password": "длинная фраза 1",
        "ip": "203.0.113.7",
    }
    identity.call("request_email_change", **asked)
    change_id = str(identity.store.log[-1].originator_id)
    languages = [
        identity.call("issue_email_link", change_id=change_id, side=side)["language"]
        for side in ("new", "old")
    ]
    assert languages == ["en", "ru"]


def test_contacts_of_many_leave_out_whoever_is_erased(identity: Any) -> None:
    anna = identity.person("anna@example.org")
    boris = identity.person("boris@example.org", language="en")
    gone = identity.person("vera@example.org", language="en")
    identity.call("erase", person_id=gone, reason="Заявление 7 от 01.12.2026")
    found = identity.call("contacts", person_ids=[anna, boris, gone, str(uuid4())])
    assert found["contacts"] == {
        anna: {"email": "anna@example.org", "language": "ru"},
        boris: {"email": "boris@example.org", "language": "en"},
    }


def test_the_last_letter_has_the_language_of_the_person(identity: Any) -> None:
    person_id = identity.person(language="en")
    identity.call("erase", person_id=person_id, reason="Заявление 7 от 01.12.2026")
    assert identity.call("farewell", person_id=person_id)["language"] == "en"
    assert refusal_of(choose, identity, person_id, "ru").code == "person_not_found"


def test_an_event_from_before_there_were_languages_is_russian() -> None:
    known = EventTypes(RegistrationStarted)
    stored = b'{"person_type":"individual","email":"sealed"}'
    assert known.decode(RegistrationStarted.topic, stored).language == "ru"


def test_an_address_has_the_language_of_its_person_and_a_strange_one_none(identity: Any) -> None:
    identity.person("anna@example.org", language="en")
    for email, language in (("Anna@example.org", "en"), ("guest@example.org", None)):
        assert identity.call("language_of_address", email=email) == {"language": language}
