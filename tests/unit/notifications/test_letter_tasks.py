"""The tasks of a worker process: connections, their lanes and pauses, the renewal of claims."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from threading import Event
from typing import Any, cast
from uuid import uuid4

import pytest
from letter_doubles import SETTINGS, START, Harness
from prometheus_client import REGISTRY

from services.notifications import application, jobs, tasks
from services.notifications.application import ClaimLetters
from services.notifications.claims import Claims
from services.notifications.requests import Lane, LetterRequest
from services.notifications.slow_domains import WAITS, SlowDomains
from shared.contracts.notifications import LetterKind
from shared.smtp import ServerUnavailableError


class Stop:
    """A stop signal that ends a task after some waits, and notes them."""

    def __init__(self, after: int) -> None:
        self.waits: list[float] = []
        self._after = after

    def is_set(self) -> bool:
        return len(self.waits) >= self._after

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return self.is_set()


class Deliveries:
    """A delivery with the set results."""

    def __init__(self, *results: int | Exception) -> None:
        self._results = list(results)

    def deliver(self) -> int:
        result = self._results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result


@pytest.mark.parametrize(
    ("connections", "lanes"),
    [(1, [Lane.BULK]), (3, [Lane.PERSONAL, Lane.BULK, Lane.BULK])],
)
def test_one_connection_of_several_takes_no_bulk_letters(
    monkeypatch: pytest.MonkeyPatch, connections: int, lanes: list[Lane]
) -> None:
    lowest: list[Lane] = []

    def delivery(*_: object, **named: Any) -> None:
        lowest.append(named["lowest"])

    monkeypatch.setattr(tasks, "Delivery", delivery)
    monkeypatch.setattr(tasks, "keep_delivering", lambda *_: None)
    services = Harness()
    services.stop = Stop(1)  # type: ignore[attr-defined]
    services.appended = Stop(1)  # type: ignore[attr-defined]
    made = tasks.tasks(replace(SETTINGS, mail_connections=connections))
    for task in made:
        task.run(services)
    assert lowest == lanes
    assert len({task.name for task in made}) == connections + 1


def keep_delivering(stop: Stop, *results: int | Exception) -> list[float]:
    run: Callable[[Any, Any], None] = tasks.keep_delivering
    run(Deliveries(*results), stop)
    return stop.waits


def test_it_goes_on_at_once_while_there_are_letters() -> None:
    assert keep_delivering(Stop(1), 10, 10, 0) == [tasks.POLL_S]


def test_it_looks_at_once_when_it_is_woken_and_waits_a_moment_for_more() -> None:
    stop, woken = Stop(1), Event()

    class Queueing(Deliveries):
        def deliver(self) -> int:
            woken.set()  # after the look: it must not be lost
            return super().deliver()

    tasks.keep_delivering(cast(Any, Queueing(0, 0)), cast(Any, stop), woken)
    assert stop.waits == [tasks.GATHER_S]


def test_it_waits_longer_while_there_is_no_mail_server() -> None:
    gone = ServerUnavailableError("no connection")
    waits = keep_delivering(Stop(6), gone, gone, gone, gone, 0, gone)
    assert waits == [*tasks.BACK_OFF_S, tasks.BACK_OFF_S[-1], tasks.POLL_S, tasks.BACK_OFF_S[0]]


def test_only_claims_that_are_held_are_renewed() -> None:
    harness, claims = Harness(), Claims()
    for _ in range(2):
        request = LetterRequest(letter_id=uuid4(), kind=LetterKind.PASSWORD_CHANGED)
        harness.store.transact(application.queue_letters, [request])
    held, given_up = (
        harness.store.transact(
            application.claim_letters, ClaimLetters(claim=uuid4(), lowest=Lane.BULK, limit=1)
        )[0]
        for _ in range(2)
    )
    with claims.held(held.claim):
        harness.clock.advance(timedelta(seconds=10))
        assert claims.renew(harness) == 1
    assert claims.renew(harness) == 0
    until = {row.letter_id: row.next_attempt_at for row in harness.queued}
    assert until[held.letter_id] - until[given_up.letter_id] == timedelta(seconds=10)


def test_a_domain_waits_longer_each_time_in_a_row_until_it_accepts() -> None:
    slow, now = SlowDomains(), START
    for wait in (*WAITS, WAITS[-1]):
        slow.defer("a@Slow.example", now)
        slow.defer("b@slow.example", now)  # found out by another connection
        assert slow.waits_until("c@slow.example", now) == now + wait
        assert slow.waits_until("a@quick.example", now) is None
        now += wait
        assert slow.waits_until("c@slow.example", now) is None
    slow.accept("a@slow.example")
    slow.defer("a@slow.example", now)
    assert slow.waits_until("a@slow.example", now) == now + WAITS[0]


def test_the_metrics_have_what_waits_in_each_lane() -> None:
    harness = Harness()
    for kind, count in ((LetterKind.PASSWORD_CHANGED, 2), (LetterKind.BILL_READY, 3)):
        requests = [LetterRequest(letter_id=uuid4(), kind=kind) for _ in range(count)]
        harness.store.transact(application.queue_letters, requests)
        harness.clock.advance(timedelta(seconds=60))
    assert jobs.measure_outbox(harness) == 0
    shown = {
        lane: tuple(
            REGISTRY.get_sample_value(name, {"lane": lane})
            for name in (
                "saldo_letters_waiting",
                "saldo_letters_late",
                "saldo_letters_waiting_seconds",
            )
        )
        for lane in ("secret", "personal", "bulk")
    }
    assert shown == {"secret": (0, 0, 0), "personal": (2, 2, 120), "bulk": (3, 0, 60)}
