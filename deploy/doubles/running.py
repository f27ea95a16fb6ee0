"""Running doubles, each in a process of its own or several in one."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import FrameType
from typing import Protocol

from shared import logs


class DoubleError(Exception):
    """A double cannot be run; the text says what to do."""


class Double(Protocol):
    """A double that has its addresses already: it ends once `stopping` of `Open` is set."""

    def start(self) -> None:
        """Serve in threads; returns when it can be reached."""

    def wait(self) -> None:
        """Return when it has ended. Raises what has ended one of its threads."""


class Threads:
    """The threads of a double: all end with one that dies, so that the process is started anew."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._threads: list[threading.Thread] = []
        self._failed: BaseException | None = None

    def add(self, name: str, work: Callable[[], None]) -> None:
        """Add one that does this work; it is started with the others."""
        self._threads.append(threading.Thread(target=self._guard, args=(work,), name=name))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait for the end of all. Raises the exception that ended one of them."""
        for thread in self._threads:
            thread.join()
        if self._failed is not None:
            raise self._failed

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._failed = error
            self._stopping.set()
            raise


Open = Callable[[Mapping[str, str], threading.Event], Double]
"""Makes a double by its settings, and what is set when it is to end or one of its threads fails.

Raises DoubleError."""


def run(process: str, *doubles: Open) -> int:
    """Run doubles until SIGTERM or SIGINT, or until one fails: all end, to be started anew.

    Return the exit code.
    """
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    logs.configure(process, os.environ.get("SALDO_LOG_LEVEL") or "INFO")
    try:
        opened = [one(os.environ, stopping) for one in doubles]
    except DoubleError as error:
        print(error, file=sys.stderr)
        return 2
    with ExitStack() as running:
        try:
            for double in opened:
                if stopping.is_set():
                    break  # one has failed
                running.callback(double.wait)
                double.start()
        except BaseException:
            stopping.set()
            raise
    return 0
