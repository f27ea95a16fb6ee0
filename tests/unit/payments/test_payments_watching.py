"""A payer who comes back sees what takes a moment: it is waited for, but not for long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID, uuid4

import psycopg
import pytest
from payment_doubles import PERSON, Harness

from services.payments.callback import ANSWER_S, POSTED_S, refresh_own
from services.payments.events import Line
from services.payments.scheduling import may_ask
from services.payments.state import State
from services.payments.watching import MOST, Watch
from tests.waiting import eventually

ONE = Line("0001", 450_000, 1_250)
ID = uuid4()


class Waits:
    """Notes what is waited for; each wait ends with the next of what happens meanwhile."""

    def __init__(self, harness: Harness, *happens: Callable[[], Any]) -> None:
        self._harness = harness
        self.states: list[str] = []
        self.seconds: list[float] = []
        self._happens = list(happens)

    def __call__(self, payment_id: UUID, state: State, seconds: float) -> State | None:
        self.states.append(state.value)
        self.seconds.append(seconds)
        if not self._happens:
            return None
        self._happens.pop(0)()
        return State(self._harness.tables.payments[payment_id]["state"])


def look(harness: Harness, started: dict[str, Any], waits: Waits) -> str:
    payment_id = UUID(started["payment_id"])
    shown = refresh_own(harness.store, harness.acquirers, PERSON, payment_id, waits)
    return str(shown["state"])


def test_look_waits_until_what_is_charged_is_posted(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.acquirer.pay(harness.number(started))
    waits = Waits(harness, lambda: harness.ledger_posts(started["payment_id"], "0001", 41))
    assert look(harness, started, waits) == "completed"
    assert waits.states == ["captured"]
    assert waits.seconds[0] <= POSTED_S


def test_look_waits_while_a_callback_has_the_bank_asked_and_asks_no_second_time(
    harness: Harness,
) -> None:
    started = harness.start(ONE)
    number = harness.number(started)
    harness.store.transact(may_ask, number)  # a callback begins
    harness.acquirer.pay(number)
    waits = Waits(
        harness,
        lambda: harness.advance(seconds=3),
        lambda: harness.call_back(started),
        lambda: harness.ledger_posts(started["payment_id"], "0001", 41),
    )
    assert look(harness, started, waits) == "completed"
    assert waits.states == ["awaiting_payment", "awaiting_payment", "captured"]
    assert waits.seconds[0] <= ANSWER_S
    assert len(harness.acquirer.polled) == 1


def test_look_at_what_the_payer_has_not_finished_waits_for_nothing(harness: Harness) -> None:
    started = harness.start(ONE)
    waits = Waits(harness)
    assert look(harness, started, waits) == "awaiting_payment"
    assert waits.states == []


def test_look_ends_with_what_is_there_when_nothing_changes(harness: Harness) -> None:
    started = harness.start(ONE)
    harness.acquirer.pay(harness.number(started))
    waits = Waits(harness)
    assert look(harness, started, waits) == "captured"
    assert waits.states == ["captured"]


class Log:
    """A store whose payments have the states that they are given, and whose appends are told."""

    def __init__(self, **states: str) -> None:
        self.states = dict.fromkeys([ID], "captured") | cast(Any, states)
        self.listened = 0
        self.breaks = False
        self._appended = threading.Event()

    @contextmanager
    def appends(self) -> Iterator[Callable[[float], None]]:
        self.listened += 1
        if self.breaks:
            raise psycopg.OperationalError

        def wait(seconds: float) -> None:
            self._appended.wait(seconds)
            self._appended.clear()

        yield wait

    def look(self, handler: Callable[[Any], Any]) -> Any:
        class Read:
            @staticmethod
            def states(ids: list[UUID]) -> dict[UUID, str]:
                return {id_: self.states[id_] for id_ in ids if id_ in self.states}

        class Session:
            read = Read

        return handler(Session)

    def post(self) -> None:
        self.states[ID] = "completed"
        self._appended.set()


def wait(watch: Watch, log: Log, seconds: float = 10.0, payment: UUID = ID) -> State | None:
    return watch.wait(cast(Any, log), payment, State.CAPTURED, seconds)


def test_all_who_wait_are_woken_by_one_listener() -> None:
    watch, log = Watch(), Log()
    with ThreadPoolExecutor(5) as pool:
        waiting = [pool.submit(wait, watch, log) for _ in range(5)]
        eventually(lambda: log.listened == 1, "the first one listens")
        log.post()
        assert {one.result() for one in waiting} == {State.COMPLETED}
    assert log.listened == 1


def test_payment_that_has_changed_already_is_not_waited_for_in_vain() -> None:
    watch, log = Watch(), Log()
    log.states[ID] = "completed"
    assert wait(watch, log)


def test_wait_ends_in_time_when_nothing_changes_or_nobody_can_listen() -> None:
    log = Log()
    assert not wait(Watch(), log, 0.1)
    log.breaks = True
    assert not wait(Watch(), log, 0.1)


def test_one_too_many_does_not_wait() -> None:
    watch, log = Watch(), Log()
    with ThreadPoolExecutor(MOST) as pool:
        waiting = [pool.submit(wait, watch, log) for _ in range(MOST)]
        eventually(lambda: sum(map(len, watch._waiting.values())) == MOST, "all wait")
        assert not wait(watch, log, payment=uuid4())
        log.post()
        assert {one.result() for one in waiting} == {State.COMPLETED}


@pytest.mark.parametrize("breaks", [True, False])
def test_watch_listens_again_after_its_connection_was_lost(*, breaks: bool) -> None:
    watch, log = Watch(), Log()
    log.breaks = breaks
    wait(watch, log, 0.05)
    log.breaks = False
    log.post()
    assert wait(watch, log)
