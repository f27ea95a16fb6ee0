"""Taking a cabinet back puts everybody else out: their places, and the address they ask for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from identity_steps import email_links

from services.identity.domain import SignedInFromNewDevice
from services.identity.email_change import EndEmailChanges, end_email_changes
from services.identity.link_aggregates import PasswordResetRequested
from services.identity.staff_acts import ActOnPerson, end_sessions

OWN, NEW = "длинная фраза 1", "совсем другая фраза"
OLD, THIEFS = "anna@example.org", "thief@example.org"
THERE = "198.51.100.9"


class Accounts:
    """Accounts as identity asks it: the proof is right."""

    def call(self, *_: Any, **__: Any) -> dict[str, bool]:
        return {"proven": True}


def recover(identity: Any, owner: Any) -> None:
    identity.call("request_password_reset", email=OLD, ip=THERE)
    reset_id = str(identity.store.log[-1].originator_id)
    token = identity.call("issue_reset_link", reset_id=reset_id)["token"]
    identity.call("confirm_password_reset", token=token, new_password=NEW, ip=THERE)


def change_password(identity: Any, owner: Any) -> None:
    identity.call(
        "change_password",
        person_id=owner["person_id"],
        session_id=owner["session_id"],
        current_password=OWN,
        new_password=NEW,
    )


def end_others(identity: Any, owner: Any) -> None:
    identity.call(
        "end_other_sessions", person_id=owner["person_id"], session_id=owner["session_id"]
    )


def ask_staff(identity: Any, owner: Any) -> None:
    command = ActOnPerson(person_id=UUID(owner["person_id"]), reason="asked", dry_run=False)
    identity.store.transact(end_sessions, command)


def begin_change(identity: Any, session: Any) -> dict[str, Any]:
    identity.service.services = Accounts()
    identity.call(
        "request_email_change",
        person_id=session["person_id"],
        session_id=session["session_id"],
        email=THIEFS,
        current_password=OWN,
        ip=THERE,
        number="0100000001",
        proof="K7M2-9QXD",
    )
    change_id = str(identity.store.log[-1].originator_id)
    links = email_links(identity, change_id)
    identity.call("confirm_email_change", token=links["new_token"], ip=THERE)
    return links


def address_after_the_delay(identity: Any, session: Any) -> str:
    identity.clock.advance(timedelta(days=3, minutes=1))
    identity.store.transact(end_email_changes, EndEmailChanges())
    return str(identity.call("contact", person_id=session["person_id"])["email"])


WAYS = [recover, change_password, end_others, ask_staff]


@pytest.mark.parametrize("take_back", WAYS)
def test_the_change_of_another_session_ends(
    identity: Any, take_back: Callable[[Any, Any], None]
) -> None:
    owner = identity.member(OWN)
    thief = identity.sign_in(OWN, ip=THERE)
    begin_change(identity, thief)
    take_back(identity, owner)
    assert address_after_the_delay(identity, owner) == OLD


@pytest.mark.parametrize("keep", [change_password, end_others])
def test_the_change_of_this_session_goes_on(
    identity: Any, keep: Callable[[Any, Any], None]
) -> None:
    owner = identity.member(OWN)
    begin_change(identity, owner)
    keep(identity, owner)
    assert address_after_the_delay(identity, owner) == THIEFS


@pytest.mark.parametrize("take_back", WAYS)
def test_the_places_of_others_are_strange_again(
    identity: Any, take_back: Callable[[Any, Any], None]
) -> None:
    owner = identity.member(OWN)
    thief = identity.sign_in(OWN, device="Thief", ip=THERE)
    take_back(identity, owner)
    networks = identity.tables.networks.rows
    assert len(networks) == (1 if take_back in (change_password, end_others) else 0)
    password = OWN if take_back in (end_others, ask_staff) else NEW
    identity.sign_in(password, device="Thief", ip=THERE, device_token=thief["device_token"])
    strangers = [event for event in identity.events() if isinstance(event, SignedInFromNewDevice)]
    assert len(strangers) == 2


def test_a_refusal_of_the_old_mailbox_forgets_every_place_and_begins_a_recovery(
    identity: Any,
) -> None:
    identity.member(OWN)
    links = begin_change(identity, identity.sign_in(OWN, ip=THERE))
    identity.call("refuse_email_change", token=links["old_token"], ip=THERE)
    assert identity.tables.devices.rows == {}
    assert identity.tables.networks.rows == {}
    assert isinstance(identity.events()[-1], PasswordResetRequested)
