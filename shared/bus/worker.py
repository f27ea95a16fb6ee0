"""The threads of a worker process: relays, listeners and jobs, one each.

A thread that loses a node or hits a defect logs it, waits and restarts from the state in the
database: it keeps none of its own. One that meets what a newer version wrote stands down: the locks
of its task are free meanwhile, for a process of that version.
"""

from __future__ import annotations

import gc
import random
import signal
import threading
from collections.abc import Callable
from threading import Event as StopSignal

from shared import allocator, context, telemetry
from shared.bus.reader import StoppedError
from shared.eventstore.events import UnknownTopicError
from shared.ids import new_id
from shared.logs import get_logger, trace_of

log = get_logger(__name__)

RESTART_S = (0.2, 0.5, 1.0, 2.0)
STAND_DOWN_S = (2.0, 5.0, 15.0, 30.0)
"""How long a task stands down for a newer version: who waits for its lock looks twice a second."""

TIDY_S = 60.0
"""How often a worker looks for memory that it can give back: a letter or a connection that was lost
leaves cycles, and a hundred threads leave holes between what they keep."""


class Worker:
    """Runs named tasks, each in a thread, until stopped."""

    def __init__(self) -> None:
        self.stop = StopSignal()
        self._threads: list[threading.Thread] = []

    def start(self, name: str, run: Callable[[], None]) -> None:
        """Start a task in a thread that restarts it whenever it fails."""
        telemetry.TASK_RESTARTS.labels(name)
        telemetry.TASKS_STOOD_DOWN.labels(name)
        thread = threading.Thread(target=self._keep_running, args=(name, run), name=name)
        thread.start()
        self._threads.append(thread)

    def wait(self) -> None:
        """Wait for SIGTERM or SIGINT, then for the tasks to end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop.set())
        while not self.stop.wait(TIDY_S):
            gc.collect()
            allocator.give_back()
        self.join()

    def join(self) -> None:
        """Stop all tasks and wait for them."""
        self.stop.set()
        for thread in self._threads:
            thread.join(timeout=15)

    def _keep_running(self, name: str, run: Callable[[], None]) -> None:
        failures = stood_down = 0
        while not self.stop.is_set():
            try:
                with context.bind(actor=f"service:{name.split(maxsplit=1)[0]}"):
                    run()
                failures = stood_down = 0
            except StoppedError:
                return
            except UnknownTopicError as error:
                log.error("task_stands_down", task=name, topic=error.topic)  # noqa: TRY400
                telemetry.TASKS_STOOD_DOWN.labels(name).inc()
                self.stop.wait(STAND_DOWN_S[min(stood_down, len(STAND_DOWN_S) - 1)])
                stood_down += 1
            except Exception as error:  # noqa: BLE001 - logged; a worker survives every failure
                log.error(  # noqa: TRY400 - without the text, which may quote data
                    "task_failed",
                    task=name,
                    error_id=str(new_id()),
                    error=type(error).__name__,
                    trace=trace_of(error),
                )
                telemetry.TASK_RESTARTS.labels(name).inc()
                # The jitter keeps many threads from reconnecting to a restarted node at once.
                pause = RESTART_S[min(failures, len(RESTART_S) - 1)]
                self.stop.wait(pause * random.uniform(0.7, 1.3))  # noqa: S311
                failures += 1
