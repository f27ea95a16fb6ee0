"""The supervisor: starts what the plan says, in order, and starts again what dies.

Its children outlive it. When it is killed, the guard starts another, which recognises the
children that run and leaves them alone. It stops them by itself in two cases only: the state
folder has been deleted, or the plan has an owner (a test run) and that has ended.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from pathlib import Path

from deploy.embedded import process
from deploy.embedded.keeper import Keeper, say
from deploy.embedded.plan import Plan, ProcessState, read_plan, write_status
from deploy.embedded.state import StateDir
from deploy.embedded.stopping import stop_processes
from deploy.embedded.watch import Watcher


class Supervisor:
    """All keepers, the status file, and a watch on the guard."""

    def __init__(self, state: StateDir, plan: Plan) -> None:
        self._state = state
        self._plan = plan
        self._guard = Watcher(state, "guard")
        self._stopping = threading.Event()
        self._written: dict[str, ProcessState] = {}
        self._keepers: dict[str, Keeper] = {}
        for spec in (spec for level in plan.levels() for spec in level):
            needs = [self._keepers[name].ready for name in spec.after if name in self._keepers]
            self._keepers[spec.name] = Keeper(spec, state, needs, self._stopping)

    def run(self) -> None:
        """Supervise until `down` takes the wish away, or there is nothing left to live for."""
        for keeper in self._keepers.values():
            keeper.start()
        while self._state.wanted.exists():
            if self._plan.owner is not None and not process.is_alive(self._plan.owner):
                say("the owner has ended: stopping everything")
                self._stop()
                return
            self._report()
            if self._plan.guard:
                self._guard.ensure()
            time.sleep(process.POLL_SECONDS)
        if not self._state.run.exists():
            self._stop()

    def _report(self) -> None:
        status = {name: keeper.seen for name, keeper in self._keepers.items()}
        if status != self._written:
            write_status(self._state.status, status)
            self._written = status

    def _stop(self) -> None:
        self._stopping.set()
        identities = {name: keeper.identity for name, keeper in self._keepers.items()}
        stop_processes(self._plan, identities)


def main(root: str) -> None:
    state = StateDir(Path(root))
    threading.excepthook = _give_up
    with Watcher(state, "supervisor").hold() as ours:
        plan = read_plan(state.plan) if ours and state.wanted.exists() else None
        if plan is not None:
            Supervisor(state, plan).run()


def _give_up(failure: threading.ExceptHookArgs) -> None:
    """A keeper that failed leaves a process without a keeper: let the guard start all anew."""
    traceback.print_exception(failure.exc_value)
    sys.stderr.flush()
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
