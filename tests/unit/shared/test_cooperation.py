"""Cooperative yielding: a loop lets other greenlets run, where a process has any."""

from __future__ import annotations

from collections.abc import Iterator

import eventlet
import pytest

from shared import cooperation
from shared.cooperation import cooperatively


@pytest.fixture
def of_greenlets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make this a process of greenlets, where a loop yields after each item."""
    monkeypatch.setattr(cooperation, "SLICE_SECONDS", 0)
    cooperation.set_switch(eventlet.sleep)
    yield
    cooperation.set_switch(None)


@pytest.mark.usefixtures("of_greenlets")
def test_another_greenlet_runs_between_the_items() -> None:
    order: list[str] = []

    def other() -> None:
        for name in "ab":
            order.append(name)
            eventlet.sleep()

    eventlet.spawn(other)
    order.extend(str(item) for item in cooperatively(range(1, 4)))
    assert order == ["1", "a", "2", "b", "3"]


@pytest.mark.usefixtures("of_greenlets")
def test_a_loop_does_not_yield_before_its_slice_is_used_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cooperation, "SLICE_SECONDS", 3_600)
    ran: list[bool] = []
    eventlet.spawn(ran.append, True)
    assert list(cooperatively(range(1_000))) == list(range(1_000))
    assert ran == []
    eventlet.sleep()


def test_without_a_switch_the_items_are_the_very_same() -> None:
    items = [1, 2, 3]
    assert cooperatively(items) is items
