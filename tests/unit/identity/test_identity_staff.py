"""What staff do for persons: find, show, unblock, resend, end sessions; and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from factor_steps import Member
from identity_steps import refusal_of

from services.identity.domain import PasswordResetRequested, TemporaryPasswordRequested
from services.identity.registrations import RegistrationCodeRequested
from services.identity.sweeping import Sweep, sweep
from shared import context

CODE = "7f1c2b34-0000-4000-8000-000000000001"
WHY = {"reason": "call 17"}
OWN = "длинная фраза 1"


@pytest.fixture(autouse=True)
def clerk() -> Iterator[None]:
    with context.bind(actor="staff:ivanova"):
        yield


def noted(identity: Any, *actions: str) -> list[tuple[str, str | None, str, str]]:
    """Return (action, person, about, reason) of what one of the staff did."""
    return [
        (entry.action, entry.person_id and str(entry.person_id), entry.about, entry.reason)
        for entry in identity.store.security_log
        if entry.actor == "staff:ivanova" and (not actions or entry.action in actions)
    ]


def test_a_person_is_found_by_an_address_however_it_is_typed(identity: Any) -> None:
    person_id = identity.member(OWN)["person_id"]
    [found] = identity.call("find_persons", email=" ANNA@example.org ")["persons"]
    assert (found["person_id"], found["email"]) == (person_id, "a***@example.org")
    assert (found["person_type"], found["password"]) == ("individual", "own")
    assert ("person_found", person_id, "email", "") in noted(identity)
    assert identity.call("find_persons", email="boris@example.org") == {"persons": []}


def test_nothing_that_is_found_is_in_clear(identity: Any) -> None:
    person_id = identity.member(OWN)["person_id"]
    identity.call("update_profile", person_id=person_id, full_name="Иванова Анна", phone=None)
    found = identity.call("find_persons", person_ids=[person_id, person_id])["persons"]
    assert [one["name"] for one in found] == ["И. А."]
    assert "anna@" not in str(found)


def test_the_name_of_an_organisation_is_no_secret(identity: Any) -> None:
    organisation = {"name": "ООО «Ромашка»", "inn": "7707083893", "kpp": "770701001"}
    person_id = identity.person(person_type="organisation", organisation=organisation)
    [found] = identity.call("find_persons", person_ids=[person_id])["persons"]
    assert found["name"] == "ООО «Ромашка»"


def test_what_a_person_signs_in_with(identity: Any) -> None:
    def password() -> str:
        [found] = identity.call("find_persons", person_ids=[person_id])["persons"]
        return str(found["password"])

    person_id = identity.person()
    assert password() == "none"
    identity.call("issue_temporary_password", person_id=person_id)
    assert password() == "temporary"
    identity.clock.advance(timedelta(days=2))
    assert password() == "temporary_expired"


def test_a_support_code_leads_to_who_met_the_page(identity: Any) -> None:
    person_id, other = identity.person(), identity.person("boris@example.org")
    identity.call("note_support_code", code=CODE, person_id=person_id)
    identity.clock.advance(timedelta(minutes=1))
    identity.call("note_support_code", code=CODE, person_id=person_id)
    identity.call("note_support_code", code="another-code", person_id=other)
    [found] = identity.call("find_persons", support_code=CODE)["persons"]
    assert found["person_id"] == person_id
    assert ("person_found", person_id, f"support-code:{CODE}", "") in noted(identity)
    assert identity.call("find_persons", support_code="unheard-of") == {"persons": []}


def test_of_one_person_only_the_newest_codes_are_kept(identity: Any) -> None:
    person_id, other = identity.person(), identity.person("boris@example.org")
    identity.call("note_support_code", code="of-another", person_id=other)
    for number in range(60):
        identity.clock.advance(timedelta(seconds=1))
        identity.call("note_support_code", code=f"code-{number:04}", person_id=person_id)
    kept = sorted(code for code, _ in identity.tables.support_codes.rows)
    assert kept == [*(f"code-{number:04}" for number in range(10, 60)), "of-another"]
    identity.clock.advance(timedelta(days=91))
    identity.store.transact(sweep, Sweep())
    assert identity.tables.support_codes.rows == {}


def test_a_person_is_shown_in_clear_for_a_reason_that_is_kept(identity: Any) -> None:
    person_id = identity.member(OWN)["person_id"]
    identity.call("update_profile", person_id=person_id, full_name="Иванова Анна", phone=None)
    shown = identity.call("show_person", person_id=person_id, **WHY)
    assert (shown["email"], shown["full_name"]) == ("anna@example.org", "Иванова Анна")
    assert [one["device"] for one in shown["sessions"]] == ["Firefox"]
    assert noted(identity, "person_shown") == [("person_shown", person_id, "", "call 17")]


def test_a_dry_run_shows_nothing_and_notes_nothing(identity: Any) -> None:
    person_id = identity.person()
    shown = identity.call("show_person", person_id=person_id, dry_run=True, **WHY)
    assert shown == {"person_id": person_id, "dry_run": True}
    assert noted(identity) == []
    unknown = {"person_id": str(uuid4()), "dry_run": True, **WHY}
    assert refusal_of(identity.call, "show_person", **unknown).code == "person_not_found"


def test_no_view_is_noted_without_being_seen(identity: Any) -> None:
    unknown = str(uuid4())
    assert refusal_of(identity.call, "show_person", person_id=unknown, **WHY).code == (
        "person_not_found"
    )
    assert noted(identity) == []


def test_unblocking_lets_the_right_password_in_at_once(identity: Any) -> None:
    person_id = identity.member(OWN)["person_id"]
    cafe = {"ip": "198.51.100.1"}
    for _ in range(12):
        refusal_of(identity.sign_in, "guess", **cafe)
    identity.call("unblock", person_id=person_id, dry_run=True, **WHY)
    assert refusal_of(identity.sign_in, OWN, **cafe).code == "too_many_attempts"
    assert identity.call("unblock", person_id=person_id, **WHY) == {"person_id": person_id}
    assert identity.sign_in(OWN, **cafe)["person_id"] == person_id
    assert noted(identity, "unblocked") == [("unblocked", person_id, "", "call 17")]


def test_sessions_are_ended_on_every_device(identity: Any) -> None:
    session = identity.member(OWN)
    person_id, token = session["person_id"], identity.sign_in(OWN)["token"]
    identity.call("end_sessions_of", person_id=person_id, dry_run=True, **WHY)
    identity.call("authenticate", token=token)
    identity.call("end_sessions_of", person_id=person_id, **WHY)
    assert refusal_of(identity.call, "authenticate", token=token).code == "session_expired"
    assert noted(identity, "sessions_ended") == [("sessions_ended", person_id, "", "call 17")]


def test_who_has_no_password_yet_gets_the_temporary_one_again(identity: Any) -> None:
    person_id = identity.person()
    checked = identity.call("resend_letter", person_id=person_id, dry_run=True, **WHY)
    assert checked["letter"] == "temporary_password"
    assert not any(isinstance(event, TemporaryPasswordRequested) for event in identity.events())
    assert identity.call("resend_letter", person_id=person_id, **WHY)["letter"] == (
        "temporary_password"
    )
    assert isinstance(identity.events()[-1], TemporaryPasswordRequested)
    assert noted(identity) == [("letter_resent", person_id, "temporary_password", "call 17")]


def test_who_has_a_password_gets_a_recovery_whatever_strangers_did(identity: Any) -> None:
    person_id = identity.member(OWN)["person_id"]
    for _ in range(5):
        identity.call("request_password_reset", email="anna@example.org", ip="203.0.113.9")
    assert identity.call("resend_letter", person_id=person_id, **WHY)["letter"] == "recovery_link"
    event = identity.events()[-1]
    assert isinstance(event, PasswordResetRequested)
    assert str(event.person_id) == person_id


def test_the_code_of_a_registration_goes_to_its_address_again(identity: Any) -> None:
    registration_id = identity.start("new@example.org")
    assert refusal_of(identity.call, "resend_letter", email="who@example.org", **WHY).code == (
        "registration_not_found"
    )
    sent = identity.call("resend_letter", email="NEW@example.org", **WHY)
    assert sent["letter"] == "registration_code"
    last = identity.store.log[-1]
    assert isinstance(last.event, RegistrationCodeRequested)
    assert last.originator_id == UUID(registration_id)


@pytest.mark.parametrize("given", [{}, {"person_id": str(uuid4()), "email": "a@example.org"}])
def test_a_letter_is_for_one_of_the_two(identity: Any, given: dict[str, str]) -> None:
    assert refusal_of(identity.call, "resend_letter", **given, **WHY).code == "person_or_email"


def test_names_are_masked_and_leave_out_who_is_unknown(identity: Any) -> None:
    person_id = identity.person()
    identity.call("update_profile", person_id=person_id, full_name="анна-мария О'Нил", phone=None)
    asked = identity.call("names", person_ids=[person_id, str(uuid4())])
    assert asked == {"names": {person_id: {"name": "А. О.", "email": "a***@example.org"}}}


def test_a_person_sees_what_happened_to_his_access_and_not_which_clerk(identity: Any) -> None:
    person_id = identity.member(OWN)["person_id"]
    identity.call("find_persons", person_ids=[person_id])
    identity.call("show_person", person_id=person_id, **WHY)
    identity.call("end_sessions_of", person_id=person_id, **WHY)
    [ended, shown] = identity.call("security_log", person_id=person_id, limit=2)["entries"]
    assert (ended["action"], ended["by"]) == ("sessions_ended", "staff")
    assert shown["action"] == "person_shown"
    assert "ivanova" not in str((ended, shown))
    assert "call 17" not in str((ended, shown))


def test_what_a_person_does_with_his_access_is_in_his_security_log(identity: Any) -> None:
    with context.bind(actor=context.ANONYMOUS):
        session = identity.member(OWN)
        person_id = session["person_id"]
        away = identity.sign_in(OWN, ip="198.51.100.1")
        identity.call(
            "end_session",
            person_id=person_id,
            session_id=away["session_id"],
            by_session_id=session["session_id"],
        )
    entries = identity.call("security_log", person_id=person_id, limit=10)["entries"]
    assert [(entry["action"], entry["about"], entry["by"]) for entry in entries] == [
        ("session_ended", "", "anonymous"),
        ("signed_in_from_new_device", "password", "you"),
        ("password_changed", "", "anonymous"),
        ("signed_in", "password", "you"),
    ]


def test_a_lost_mailbox_is_replaced_after_a_delay_in_which_it_can_refuse(identity: Any) -> None:
    person_id = identity.member(OWN)["person_id"]
    other = identity.person("boris@example.org")
    new = {"person_id": person_id, "email": "Anna.New@example.org", **WHY}
    assert identity.call("restore_access", dry_run=True, **new)["due_at"] is None
    assert noted(identity, "access_restored") == []
    started = identity.call("restore_access", **new)
    assert started["due_at"] > identity.clock.now().isoformat()
    assert noted(identity, "access_restored") == [("access_restored", person_id, "", "call 17")]
    assert identity.sign_in(OWN)["person_id"] == person_id
    for dry_run in (True, False):
        taken = {**new, "email": "boris@example.org", "dry_run": dry_run}
        assert refusal_of(identity.call, "restore_access", **taken).code == "email_taken"
    assert other != person_id


def test_a_second_factor_that_is_lost_is_taken_away_and_noted(identity: Any) -> None:
    anna = Member(identity)
    own_id = anna.session["person_id"]
    who = {"person_id": own_id, **WHY}
    for dry_run in (True, False):
        refused = refusal_of(identity.call, "reset_second_factor", dry_run=dry_run, **who)
        assert refused.code == "second_factor_missing"
    anna.add_totp()
    identity.call("reset_second_factor", dry_run=True, **who)
    assert noted(identity, "second_factor_reset") == []
    identity.call("reset_second_factor", **who)
    [(action, person_id, _, reason)] = noted(identity, "second_factor_reset")
    assert (action, person_id, reason) == ("second_factor_reset", own_id, "call 17")


def test_who_tries_addresses_is_noted_without_them(identity: Any) -> None:
    assert identity.call("find_persons", email="nobody@example.org")["persons"] == []
    assert noted(identity, "person_missed") == [("person_missed", None, "email", "")]
