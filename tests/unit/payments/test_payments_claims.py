"""Starting a payment by two commits: what ends between them, and the claim that begins with one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from payment_doubles import Harness

from services.payments.acquirers import Done, NewOrder, Order, Outcome, Registration
from services.payments.events import Line
from services.payments.scheduling import CLAIM

ONE = Line("0001", 450_000, 1_250)
OTHER = Line("0001", 100, 0)


class Killed(BaseException):
    """The process ends here."""


def declined(harness: Harness) -> str:
    """Return the order of a declined payment, whose page may take another card."""
    started = harness.start(ONE)
    number = harness.number(started)
    harness.acquirer.decline(number)
    harness.call_back(started)
    return number


def undecided(harness: Harness) -> str:
    return harness.number(harness.start(ONE))


def start_and_end(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start a payment by a process that is killed right after its first commit."""
    execute = harness.store.execute

    def killed_after_commit(handler: Callable[..., Any], command: Any, **how: Any) -> Any:
        execute(handler, command, **how)
        raise Killed

    with monkeypatch.context() as killing:
        killing.setattr(harness.store, "execute", killed_after_commit)
        with pytest.raises(Killed):
            harness.start(OTHER)


def test_worker_gets_the_page_of_a_start_that_has_ended_once_its_claim_is_over(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_and_end(harness, monkeypatch)
    for seconds in (5, 25):
        harness.advance(seconds=seconds)
        harness.poll()
        assert harness.acquirer.registered == []
    harness.advance(seconds=CLAIM.total_seconds() - 30)
    harness.poll()
    assert len(harness.acquirer.registered) == 1


def test_page_of_a_declined_card_is_closed_though_a_start_ends_after_its_first_commit(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []

    def close(order: Order) -> Outcome:
        closed.append(order.order_number)
        return Done()

    number = declined(harness)
    monkeypatch.setattr(harness.acquirer, "close", close)
    start_and_end(harness, monkeypatch)
    harness.advance(seconds=46)
    harness.poll()
    assert len(harness.acquirer.registered) == 2  # the worker has got the page of the second
    assert closed == [number]


@pytest.mark.parametrize("in_the_way", [declined, undecided])
def test_claim_is_whole_when_the_order_is_registered_however_long_others_took_to_close(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, in_the_way: Callable[[Harness], str]
) -> None:
    until: list[datetime] = []
    close, register = harness.acquirer.close, harness.acquirer.register

    def close_slowly(order: Order) -> Outcome:
        harness.advance(seconds=20)
        return close(order)

    def note_claim(order: NewOrder) -> Registration:
        poll = harness.tables.polls.rows[UUID(order.order_number)]
        until.append(poll["claimed_until"])
        return register(order)

    in_the_way(harness)
    monkeypatch.setattr(harness.acquirer, "close", close_slowly)
    monkeypatch.setattr(harness.acquirer, "register", note_claim)
    harness.start(OTHER)
    assert until == [harness.clock.now() + CLAIM]
