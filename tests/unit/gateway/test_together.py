"""Questions that are asked while an answer is on its way go together with the next message."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID, uuid4

import eventlet
import pytest
from eventlet.event import Event

from gateway import together
from gateway.together import Together
from shared import context
from shared.errors import NotFound, Unavailable


class Service:
    """Answers each message when it is told to; it keeps what it was sent."""

    def __init__(self) -> None:
        self.messages: list[list[dict[str, Any]]] = []
        self.deadlines: list[float] = []
        self.singly: list[tuple[str, str, UUID | None]] = []
        self._held: list[Event] = []
        self.holds = False

    def call(
        self, service: str, method: str, *, command_id: UUID | None = None, **_: Any
    ) -> dict[str, Any]:
        self.singly.append((service, method, command_id))
        return {}

    def call_together(
        self, service: str, method: str, calls: list[dict[str, Any]], *, deadline: float
    ) -> list[Any]:
        self.messages.append(calls)
        self.deadlines.append(deadline)
        if self.holds:
            self._held.append(Event())
            self._held[-1].wait()
        return [_outcome(call["kwargs"]["number"]) for call in calls]

    def answer(self) -> None:
        """Let the oldest message go that is held."""
        self._held.pop(0).send(None)


def _outcome(number: str) -> dict[str, Any]:
    if number == "none":
        return {"result": None, "error": NotFound("account_not_found", "None.").as_wire()}
    return {"result": {"number": number}, "error": None}


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def asking(service: Service) -> Together:
    return Together(service)


def _ask(asking: Together, number: str, deadline: float = 5.0) -> Any:
    return asking.call("ledger", "balance", number=number, deadline=deadline)


def _numbers(service: Service) -> list[list[str]]:
    return [[call["kwargs"]["number"] for call in calls] for calls in service.messages]


def test_questions_of_one_moment_go_in_one_message(asking: Together, service: Service) -> None:
    found = [eventlet.spawn(_ask, asking, str(number)) for number in range(5)]
    assert [each.wait() for each in found] == [{"number": str(number)} for number in range(5)]
    assert _numbers(service) == [["0", "1", "2", "3", "4"]]


def test_question_is_never_answered_by_a_message_that_was_sent_before_it(
    asking: Together, service: Service
) -> None:
    service.holds = True
    first = eventlet.spawn(_ask, asking, "first")
    eventlet.sleep(0)
    eventlet.sleep(0)
    later = [eventlet.spawn(_ask, asking, number) for number in ("second", "third")]
    eventlet.sleep(0)
    assert _numbers(service) == [["first"]]
    service.answer()
    assert first.wait() == {"number": "first"}
    eventlet.sleep(0)
    assert _numbers(service) == [["first"], ["second", "third"]]
    service.answer()
    assert [each.wait()["number"] for each in later] == ["second", "third"]


def test_others_do_not_wait_for_an_answer_that_is_late(
    asking: Together, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "PATIENCE_S", 0.001)
    service.holds = True
    stuck = eventlet.spawn(_ask, asking, "stuck")
    eventlet.sleep(0)
    eventlet.sleep(0)
    eventlet.spawn(_ask, asking, "next")
    with eventlet.Timeout(5):
        while len(service.messages) < 2:
            eventlet.sleep(0.001)
    assert _numbers(service) == [["stuck"], ["next"]]
    service.answer()
    assert stuck.wait() == {"number": "stuck"}


def test_each_question_has_its_own_deadline(asking: Together, service: Service) -> None:
    service.holds = True
    patient = eventlet.spawn(_ask, asking, "patient", 60.0)
    began = time.monotonic()
    with pytest.raises(Unavailable) as late:
        _ask(asking, "hurried", 0.05)
    assert time.monotonic() - began < 5
    assert (late.value.code, late.value.params) == ("service_unavailable", {"service": "ledger"})
    # As long as somebody waits, the message is worth an answer.
    assert service.deadlines[0] > 50
    service.answer()
    assert patient.wait() == {"number": "patient"}


def test_refusal_of_one_question_is_not_heard_by_the_others(
    asking: Together, service: Service
) -> None:
    found = eventlet.spawn(_ask, asking, "1")
    with pytest.raises(NotFound) as refused:
        _ask(asking, "none")
    assert refused.value.code == "account_not_found"
    assert found.wait() == {"number": "1"}
    assert len(service.messages) == 1


def test_all_who_asked_are_told_when_the_message_fails(
    asking: Together, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise Unavailable("bus_unavailable", "No bus.")

    monkeypatch.setattr(service, "call_together", fail)
    other = eventlet.spawn(_ask, asking, "2")
    with pytest.raises(Unavailable):
        _ask(asking, "1")
    with pytest.raises(Unavailable):
        other.wait()
    monkeypatch.undo()
    assert _ask(asking, "3") == {"number": "3"}


def test_each_question_has_the_context_of_its_request(asking: Together, service: Service) -> None:
    def ask(person: str) -> Any:
        with context.bind(
            actor=f"person:{person}", correlation_id=f"journey-{person}", command_id=uuid4()
        ):
            return _ask(asking, person)

    for each in [eventlet.spawn(ask, person) for person in ("a", "b")]:
        each.wait()
    (calls,) = service.messages
    assert [(call["context"]["actor"], call["context"]["correlation_id"]) for call in calls] == [
        ("person:a", "journey-a"),
        ("person:b", "journey-b"),
    ]
    assert not any("command_id" in call["context"] for call in calls)


def test_message_holds_no_more_than_a_service_takes(
    asking: Together, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "MOST", 3)
    found = [eventlet.spawn(_ask, asking, str(number)) for number in range(7)]
    assert [each.wait()["number"] for each in found] == [str(number) for number in range(7)]
    assert [len(calls) for calls in service.messages] == [3, 3, 1]


def test_commands_and_other_methods_go_alone(asking: Together, service: Service) -> None:
    command_id = uuid4()
    asking.call("ledger", "balance", command_id=command_id, number="1")
    asking.call("ledger", "statement", number="1")
    assert service.singly == [("ledger", "balance", command_id), ("ledger", "statement", None)]
    assert not service.messages
