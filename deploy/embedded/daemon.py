"""The two daemons, supervisor and watchdog: each restarts the other when it is gone.

A file lock shows whether a daemon runs: the kernel releases it when the holder ends, for whatever
reason. A daemon that finds its lock taken exits at once, so there is never a second one.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from deploy.embedded import process
from deploy.embedded.state import StateDir
from deploy.embedded.surroundings import PLAIN_ENVIRONMENT, REPOSITORY

Role = Literal["supervisor", "watchdog"]


class Daemon:
    """The supervisor or the watchdog of a state folder."""

    def __init__(self, state: StateDir, role: Role) -> None:
        self._state = state
        self.role = role
        self._child: subprocess.Popen[bytes] | None = None

    def is_running(self) -> bool:
        """Return whether a process holds the lock."""
        try:
            with self._lock_file.open("a") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def ensure(self) -> None:
        """Start the daemon unless it runs or is starting."""
        if self.is_running() or (self._child is not None and self._child.poll() is None):
            return
        self._child = process.start(
            [sys.executable, "-m", f"deploy.embedded.{self.role}", str(self._state.root)],
            record=None,
            log=self._state.log_of(self.role),
            environ=PLAIN_ENVIRONMENT,
            cwd=REPOSITORY,
        )

    def stop(self) -> None:
        """Stop the daemon and wait for its end; the processes that it watches go on."""
        while self.is_running():
            record = process.read_record(self._state.record(self.role))
            if record is not None:
                process.stop(record.identity, seconds=2.0)
            time.sleep(0.02)
        if self._child is not None:
            self._child.wait()  # it has given up its lock, or found it taken: it is ending
        process.reap()

    @contextmanager
    def hold(self) -> Iterator[bool]:
        """Hold the lock for the duration of the block; yield False if another process holds it."""
        with self._lock_file.open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            process.write_own_record(self._state.record(self.role))
            yield True

    @property
    def _lock_file(self) -> Path:
        return self._state.run / f"{self.role}.lock"
