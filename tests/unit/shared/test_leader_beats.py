"""The beats of a leader: as many as are needed to be heard, and no more."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from shared.bus import liveness
from shared.bus.liveness import BEAT_S, SILENT_S


class Leader:
    """A connection and a thread of beats on a clock of their own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, rounds: int) -> None:
        self.now = 100.0
        self.used_at = 100.0
        self.beats: list[float] = []
        self.silences: list[float] = []
        self.fails: Exception | None = None
        self.undivided = nullcontext()
        self._rounds = rounds
        self.at_work: Callable[[], None] = lambda: None
        monkeypatch.setattr(liveness, "time", SimpleNamespace(monotonic=lambda: self.now))

    def execute(self, query: str) -> None:
        assert query == "SELECT 1"
        self.beats.append(self.now)
        self.silences.append(self.now - self.used_at)
        self.used_at = self.now
        if self.fails is not None:
            raise self.fails

    def wait(self, seconds: float) -> bool:
        """Wait as the thread does for the end; whatever the leader does happens meanwhile."""
        self._rounds -= 1
        self.now += seconds
        self.at_work()
        return self._rounds < 0

    def beat(self) -> None:
        this: Any = self
        liveness._beat(this, this)


def test_leader_that_is_busy_elsewhere_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    leader = Leader(monkeypatch, rounds=5)
    leader.beat()
    assert len(leader.beats) == 5
    assert max(leader.silences) == pytest.approx(BEAT_S)
    assert 2 * BEAT_S < SILENT_S


def test_leader_that_looks_for_work_does_not_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    leader = Leader(monkeypatch, rounds=20)

    def look_once_a_second() -> None:
        leader.used_at = float(int(leader.now))

    leader.at_work = look_once_a_second
    leader.beat()
    assert leader.beats == []


def test_leader_whose_transaction_has_failed_beats_on(monkeypatch: pytest.MonkeyPatch) -> None:
    leader = Leader(monkeypatch, rounds=3)
    leader.fails = psycopg.errors.InFailedSqlTransaction("aborted")
    leader.beat()
    assert len(leader.beats) == 3


def test_leader_without_a_server_beats_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    leader = Leader(monkeypatch, rounds=3)
    leader.fails = psycopg.OperationalError("gone")
    leader.beat()
    assert len(leader.beats) == 1
