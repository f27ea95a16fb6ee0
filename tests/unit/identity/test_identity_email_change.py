"""Changing an e-mail address: both mailboxes, or a delay in which the old one can refuse."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from identity_steps import email_links, refusal_of

from services.identity.email_change import (
    EndEmailChanges,
    RestoreAccess,
    end_email_changes,
    restore_access,
)
from services.identity.fingerprints import new_token
from services.identity.limits import EMAIL_CHANGE_LIFE
from services.identity.link_aggregates import EmailChangeEnd, EmailChangeEnded
from shared.context import ANONYMOUS, bind
from shared.email_address import parse_email
from shared.errors import Conflict, NotFound, ValidationFailed

OWN = "длинная фраза 1"
OLD, NEW = "anna@example.org", "anna.new@example.org"
IP = "203.0.113.7"


class Accounts:
    """Accounts as identity asks it: one account, one right proof."""

    def call(self, service: str, method: str, **given: Any) -> dict[str, bool]:
        assert (service, method) == ("accounts", "prove")
        return {"proven": (given["number"], given["proof"]) == ("0100000001", "K7M2-9QXD")}


@pytest.fixture
def session(identity: Any) -> Any:
    identity.service.services = Accounts()
    return identity.member(OWN)


def change(identity: Any, session: Any, email: str = NEW, **more: Any) -> dict[str, Any]:
    asked = {
        "person_id": session["person_id"],
        "session_id": session["session_id"],
        "email": email,
        "current_password": OWN,
        "ip": IP,
        **more,
    }
    identity.call("request_email_change", **asked)
    return links(identity)


def links(identity: Any) -> dict[str, Any]:
    change_id = str(identity.store.log[-1].originator_id)
    return email_links(identity, change_id)


def confirm(identity: Any, token: str) -> Any:
    return identity.call("confirm_email_change", token=token, ip=IP)


def refuse(identity: Any, token: str) -> Any:
    return identity.call("refuse_email_change", token=token, ip=IP)


def email_of(identity: Any, session: Any) -> str:
    return str(identity.call("contact", person_id=session["person_id"])["email"])


def is_alive(identity: Any, session: Any) -> bool:
    alive = identity.call("sessions", person_id=session["person_id"], ip=IP)["sessions"]
    return session["session_id"] in {entry["session_id"] for entry in alive}


@pytest.mark.parametrize("order", [("new", "old"), ("old", "new")])
def test_both_mailboxes_confirm_a_change(
    identity: Any, session: Any, order: tuple[str, str]
) -> None:
    other = identity.sign_in(OWN)
    sent = change(identity, session)
    assert (sent["old_email"], sent["new_email"], sent["due_at"]) == (OLD, NEW, None)
    first, second = (sent[f"{side}_token"] for side in order)
    assert confirm(identity, first)["status"] == f"waits_for_{order[1]}"
    assert email_of(identity, session) == OLD
    assert confirm(identity, second)["status"] == "changed"
    assert email_of(identity, session) == NEW
    assert is_alive(identity, session)
    assert not is_alive(identity, other)
    told = identity.call("changed_email", change_id=str(identity.store.log[-1].originator_id))
    assert (told["old_email"], told["new_email"]) == (OLD, NEW)
    assert identity.sign_in(OWN, NEW)
    assert refusal_of(identity.sign_in, OWN, OLD).code == "wrong_credentials"


def test_a_link_serves_once(identity: Any, session: Any) -> None:
    sent = change(identity, session)
    confirm(identity, sent["new_token"])
    refused = refusal_of(confirm, identity, sent["new_token"])
    assert (type(refused), refused.code) == (NotFound, "email_link_not_found")
    confirm(identity, sent["old_token"])
    assert refusal_of(refuse, identity, sent["old_token"]).code == "email_link_not_found"


def test_the_old_mailbox_refuses_and_whoever_asked_is_out(identity: Any, session: Any) -> None:
    sent = change(identity, session)
    confirm(identity, sent["new_token"])
    assert refuse(identity, sent["old_token"]) == {}
    assert not is_alive(identity, session)
    assert email_of(identity, session) == OLD
    pending = identity.call("pending_email_change", person_id=session["person_id"])
    assert pending == {"pending": None}


def test_the_owner_of_a_wrong_mailbox_refuses_and_nobody_is_signed_out(
    identity: Any, session: Any
) -> None:
    sent = change(identity, session)
    refuse(identity, sent["new_token"])
    assert is_alive(identity, session)
    assert refusal_of(confirm, identity, sent["old_token"]).code == "email_link_not_found"


def test_a_change_needs_the_password_and_another_address(identity: Any, session: Any) -> None:
    refused = refusal_of(change, identity, session, current_password="guess")
    assert refused.code == "wrong_current_password"
    refused = refusal_of(change, identity, session, "ANNA@example.org")
    assert (type(refused), refused.code) == (ValidationFailed, "email_unchanged")
    assert refusal_of(change, identity, session, "anna@").code == "email_invalid"


def test_requests_are_limited_for_a_person(identity: Any, session: Any) -> None:
    for number in range(5):
        change(identity, session, f"anna{number}@example.org")
    refused = refusal_of(change, identity, session)
    assert (refused.code, refused.params["policy"]) == ("too_many_attempts", "email_changes")


def test_a_known_address_looks_the_same_and_only_its_owner_learns(
    identity: Any, session: Any
) -> None:
    identity.person("boris@example.org")
    sent = change(identity, session, "boris@example.org")
    assert (sent["new_taken"], sent["new_token"]) == (True, None)
    assert not sent["old_taken"], "the old mailbox is its person's"
    assert confirm(identity, sent["old_token"])["status"] == "waits_for_new"


def test_an_address_that_was_registered_in_between_is_not_given_away(
    identity: Any, session: Any
) -> None:
    sent = change(identity, session)
    confirm(identity, sent["old_token"])
    identity.person(NEW)
    refused = refusal_of(confirm, identity, sent["new_token"])
    assert (type(refused), refused.code) == (Conflict, "email_taken")
    assert email_of(identity, session) == OLD


def test_a_newer_change_replaces_the_earlier_one(identity: Any, session: Any) -> None:
    first = change(identity, session, "anna1@example.org")
    second = change(identity, session)
    assert refusal_of(confirm, identity, first["new_token"]).code == "email_link_not_found"
    assert confirm(identity, second["new_token"])["status"] == "waits_for_old"


def test_the_person_cancels_a_change(identity: Any, session: Any) -> None:
    sent = change(identity, session)
    found = identity.call("pending_email_change", person_id=session["person_id"])["pending"]
    assert (found["email"], found["way"], found["new_confirmed"]) == (NEW, "both", False)
    identity.call("cancel_email_change", person_id=session["person_id"])
    assert refusal_of(confirm, identity, sent["new_token"]).code == "email_link_not_found"


def test_a_change_that_nobody_confirms_expires(identity: Any, session: Any) -> None:
    sent = change(identity, session)
    identity.clock.advance(EMAIL_CHANGE_LIFE)
    assert refusal_of(confirm, identity, sent["new_token"]).code == "email_link_not_found"
    assert run_job(identity) == 1
    ended = [event for event in identity.events() if isinstance(event, EmailChangeEnded)]
    assert [event.how for event in ended] == [EmailChangeEnd.EXPIRED]


def test_wrong_links_are_limited_for_a_network_but_never_a_right_one(
    identity: Any, session: Any
) -> None:
    sent = change(identity, session)
    for _ in range(30):
        assert refusal_of(confirm, identity, new_token()).code == "email_link_not_found"
    assert refusal_of(confirm, identity, new_token()).code == "too_many_attempts"
    assert confirm(identity, sent["new_token"])["status"] == "waits_for_old"


def run_job(identity: Any) -> int:
    return int(identity.store.transact(end_email_changes, EndEmailChanges()))


def test_a_bill_stands_in_for_the_old_mailbox_after_three_days(identity: Any, session: Any) -> None:
    sent = change(identity, session, number="0100000001", proof="K7M2-9QXD")
    assert sent["due_at"] == (identity.clock.now() + timedelta(days=3)).isoformat()
    assert confirm(identity, sent["new_token"])["status"] == "waits_for_time"
    identity.clock.advance(timedelta(days=2, hours=23))
    assert run_job(identity) == 0
    assert email_of(identity, session) == OLD
    identity.clock.advance(timedelta(hours=1))
    assert run_job(identity) == 1
    assert email_of(identity, session) == NEW
    assert run_job(identity) == 0


def test_the_old_mailbox_refuses_within_the_delay(identity: Any, session: Any) -> None:
    sent = change(identity, session, number="0100000001", proof="K7M2-9QXD")
    confirm(identity, sent["new_token"])
    identity.clock.advance(timedelta(days=2))
    refuse(identity, sent["old_token"])
    identity.clock.advance(timedelta(days=2))
    assert run_job(identity) == 0
    assert email_of(identity, session) == OLD


def test_a_new_mailbox_that_confirms_late_still_gets_the_change(
    identity: Any, session: Any
) -> None:
    sent = change(identity, session, number="0100000001", proof="K7M2-9QXD")
    identity.clock.advance(timedelta(days=5))
    assert run_job(identity) == 0, "nobody has confirmed that the new mailbox is read"
    assert confirm(identity, sent["new_token"])["status"] == "changed"
    assert email_of(identity, session) == NEW


def test_a_wrong_bill_starts_nothing(identity: Any, session: Any) -> None:
    before = len(identity.events())
    refused = refusal_of(change, identity, session, number="0100000001", proof="wrong")
    assert (type(refused), refused.code) == (ValidationFailed, "proof_refused")
    assert len(identity.events()) == before


def test_staff_restore_access_after_the_same_delay(identity: Any, session: Any) -> None:
    command = RestoreAccess(
        person_id=UUID(session["person_id"]),
        email=parse_email(NEW),
        email_index=identity.service._fingerprints.email(NEW),
        reason="passport shown, call 17",
    )
    started = identity.store.transact(restore_access, command)
    assert started["due_at"] == (identity.clock.now() + timedelta(days=3)).isoformat()
    sent = links(identity)
    confirm(identity, sent["new_token"])
    identity.clock.advance(timedelta(days=3))
    assert run_job(identity) == 1
    assert email_of(identity, session) == NEW
    assert not is_alive(identity, session)
    refused = refusal_of(identity.store.transact, restore_access, command)
    assert (type(refused), refused.code) == (Conflict, "email_taken")


def test_a_change_of_address_is_in_the_security_log(identity: Any, session: Any) -> None:
    with bind(actor=f"person:{session['person_id']}"):
        change(identity, session, "anna1@example.org")
        identity.call("cancel_email_change", person_id=session["person_id"])
        refused = change(identity, session, "anna2@example.org")
    with bind(actor=ANONYMOUS):
        refuse(identity, refused["new_token"])
    with bind(actor=f"person:{session['person_id']}"):
        done = change(identity, session)
    with bind(actor=ANONYMOUS):
        confirm(identity, done["old_token"])
        confirm(identity, done["new_token"])
    log = identity.call("security_log", person_id=session["person_id"], limit=6)["entries"]
    assert [(entry["action"], entry["about"], entry["by"]) for entry in log] == [
        ("email_changed", "", "anonymous"),
        ("email_change_requested", "", "you"),
        ("email_change_refused", "new", "anonymous"),
        ("email_change_requested", "", "you"),
        ("email_change_cancelled", "", "you"),
        ("email_change_requested", "", "you"),
    ]


def test_no_session_ends_a_restoration_by_staff(identity: Any, session: Any) -> None:
    change(identity, session, "thief@example.org")
    restored = {"person_id": session["person_id"], "email": NEW, "reason": "call 17"}
    identity.call("restore_access", **restored, dry_run=False)
    sent = links(identity)
    assert not is_alive(identity, session)
    again = identity.sign_in(OWN)
    cancelled = refusal_of(identity.call, "cancel_email_change", person_id=session["person_id"])
    replaced = refusal_of(change, identity, again, "thief@example.org")
    assert [cancelled.code, replaced.code] == ["email_change_of_staff"] * 2
    asked = {"person_id": session["person_id"], "session_id": again["session_id"]}
    assert identity.call("end_other_sessions", **asked) == {}
    assert identity.call("pending_email_change", person_id=session["person_id"])["pending"]
    assert refuse(identity, sent["old_token"]) == {}
    log = identity.call("security_log", person_id=session["person_id"], limit=9)["entries"]
    assert "email_change_cancelled" in [entry["action"] for entry in log]
