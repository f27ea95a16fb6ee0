"""A worker gives memory back while it works, and ends when it is told to."""

from __future__ import annotations

import gc
import os
import signal
import threading
import weakref
from collections.abc import Iterator

import pytest

from shared import allocator
from shared.bus import worker as module
from shared.bus.worker import Worker

ENDS_S = 30.0


class Cycle:
    """Something that only the collector frees."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def by_itself() -> Iterator[None]:
    """Leave the collector and the signals to the worker."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    gc.disable()
    yield
    gc.enable()
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("by_itself")
def test_a_worker_gives_back_what_it_has_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = weakref.ref(Cycle())
    found: list[object] = []

    def end() -> None:
        found.append(lost())
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(module, "TIDY_S", 0.01)
    monkeypatch.setattr(allocator, "give_back", end)
    at_last = threading.Timer(ENDS_S, os.kill, (os.getpid(), signal.SIGTERM))
    at_last.start()
    assert lost() is not None
    Worker().wait()
    at_last.cancel()
    assert found == [None]
