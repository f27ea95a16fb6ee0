"""An installation: a state folder, its settings, its processes.

installation = Installation(Path("/tmp/second"), {"SALDO_TIMEZONE": "Asia/Omsk"})
installation.up()
... installation.environment["SALDO_URL"] ...
installation.down()
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from deploy.embedded import process
from deploy.embedded.environment import as_shell, compose, generated, gifts
from deploy.embedded.plan import (
    Plan,
    ProcessState,
    read_plan,
    read_status,
    write_atomically,
    write_plan,
)
from deploy.embedded.processes import table
from deploy.embedded.state import DEFAULT_PORTS, StateDir
from deploy.embedded.stopping import Report, run_commands, stop_processes
from deploy.embedded.watch import Watcher

HOPELESS_DEATHS = 4
"""A process that has died so often since the start will not come up by itself."""
START_SECONDS = 120.0

Progress = Callable[[Mapping[str, ProcessState]], None]


class InstallationError(Exception):
    """The installation does not come up. `process` failed (None: no single one), `log` says why."""

    def __init__(self, message: str, process: str | None = None, log: Path | None = None) -> None:
        super().__init__(message)
        self.process = process
        self.log = log


class Installation:
    """Everything of Saldo on this machine that belongs to one state folder.

    `overrides` are `SALDO_*` settings in the place of the generated ones: with SALDO_DATABASE_URL
    or SALDO_AMQP_URL no such node is started. They are remembered until `reset`. `owner`: all ends
    when that process ends, however it ends. `ports`: the ports preferred.
    """

    def __init__(
        self,
        state_dir: Path,
        overrides: Mapping[str, str] | None = None,
        *,
        owner: process.Identity | None = None,
        ports: Mapping[str, int] = DEFAULT_PORTS,
    ) -> None:
        self.state = StateDir(state_dir.resolve())
        self.environment: dict[str, str] = {}
        self._overrides = dict(overrides or {})
        self._owner = owner
        self._preferred_ports = ports
        self._supervisor = Watcher(self.state, "supervisor")
        self._guard = Watcher(self.state, "guard")

    def up(
        self,
        processes: Iterable[str] | None = None,
        *,
        seconds: float = START_SECONDS,
        progress: Progress = lambda status: None,
    ) -> bool:
        """Bring the named processes (all, if none are named) and what they need up, and wait.

        Answers whether anything had to be done: False when all ran already, as now described.
        Raises InstallationError, StateError, or what a node lacks.
        """
        with self.state.lock():
            plan = self._plan(set(processes) if processes is not None else None)
            if self._runs(plan):
                return False
            self._replace(plan)
            self._wait(plan, seconds, progress)
        return True

    def down(self, report: Report = lambda name, how: None) -> None:
        """Stop everything; nothing happens when nothing runs."""
        if self.state.root.exists():
            with self.state.lock():
                self._stop(report)

    def reset(self, report: Report = lambda name, how: None) -> None:
        """Stop everything and delete the state folder with all data."""
        if not self.state.root.exists():
            return
        with self.state.lock():
            plan = self._stop(report)
            for spec in plan.processes:
                run_commands(spec, spec.on_reset)
            self.state.delete()

    def status(self) -> dict[str, ProcessState]:
        """Return what runs, as the supervisor last saw it; empty when nothing is wanted."""
        if not self.state.wanted.exists():
            return {}
        return read_status(self.state.status)

    def is_supervised(self) -> bool:
        """Return whether a supervisor is at work."""
        return self._supervisor.is_running()

    def identities(self) -> dict[str, process.Identity]:
        """Return which processes of the installation are alive, supervisor and guard aside."""
        found = {}
        for path in self.state.run.glob("*.json"):
            record = process.read_record(path)
            if record is None or path.stem in {"supervisor", "guard"}:
                continue
            if process.is_alive(record.identity):
                found[path.stem] = record.identity
        return found

    def _plan(self, names: set[str] | None) -> Plan:
        """Describe what shall run, and leave the settings in `.saldo/env`."""
        self.state.create()
        idle = not self.identities()
        ports = self.state.ports(self._preferred_ports, renew=idle)
        secrets = self.state.secrets()
        settings = generated(self.state, ports, secrets)
        given = self.state.given(gifts(self._overrides, settings))
        self.environment = compose(settings, given, secrets)
        write_atomically(self.state.env, as_shell(self.environment).encode())
        specs = table(self.state, ports, secrets, self.environment, given)
        plan = Plan(processes=specs, owner=self._owner, guard=self._owner is None)
        return plan if names is None else plan.only(names)

    def _runs(self, plan: Plan) -> bool:
        watched = self._supervisor.is_running() and (not plan.guard or self._guard.is_running())
        return (
            watched
            and read_plan(self.state.plan) == plan
            and all(state.settled for state in self.status().values())
            and self.status().keys() == {spec.name for spec in plan.processes}
        )

    def _replace(self, plan: Plan) -> None:
        """Put a supervisor with this plan in the place of the one there is.

        It adopts what runs as the plan says. What the plan has no more, or not as it was, is
        stopped first, so that no old process meets new tables.
        """
        self._dismiss_watchers()
        running = self.identities()
        if not running:
            self._begin_anew()
        old = read_plan(self.state.plan) or Plan(processes=())
        outdated = tuple(spec for spec in old.processes if spec not in plan.processes)
        stop_processes(Plan(processes=outdated), running)
        self.state.status.unlink(missing_ok=True)
        write_plan(self.state.plan, plan)
        self.state.wanted.touch()
        self._supervisor.ensure()

    def _begin_anew(self) -> None:
        """Nothing runs: keep the last logs aside, forget what has been done once."""
        for done in self.state.run.glob("*.done"):
            done.unlink()
        for log in self.state.log.glob("*.log"):
            log.replace(log.with_suffix(".log.1"))

    def _dismiss_watchers(self) -> None:
        # Without the wish neither starts the other again; the guard goes first all the same.
        self.state.wanted.unlink(missing_ok=True)
        self._guard.stop()
        self._supervisor.stop()

    def _stop(self, report: Report) -> Plan:
        self._dismiss_watchers()
        plan = read_plan(self.state.plan) or Plan(processes=())
        stop_processes(plan, self.identities(), report)
        for name, identity in self.identities().items():
            process.stop(identity)
            report(name, "stopped, though no plan has it")
        for left in (*self.state.run.glob("*.json"), *self.state.run.glob("*.done")):
            left.unlink()
        self.state.status.unlink(missing_ok=True)
        return plan

    def _wait(self, plan: Plan, seconds: float, progress: Progress) -> None:
        limit = time.monotonic() + seconds
        names = {spec.name for spec in plan.processes}
        while True:
            self._supervisor.ensure()
            status = self.status()
            progress(status)
            unsettled = [name for name in status if not status[name].settled]
            if status.keys() == names and not unsettled:
                return
            for name in unsettled:
                if status[name].deaths >= HOPELESS_DEATHS:
                    raise self._failure(name, f"{name} does not stay up ({status[name].last_end})")
            if time.monotonic() > limit:
                name = min(unsettled, key=_first_cause(plan), default="supervisor")
                raise self._failure(name, f"{name} was not ready within {seconds:.0f} s")
            time.sleep(process.POLL_SECONDS)

    def _failure(self, name: str, what: str) -> InstallationError:
        return InstallationError(what, name, self.state.log_of(name))


def _first_cause(plan: Plan) -> Callable[[str], int]:
    """Rank processes by level: of several that are not ready, the others wait for the lowest."""
    rank = {spec.name: n for n, level in enumerate(plan.levels()) for spec in level}
    return rank.__getitem__
