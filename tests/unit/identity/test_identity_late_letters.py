"""Letters that are delivered days after they were asked for: what they carry works."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from identity_steps import refusal_of

from services.identity.domain import SignInLinkRequested
from services.identity.email_change import EndEmailChanges, end_email_changes
from services.identity.limits import EMAIL_CHANGE_DELAY
from services.identity.sweeping import Sweep, sweep
from shared.letters import LETTER_LIFE

IP = "203.0.113.7"
OWN = "длинная фраза 1"
NEW = "другая фраза 2"
LATE = LETTER_LIFE - timedelta(minutes=1)


class Accounts:
    """Accounts, for which every bill is the right one."""

    def call(self, service: str, method: str, **given: Any) -> dict[str, bool]:
        assert (service, method) == ("accounts", "prove")
        return {"proven": True}


@pytest.fixture(autouse=True)
def _accounts(identity: Any) -> None:
    identity.service.services = Accounts()


def wait(identity: Any, time: timedelta) -> None:
    """Let a time pass with its jobs."""
    identity.clock.advance(time)
    identity.store.transact(sweep, Sweep())
    identity.store.transact(end_email_changes, EndEmailChanges())


def request_change(identity: Any, session: Any, **proof: Any) -> str:
    identity.call(
        "request_email_change",
        person_id=session["person_id"],
        session_id=session["session_id"],
        email="anna.new@example.org",
        current_password=OWN,
        ip=IP,
        **proof,
    )
    return str(identity.store.log[-1].originator_id)


def link(identity: Any, change_id: str, side: str) -> Any:
    return identity.call("issue_email_link", change_id=change_id, side=side)


def confirm(identity: Any, token: str) -> str:
    return str(identity.call("confirm_email_change", token=token, ip=IP)["status"])


def test_a_recovery_works_that_was_written_days_later(identity: Any) -> None:
    identity.member(OWN)
    identity.call("request_password_reset", email="anna@example.org", ip=IP)
    reset_id = str(identity.store.log[-1].originator_id)
    wait(identity, LATE)
    token = identity.call("issue_reset_link", reset_id=reset_id)["token"]
    wait(identity, timedelta(minutes=59))
    asked = {"token": token, "new_password": NEW, "ip": IP}
    assert identity.call("confirm_password_reset", **asked) == {}


def test_a_link_that_signs_in_works_that_was_written_days_later(identity: Any) -> None:
    session = identity.member(OWN)
    for number in range(101):
        refusal_of(identity.sign_in, "guess", ip=f"198.51.100.{number}")
    assert refusal_of(identity.sign_in, OWN, ip="192.0.2.1").code == "sign_in_by_letter"
    (letter,) = [one for one in identity.events() if isinstance(one, SignInLinkRequested)]
    wait(identity, LATE)
    token = identity.call("issue_sign_in_link", link_id=str(letter.link_id))["token"]
    wait(identity, timedelta(minutes=29))
    entered = identity.call("sign_in_by_link", token=token, device="Firefox", ip="192.0.2.1")
    assert entered["person_id"] == session["person_id"]


def test_a_code_works_that_was_written_days_later(identity: Any) -> None:
    registration_id = identity.start("boris@example.org")
    wait(identity, timedelta(days=2, hours=23))
    code = identity.call("issue_registration_code", registration_id=registration_id)["code"]
    wait(identity, timedelta(minutes=14))
    assert identity.confirm(registration_id, code)["status"] == "confirmed"


def test_both_links_work_that_were_written_days_apart(identity: Any) -> None:
    change_id = request_change(identity, identity.member(OWN))
    wait(identity, timedelta(hours=1))
    new = link(identity, change_id, "new")["token"]
    wait(identity, LATE - timedelta(hours=1))
    old = link(identity, change_id, "old")["token"]
    wait(identity, timedelta(hours=23))
    assert confirm(identity, new) == "waits_for_old"
    assert confirm(identity, old) == "changed"


def test_another_letter_replaces_the_link_of_its_own_mailbox_alone(identity: Any) -> None:
    change_id = request_change(identity, identity.member(OWN))
    old = link(identity, change_id, "old")["token"]
    first, second = (link(identity, change_id, "new")["token"] for _ in range(2))
    assert refusal_of(confirm, identity, first).code == "email_link_not_found"
    assert confirm(identity, second) == "waits_for_old"
    assert refusal_of(link, identity, change_id, "new").code == "email_link_not_found"
    assert confirm(identity, old) == "changed"


@pytest.mark.parametrize("late", [timedelta(hours=1), LATE])
def test_the_old_mailbox_has_the_whole_delay_from_the_delivery_of_its_letter(
    identity: Any, late: timedelta
) -> None:
    session = identity.member(OWN)
    change_id = request_change(identity, session, number="0100000001", proof="K7M2-9QXD")
    assert confirm(identity, link(identity, change_id, "new")["token"]) == "waits_for_time"
    wait(identity, late)
    old = link(identity, change_id, "old")
    wait(identity, EMAIL_CHANGE_DELAY - timedelta(minutes=1))
    assert identity.call("refuse_email_change", token=old["token"], ip=IP) == {}
    wait(identity, timedelta(days=10))
    contact = identity.call("contact", person_id=session["person_id"])
    assert contact["email"] == "anna@example.org"


def test_nothing_happens_before_the_old_mailbox_was_written_to(identity: Any) -> None:
    session = identity.member(OWN)
    change_id = request_change(identity, session, number="0100000001", proof="K7M2-9QXD")
    wait(identity, EMAIL_CHANGE_DELAY + timedelta(minutes=1))
    assert confirm(identity, link(identity, change_id, "new")["token"]) == "waits_for_time"
    wait(identity, timedelta(minutes=1))
    contact = identity.call("contact", person_id=session["person_id"])
    assert contact["email"] == "anna@example.org"
    link(identity, change_id, "old")
    wait(identity, EMAIL_CHANGE_DELAY)
    contact = identity.call("contact", person_id=session["person_id"])
    assert contact["email"] == "anna.new@example.org"
