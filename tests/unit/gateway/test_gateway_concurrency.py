"""Reads side by side: which error is heard, what is waited for, and what is asked only once."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import eventlet
import pytest
from eventlet.event import Event
from gateway_doubles import FakeServices

from gateway.cabinet.asked_once import AskedOnce
from gateway.concurrently import all_of
from shared.errors import Unavailable

COMMAND = UUID(int=1)


def test_results_come_in_the_order_of_the_thunks() -> None:
    later = Event()

    def first() -> str:
        return str(later.wait())

    def second() -> str:
        later.send("first")
        return "second"

    assert all_of([first, second]) == ["first", "second"]


def test_an_error_does_not_wait_for_what_stands_after_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    never = Event()

    def refuse() -> None:
        raise PermissionError

    with pytest.raises(PermissionError):
        all_of([refuse, never.wait])
    never.send_exception(LookupError)
    eventlet.sleep(0)
    assert capsys.readouterr().err == "", "the hub printed an error that was handled"


def services_answering(answer: Any) -> FakeServices:
    services = FakeServices()
    services.answers["accounts", "linked"] = answer
    services.answers["accounts", "unlink"] = None
    return services


def test_equal_reads_of_a_page_share_a_call_that_is_under_way() -> None:
    answer = Event()
    services = services_answering(lambda **_: answer.wait())
    asked = AskedOnce(services, {})
    reads = [eventlet.spawn(asked.call, "accounts", "linked", person_id=who) for who in "aab"]
    eventlet.sleep(0)
    answer.send("found")
    assert [read.wait() for read in reads] == ["found"] * 3
    assert [call[2] for call in services.calls] == [{"person_id": "a"}, {"person_id": "b"}]


def test_whatever_was_read_before_a_command_is_read_anew() -> None:
    services = services_answering("found")
    asked = AskedOnce(services, {})
    for _ in range(2):
        asked.call("accounts", "linked", person_id="a")
    asked.call("accounts", "unlink", command_id=COMMAND, number="1")
    asked.call("accounts", "linked", person_id="a")
    assert [call[1] for call in services.calls] == ["linked", "unlink", "linked"]
    assert services.command_ids == [None, COMMAND, None]


def test_a_failed_read_is_raised_to_all_and_asked_anew() -> None:
    answer = Event()
    services = services_answering(lambda **_: answer.wait())
    asked = AskedOnce(services, {})
    reads = [eventlet.spawn(asked.call, "accounts", "linked") for _ in range(2)]
    eventlet.sleep(0)
    answer.send_exception(LookupError("gone"))
    for read in reads:
        with pytest.raises(LookupError):
            read.wait()
    services.answers["accounts", "linked"] = "found"
    assert asked.call("accounts", "linked") == "found"
    assert len(services.calls) == 2


def test_a_read_of_a_page_is_waited_for_a_shorter_time_than_a_command() -> None:
    services = FakeServices()
    services.answers |= dict.fromkeys(
        [("accounts", "linked"), ("accounts", "unlink"), ("payments", "payment")]
    )
    asked = AskedOnce(services, {}, read_seconds=1.5)
    asked.call("accounts", "linked")
    asked.call("accounts", "unlink", command_id=COMMAND)
    asked.call("payments", "payment", deadline=20.0)
    assert services.deadlines == [1.5, 5.0, 20.0]


def test_no_call_outlasts_its_page() -> None:
    services = FakeServices()
    services.answers["payments", "start"] = None
    AskedOnce(services, {}, time.monotonic() + 10).call(
        "payments", "start", deadline=20.0, command_id=COMMAND
    )
    [deadline] = services.deadlines
    assert deadline <= 10


def test_a_page_that_is_out_of_time_asks_nobody_and_says_so() -> None:
    services = FakeServices()
    with pytest.raises(Unavailable) as refused:
        AskedOnce(services, {}, time.monotonic()).call("accounts", "linked")
    assert refused.value.code == "page_timed_out"
    assert services.calls == []


def test_a_service_that_outlasts_the_page_leaves_it_out_of_time() -> None:
    services = services_answering(None)
    ends_at = time.monotonic() + 0.05

    def hang(**_: Any) -> None:
        while time.monotonic() < ends_at:
            eventlet.sleep(0)
        raise Unavailable("service_unavailable", "no reply")

    services.answers["accounts", "unlink"] = hang
    with pytest.raises(Unavailable) as refused:
        AskedOnce(services, {}, ends_at).call("accounts", "unlink", command_id=COMMAND)
    assert refused.value.code == "page_timed_out"
