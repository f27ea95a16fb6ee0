"""The processes of a cluster, supervised as those of an installation are."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.embedded import process
from deploy.embedded.daemon import Daemon
from deploy.embedded.plan import Plan, ProcessSpec, ProcessState, read_status, write_plan
from deploy.embedded.state import StateDir
from deploy.embedded.stopping import stop_processes
from tests.waiting import eventually

START_S = 120.0


class Nodes:
    """Processes under a supervisor of their own, which end with the process that started them."""

    def __init__(self, folder: Path, specs: Sequence[ProcessSpec]) -> None:
        self.state = StateDir(folder)
        self._plan = Plan(processes=tuple(specs), owner=process.myself(), watchdog=False)
        self._supervisor = Daemon(self.state, "supervisor")

    def begin(self) -> None:
        """Begin to start all of them."""
        self.state.create()
        write_plan(self.state.plan, self._plan)
        self.state.enabled.touch()
        self._supervisor.ensure()

    def start(self) -> None:
        """Start all, and wait until they are ready."""
        self.begin()
        eventually(self.are_ready, f"the nodes in {self.state.root} are ready", START_S)

    def are_ready(self) -> bool:
        """Return whether all have been ready, as the supervisor last saw them."""
        status = self.status()
        return len(status) == len(self._plan.processes) and all(
            state.is_up for state in status.values()
        )

    def status(self) -> dict[str, ProcessState]:
        """Return the processes as the supervisor last saw them."""
        return read_status(self.state.status)

    def identity(self, name: str) -> process.Identity | None:
        """Return the process of this name, if it runs."""
        record = process.read_record(self.state.record(name))
        if record is None or not process.is_alive(record.identity):
            return None
        return record.identity

    def whole(self, name: str) -> list[process.Identity]:
        """Return a process and all below it, parents first."""
        leader = self.identity(name)
        return [] if leader is None else [leader, *process.descendants(leader)]

    @contextmanager
    def unattended(self) -> Iterator[None]:
        """Start nothing again for the length of a block."""
        record = process.read_record(self.state.record("supervisor"))
        assert record is not None
        assert process.send(record.identity, signal.SIGSTOP)
        try:
            yield
        finally:
            process.send(record.identity, signal.SIGCONT)

    def stop(self) -> None:
        """Stop all of them, whatever state they are in."""
        for spec in self._plan.processes:
            for identity in self.whole(spec.name):
                process.send(identity, signal.SIGCONT)
        self.state.enabled.unlink(missing_ok=True)
        self._supervisor.stop()
        below = {spec.name: self.whole(spec.name) for spec in self._plan.processes}
        identities = {name: found[0] for name, found in below.items() if found}
        stop_processes(self._plan, identities)
        for found in below.values():
            for identity in found:
                process.send(identity, signal.SIGKILL)


def free_ports(many: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody listens on now."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(many)]
    try:
        return [listener.getsockname()[1] for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()
