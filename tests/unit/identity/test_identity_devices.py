"""Devices and networks from which people sign in, and the letter about a new one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from identity_steps import refusal_of

from services.identity.domain import SignedInFromNewDevice
from services.identity.limits import DEVICE_LIFE, NETWORK_LIFE
from services.identity.sweeping import Sweep, sweep

OWN = "длинная фраза 1"
HOME = "203.0.113.7"
CAFE = "198.51.100.1"


def new_devices(identity: Any) -> list[str]:
    """Return the sessions that were opened on devices not known."""
    return [
        str(event.session_id)
        for event in identity.events()
        if isinstance(event, SignedInFromNewDevice)
    ]


def end(identity: Any, session: Any, by: Any) -> None:
    identity.call(
        "end_session",
        person_id=by["person_id"],
        session_id=session["session_id"],
        by_session_id=by["session_id"],
    )


def test_only_devices_after_the_first_are_written_about(identity: Any) -> None:
    first = identity.member(OWN)
    assert new_devices(identity) == []
    phone = identity.sign_in(OWN, device="Телефон")
    assert new_devices(identity) == [phone["session_id"]]
    for session in (first, phone):
        again = identity.sign_in(OWN, device_token=session["device_token"])
        assert again["device_token"] == session["device_token"]
    assert new_devices(identity) == [phone["session_id"]]


def test_a_letter_names_the_device_also_after_its_session(identity: Any) -> None:
    first, phone = identity.member(OWN), identity.sign_in(OWN, device="Телефон")
    asked = {"person_id": first["person_id"], "session_id": phone["session_id"]}
    end(identity, phone, phone)
    assert identity.call("new_device", **asked) == {"device": "Телефон"}
    boris = identity.member("другая фраза 2", "boris@example.org")
    foreign = {**asked, "person_id": boris["person_id"]}
    assert identity.call("new_device", **foreign) == {"device": ""}


def test_people_who_share_a_device_share_its_token(identity: Any) -> None:
    anna = identity.member(OWN)
    identity.member("другая фраза 2", "boris@example.org")
    boris = identity.sign_in(
        "другая фраза 2", "boris@example.org", device_token=anna["device_token"]
    )
    assert boris["device_token"] == anna["device_token"]
    assert new_devices(identity) == [boris["session_id"]]


def test_a_token_that_is_not_ours_is_replaced(identity: Any) -> None:
    identity.member(OWN)
    session = identity.sign_in(OWN, device_token="chosen by a stranger")
    assert session["device_token"] != "chosen by a stranger"
    assert new_devices(identity) == [session["session_id"]]


def test_log_out_leaves_a_device_known_and_being_ended_does_not(identity: Any) -> None:
    laptop, phone, tablet = identity.member(OWN), identity.sign_in(OWN), identity.sign_in(OWN)
    end(identity, phone, phone)
    end(identity, tablet, laptop)
    known = identity.sign_in(OWN, device_token=phone["device_token"])
    strange = identity.sign_in(OWN, device_token=tablet["device_token"])
    assert known["device_token"] == phone["device_token"]
    assert strange["device_token"] != tablet["device_token"]


def test_ending_the_other_sessions_forgets_their_devices(identity: Any) -> None:
    laptop, phone = identity.member(OWN), identity.sign_in(OWN)
    asked = {"person_id": laptop["person_id"], "session_id": laptop["session_id"]}
    identity.call("end_other_sessions", **asked)
    for session, kept in ((laptop, True), (phone, False)):
        token = session["device_token"]
        assert (identity.sign_in(OWN, device_token=token)["device_token"] == token) is kept


def test_two_sessions_of_one_device_are_ended_one_by_one(identity: Any) -> None:
    first = identity.member(OWN)
    second = identity.sign_in(OWN, device_token=first["device_token"])
    end(identity, first, second)
    again = identity.sign_in(OWN, device_token=first["device_token"])
    assert again["device_token"] == first["device_token"]


def test_places_are_forgotten_in_their_time(identity: Any) -> None:
    session = identity.member(OWN)
    assert identity.tables.networks.rows
    identity.clock.advance(NETWORK_LIFE)
    identity.store.transact(sweep, Sweep())
    assert identity.tables.networks.rows == {}
    identity.clock.advance(DEVICE_LIFE - NETWORK_LIFE - timedelta(seconds=1))
    known = identity.sign_in(OWN, device_token=session["device_token"])
    assert known["device_token"] == session["device_token"]
    identity.clock.advance(DEVICE_LIFE)
    identity.store.transact(sweep, Sweep())
    assert identity.tables.devices.rows == {}


def test_sessions_say_how_and_from_which_network_they_were_opened(identity: Any) -> None:
    here = identity.member(OWN)
    identity.clock.advance(timedelta(minutes=1))
    identity.sign_in(OWN, ip=CAFE)
    asked = {"person_id": here["person_id"], "ip": HOME}
    listed = identity.call("sessions", **asked)["sessions"]
    assert [(entry["how"], entry["same_network"]) for entry in listed] == [
        ("password", False),
        ("password", True),
    ]
    assert HOME not in str(listed)


def test_nobody_spends_the_attempts_of_another_session(identity: Any) -> None:
    owner, thief = identity.member(OWN), identity.sign_in(OWN)

    def change(session: Any, current: str) -> Any:
        return identity.call(
            "change_password",
            person_id=session["person_id"],
            session_id=session["session_id"],
            current_password=current,
            new_password="новая фраза 77",
        )

    for _ in range(10):
        assert refusal_of(change, thief, "guess").code == "wrong_current_password"
    assert refusal_of(change, thief, OWN).code == "too_many_attempts"
    assert change(owner, OWN)["token"]
