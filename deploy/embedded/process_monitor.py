"""A process monitor keeps one process alive, in a thread of its own."""

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
"""Delays before the first, second, ... restart in a row of a process that does not stay up."""
STABLE_SECONDS = 5.0
"""A process that has passed its readiness check, or without one has lived so long, started well:
the delays begin again with the first."""
ASSUMED_READY_SECONDS = 0.2
"""A process without a readiness check counts as ready when it has lived so long."""
HEALTH_EVERY_SECONDS = 2.0
ILL_LOOKS, LOOKS_AFTER_MENDING = 3, 30
"""A process that is ready and has failed so many looks at its health in a row is mended; one that
stays ill then is mended again after as many more."""
BEFORE_START_SECONDS = 60.0
"""The time limit of a command that prepares a start, or mends a process."""


class ProcessMonitor(threading.Thread):
    """Starts, watches and restarts a process until `stopping` is set."""

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
        failures = 0
        while not self._stopping.is_set() and not self._has_finished():
            self.identity = self.identity or self._start()
            stable = self.identity is not None and self._watch(self.identity)
            if self._stopping.is_set() or self._has_finished():
                break
            failures = 1 if stable else failures + 1
            self._set_state("down", end=self._exit_reason())
            self.identity = None
            self._stopping.wait(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS)) - 1])
        if self._has_finished():
            self._set_state("done")
            self.ready.set()

    def _adopt(self) -> process.Identity | None:
        """Return the process left by an earlier supervisor; stop it if the plan has changed."""
        record = process.read_record(self._state.record(self._spec.name))
        if record is None or not process.is_alive(record.identity):
            return None
        if record.digest == self._spec.digest:
            return record.identity
        log_line(f"{self._spec.name} has changed: stopping pid {record.identity.pid}")
        process.stop(record.identity, self._spec.stop_signal, self._spec.stop_seconds)
        return None

    def _start(self) -> process.Identity | None:
        self._child = None
        log = self._state.log_of(self._spec.name)
        if not all(self._prepare(command, log) for command in self._spec.before_start):
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
        """Run a command with its output in a log; return whether it succeeded."""
        with log.open("ab") as output:
            try:
                result = subprocess.run(
                    command,
                    env=self._spec.environ,
                    cwd=self._spec.cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=BEFORE_START_SECONDS,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as failure:
                output.write(f"{command[0]}: {failure}\n".encode())
                return False
        return result.returncode == 0

    def _watch(self, identity: process.Identity) -> bool:
        """Watch a process until its session has ended; return whether it had started well."""
        begin = looked_at = time.monotonic()
        failed = 0
        self._set_state("starting")
        while self._lives(identity):
            lived = time.monotonic() - begin
            if not self.ready.is_set() and not self._spec.once and self._is_ready(lived):
                self._set_state("ready")
                self.ready.set()
            if self.ready.is_set() and time.monotonic() - looked_at >= HEALTH_EVERY_SECONDS:
                failed = self._look_after(failed)
                looked_at = time.monotonic()
            time.sleep(process.POLL_SECONDS)
        checked = self.ready.is_set() and self._spec.ready is not None
        self.ready.clear()
        self._record_success()
        process.end_session(identity)
        return checked or time.monotonic() - begin > STABLE_SECONDS

    def _look_after(self, failed: int) -> int:
        """Mend the process if it has been ill for long; return how many looks it has failed."""
        if self._spec.health is None or is_ready(self._spec.health):
            return 0
        failed += 1
        if (failed - ILL_LOOKS) % LOOKS_AFTER_MENDING == 0:
            log_line(f"{self._spec.name} is ill: mending it")
            mended = self._prepare(self._spec.mended_by, self._state.log_of(self._spec.name))
            log_line(f"{self._spec.name} {'was mended' if mended else 'could not be mended'}")
        return failed

    def _lives(self, identity: process.Identity) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        return process.is_alive(identity)

    def _is_ready(self, lived: float) -> bool:
        if self._spec.ready is None:
            return lived >= ASSUMED_READY_SECONDS
        return is_ready(self._spec.ready)

    def _record_success(self) -> None:
        if self._spec.once and self._child is not None and self._child.returncode == 0:
            self._state.done(self._spec.name).write_text(self._spec.digest, encoding="ascii")

    def _has_finished(self) -> bool:
        """Return whether this is a one-off process that is done, as planned."""
        if not self._spec.once:
            return False
        done = self._state.done(self._spec.name)
        return done.exists() and done.read_text(encoding="ascii") == self._spec.digest

    def _exit_reason(self) -> str:
        if self._child is None:
            return "unknown: it had another parent" if self.identity else "its preparation failed"
        code = self._child.wait()
        return f"killed by signal {-code}" if code < 0 else f"exit code {code}"

    def _set_state(self, state: State, *, end: str = "") -> None:
        pid = self.identity.pid if self.identity and state in {"starting", "ready"} else None
        self.seen = ProcessState(
            state=state,
            pid=pid,
            exits=self.seen.exits + (state == "down"),
            last_exit=end or self.seen.last_exit,
            since=time.time(),
        )
        log_line(
            f"{self._spec.name} {state}" + (f", pid {pid}" if pid else "") + (end and f": {end}")
        )


def log_line(text: str) -> None:
    """Write a line to the supervisor's log."""
    print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ} {text}", flush=True)
