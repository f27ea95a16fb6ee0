"""The supervisor: starts the processes of the plan in order, and restarts those that end.

Its children outlive it. When it is killed, the watchdog starts another one, which adopts the
running children. It stops them by itself in two cases only: the state folder was deleted, or the
owner of the plan (a test run) has ended.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from pathlib import Path

from deploy.embedded import process
from deploy.embedded.daemon import Daemon
from deploy.embedded.plan import Plan, ProcessState, read_plan, write_status
from deploy.embedded.process_monitor import ProcessMonitor, log_line
from deploy.embedded.state import StateDir
from deploy.embedded.stopping import stop_processes


class Supervisor:
    """Runs the process monitors, writes the status file, and watches the watchdog."""

    def __init__(self, state: StateDir, plan: Plan) -> None:
        self._state = state
        self._plan = plan
        self._watchdog = Daemon(state, "watchdog")
        self._stopping = threading.Event()
        self._written: dict[str, ProcessState] = {}
        self._monitors: dict[str, ProcessMonitor] = {}
        for spec in (spec for level in plan.levels() for spec in level):
            ready = [self._monitors[name].ready for name in spec.requires if name in self._monitors]
            self._monitors[spec.name] = ProcessMonitor(spec, state, ready, self._stopping)

    def run(self) -> None:
        """Supervise until `down`, or until the owner ends or the state folder is deleted."""
        for monitor in self._monitors.values():
            monitor.start()
        while self._state.enabled.exists():
            if self._plan.owner is not None and not process.is_alive(self._plan.owner):
                log_line("the owner has ended: stopping everything")
                self._stop()
                return
            self._report()
            if self._plan.watchdog:
                self._watchdog.ensure()
            time.sleep(process.POLL_SECONDS)
        if not self._state.run.exists():
            self._stop()

    def _report(self) -> None:
        status = {name: monitor.seen for name, monitor in self._monitors.items()}
        if status != self._written:
            write_status(self._state.status, status)
            self._written = status

    def _stop(self) -> None:
        self._stopping.set()
        identities = {name: monitor.identity for name, monitor in self._monitors.items()}
        stop_processes(self._plan, identities)


def main(root: str) -> None:
    state = StateDir(Path(root))
    threading.excepthook = _exit_on_failure
    with Daemon(state, "supervisor").hold() as ours:
        plan = read_plan(state.plan) if ours and state.enabled.exists() else None
        if plan is not None:
            Supervisor(state, plan).run()


def _exit_on_failure(failure: threading.ExceptHookArgs) -> None:
    """Exit when a monitor has failed: the watchdog starts a new supervisor."""
    traceback.print_exception(failure.exc_value)
    sys.stderr.flush()
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
