"""Changes of an e-mail address on a real PostgreSQL: raced, and what the tables reveal."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.identity.email_change import EndEmailChanges, end_email_changes
from tests.integration.test_identity import IP, OWN, Identity, at_once

NEW = "moved@example.org"


class Accounts:
    """Accounts as identity asks it: every proof is right."""

    def call(self, *_: str, **__: Any) -> dict[str, bool]:
        return {"proven": True}


@pytest.fixture
def identity(database: Any) -> Identity:
    made = Identity(database)
    made.service.services = Accounts()
    return made


def request(identity: Identity, session: Any, email: str = NEW, **more: Any) -> dict[str, Any]:
    """Ask for a change; return what its letters get."""
    identity.call(
        "request_email_change",
        person_id=session["person_id"],
        session_id=session["session_id"],
        email=email,
        current_password=OWN,
        ip=IP,
        **more,
    )
    with identity.database.owner("identity") as owner:
        (change_id,) = owner.execute(
            "SELECT change_id FROM email_changes WHERE person_id = %s",
            (UUID(session["person_id"]),),
        ).fetchone()
    tokens = {
        f"{side}_token": identity.call("issue_email_link", change_id=str(change_id), side=side)[
            "token"
        ]
        for side in ("new", "old")
    }
    return {**tokens, "change_id": change_id}


def confirm(identity: Identity, token: str) -> str:
    return identity.outcome("confirm_email_change", token=token, ip=IP)


def email_of(identity: Identity, session: Any) -> str:
    return str(identity.call("contact", person_id=session["person_id"])["email"])


def test_both_links_followed_at_once_change_the_address_once(identity: Identity) -> None:
    session = identity.member()
    sent = request(identity, session)
    tokens = [sent["new_token"], sent["old_token"]]
    outcomes = at_once(4, lambda n: confirm(identity, tokens[n % 2]))
    assert outcomes == ["done"] * 2 + ["email_link_not_found"] * 2
    assert email_of(identity, session) == NEW
    assert not identity.needs("email-old", sent["change_id"])


def test_a_refusal_and_a_confirmation_at_once_leave_one(identity: Identity) -> None:
    session = identity.member()
    sent = request(identity, session)
    sides = ("email-new", "email-old")
    assert [identity.needs(side, sent["change_id"]) for side in sides] == [True, True]
    assert confirm(identity, sent["new_token"]) == "done"
    assert [identity.needs(side, sent["change_id"]) for side in sides] == [False, True]
    answers = ["confirm_email_change", "refuse_email_change"]
    outcomes = at_once(2, lambda n: identity.outcome(answers[n], token=sent["old_token"], ip=IP))
    assert outcomes == ["done", "email_link_not_found"]


def test_two_persons_who_want_one_address_at_once_do_not_both_get_it(identity: Identity) -> None:
    sessions = [identity.member(f"person{n}@example.org") for n in range(2)]
    sent = [request(identity, session) for session in sessions]
    for one in sent:
        assert confirm(identity, one["old_token"]) == "done"
    outcomes = at_once(2, lambda n: confirm(identity, sent[n]["new_token"]))
    assert outcomes == ["done", "email_taken"]
    assert sorted(email_of(identity, session) == NEW for session in sessions) == [False, True]


def test_the_delay_ends_in_the_job_and_an_old_change_is_given_up(identity: Identity) -> None:
    session = identity.member()
    bill = {"number": "0100000001", "proof": "K7M2-9QXD"}
    sent = request(identity, session, **bill)
    assert confirm(identity, sent["new_token"]) == "done"
    identity.clock.advance(timedelta(days=3))
    assert identity.store.transact(end_email_changes, EndEmailChanges()) == 1
    assert email_of(identity, session) == NEW
    request(identity, session, "third@example.org", **bill)
    identity.clock.advance(timedelta(days=15))
    assert identity.store.transact(end_email_changes, EndEmailChanges()) == 1
    assert email_of(identity, session) == NEW
    assert identity.store.transact(end_email_changes, EndEmailChanges()) == 0


def test_no_table_holds_an_address_or_a_link_in_clear(identity: Identity) -> None:
    session = identity.member()
    sent = request(identity, session)
    confirm(identity, sent["old_token"])
    text = identity.all_text()
    for secret in (NEW, "anna@example.org", sent["new_token"], sent["old_token"]):
        assert secret not in text
