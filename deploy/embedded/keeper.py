"""A keeper keeps one process alive, in a thread of its own."""

from __future__ import annotations

import subprocess
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from deploy.embedded import process
from deploy.embedded.plan import ProcessSpec, ProcessState, State
from deploy.embedded.readiness import is_ready
from deploy.embedded.state import StateDir

BACKOFF_SECONDS = (0.1, 0.1, 0.1, 0.5, 1.0, 2.0, 4.0)
"""Waits before the first, second, ... restart in a row of a process that does not stay up."""
STEADY_SECONDS = 5.0
"""A process that has answered its check, or has lived so long where there is none, has not died of
its start: the count begins anew."""
SETTLED_SECONDS = 0.2
"""A process without a check counts as ready when it has lived so long."""
BEFORE_SECONDS = 60.0
"""How long a command that prepares a start may take."""


class Keeper(threading.Thread):
    """Starts, watches, starts again, until `stopping` is set or the supervisor ends."""

    def __init__(
        self,
        spec: ProcessSpec,
        state: StateDir,
        needs: list[threading.Event],
        stopping: threading.Event,
    ) -> None:
        super().__init__(name=spec.name, daemon=True)
        self.ready = threading.Event()
        self.identity: process.Identity | None = None
        self.seen = ProcessState(state="waiting", since=time.time())
        self._spec = spec
        self._state = state
        self._needs = needs
        self._stopping = stopping
        self._child: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        for need in self._needs:
            need.wait()
        self.identity = self._adopt()
        deaths_in_a_row = 0
        while not self._stopping.is_set() and not self._has_finished():
            self.identity = self.identity or self._start()
            steady = self.identity is not None and self._watch(self.identity)
            if self._stopping.is_set() or self._has_finished():
                break
            deaths_in_a_row = 1 if steady else deaths_in_a_row + 1
            self._note("down", end=self._how_it_ended())
            self.identity = None
            self._stopping.wait(BACKOFF_SECONDS[min(deaths_in_a_row, len(BACKOFF_SECONDS)) - 1])
        if self._has_finished():
            self._note("done")
            self.ready.set()

    def _adopt(self) -> process.Identity | None:
        """Find the process running from an earlier supervisor; stop it if the plan has changed."""
        record = process.read_record(self._state.record(self._spec.name))
        if record is None or not process.is_alive(record.identity):
            return None
        if record.digest == self._spec.digest:
            return record.identity
        say(f"{self._spec.name} has changed: stopping pid {record.identity.pid}")
        process.stop(record.identity, self._spec.stop_signal, self._spec.stop_seconds)
        return None

    def _start(self) -> process.Identity | None:
        self._child = None
        log = self._state.log_of(self._spec.name)
        if not all(self._prepare(command, log) for command in self._spec.before):
            return None
        self._child = process.start(
            self._spec.argv,
            record=self._state.record(self._spec.name),
            log=log,
            environ=self._spec.environ,
            cwd=Path(self._spec.cwd),
            digest=self._spec.digest,
        )
        return process.identity_of(self._child.pid)

    def _prepare(self, command: tuple[str, ...], log: Path) -> bool:
        """Run a command to its end, with its output in the log; tell whether it succeeded."""
        with log.open("ab") as output:
            try:
                result = subprocess.run(
                    command,
                    env=self._spec.environ,
                    cwd=self._spec.cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=BEFORE_SECONDS,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as failure:
                output.write(f"{command[0]}: {failure}\n".encode())
                return False
        return result.returncode == 0

    def _watch(self, identity: process.Identity) -> bool:
        """Report when it is ready; return when it has ended and nothing of it is left.

        Answers whether it had started well before it ended.
        """
        begin = time.monotonic()
        self._note("starting")
        while self._lives(identity):
            lived = time.monotonic() - begin
            if not self.ready.is_set() and not self._spec.once and self._is_ready(lived):
                self._note("ready")
                self.ready.set()
            time.sleep(process.POLL_SECONDS)
        checked = self.ready.is_set() and self._spec.ready is not None
        self.ready.clear()
        self._remember_success()
        process.end_session(identity)
        return checked or time.monotonic() - begin > STEADY_SECONDS

    def _lives(self, identity: process.Identity) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        return process.is_alive(identity)

    def _is_ready(self, lived: float) -> bool:
        if self._spec.ready is None:
            return lived >= SETTLED_SECONDS
        return is_ready(self._spec.ready)

    def _remember_success(self) -> None:
        if self._spec.once and self._child is not None and self._child.returncode == 0:
            self._state.done(self._spec.name).write_text(self._spec.digest, encoding="ascii")

    def _has_finished(self) -> bool:
        """Return whether this is a process that runs once, and has, as the plan describes it."""
        if not self._spec.once:
            return False
        done = self._state.done(self._spec.name)
        return done.exists() and done.read_text(encoding="ascii") == self._spec.digest

    def _how_it_ended(self) -> str:
        if self._child is None:
            return "it had another parent" if self.identity else "what prepares it failed"
        code = self._child.wait()
        return f"killed by signal {-code}" if code < 0 else f"exit code {code}"

    def _note(self, state: State, *, end: str = "") -> None:
        pid = self.identity.pid if self.identity and state in {"starting", "ready"} else None
        self.seen = ProcessState(
            state=state,
            pid=pid,
            deaths=self.seen.deaths + (state == "down"),
            last_end=end or self.seen.last_end,
            since=time.time(),
        )
        say(f"{self._spec.name} {state}" + (f", pid {pid}" if pid else "") + (end and f": {end}"))


def say(text: str) -> None:
    """Write a line into the supervisor's log."""
    print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ} {text}", flush=True)
