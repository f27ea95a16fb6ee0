"""An installation: a state folder, its settings, its processes.

installation = Installation(Path("/tmp/second"), {"SALDO_TIMEZONE": "Asia/Omsk"})
installation.up()
... installation.environment["SALDO_URL"] ...
installation.down()
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from deploy.embedded import process
from deploy.embedded.books import make_seals
from deploy.embedded.daemon import Daemon
from deploy.embedded.environment import apply_overrides, as_shell, generate_settings, overrides_from
from deploy.embedded.keys import make_keys
from deploy.embedded.plan import (
    Plan,
    ProcessSpec,
    ProcessState,
    read_plan,
    read_status,
    write_atomically,
    write_plan,
)
from deploy.embedded.processes import doubles_together, process_specs
from deploy.embedded.state import DEFAULT_PORTS, StateDir
from deploy.embedded.stopping import Report, run_commands, stop_processes

MAX_EXITS = 4
"""A process that has exited so often since the start is given up."""
START_SECONDS = 120.0

Progress = Callable[[Mapping[str, ProcessState]], None]


class InstallationError(Exception):
    """The installation does not start. `process` failed (None: no single one); see `log`."""

    def __init__(self, message: str, process: str | None = None, log: Path | None = None) -> None:
        super().__init__(message)
        self.process = process
        self.log = log


class Installation:
    """Saldo on this machine, as far as it belongs to one state folder.

    `overrides` are `SALDO_*` settings that replace the generated ones: with SALDO_DATABASE_URL or
    SALDO_AMQP_URL no private node is started. They are kept until `reset`. Everything stops when
    the process `owner` ends, for whatever reason. `ports` are the preferred ports. `adapt` changes
    the description of each process, for a test that starts it under other circumstances. With
    `together` one process is all doubles: for whoever does not stop one of them alone.
    """

    more_secrets: Sequence[str] = ()
    fixed_ports: Sequence[str] = ()

    def __init__(
        self,
        state_dir: Path,
        overrides: Mapping[str, str] | None = None,
        *,
        owner: process.Identity | None = None,
        ports: Mapping[str, int] = DEFAULT_PORTS,
        adapt: Callable[[ProcessSpec], ProcessSpec] = lambda spec: spec,
        together: bool = False,
    ) -> None:
        self.state = StateDir(state_dir.resolve())
        self.environment: dict[str, str] = {}
        self._overrides = dict(overrides or {})
        self._owner = owner
        self._preferred_ports = ports
        self._adapt = adapt
        self._together = together
        self._supervisor = Daemon(self.state, "supervisor")
        self._watchdog = Daemon(self.state, "watchdog")

    def up(
        self,
        processes: Iterable[str] | None = None,
        *,
        seconds: float = START_SECONDS,
        progress: Progress = lambda status: None,
    ) -> bool:
        """Start the named processes (by default all) and their requirements, and wait until ready.

        Returns False when all were running with the current plan already. Raises
        InstallationError, StateError, or the error of a node that cannot run.
        """
        with self.state.lock():
            plan = self._plan(set(processes) if processes is not None else None)
            if self._runs(plan):
                return False
            self._replace(plan)
            self._wait(plan, seconds, progress)
        return True

    def override(self, settings: Mapping[str, str]) -> None:
        """Take `SALDO_*` settings from the next `up` on, beside the overrides that there are."""
        self._overrides.update(settings)

    def down(self, report: Report = lambda name, how: None) -> None:
        """Stop everything that runs."""
        if self.state.root.exists():
            with self.state.lock():
                self._stop(report)

    def reset(self, report: Report = lambda name, how: None) -> None:
        """Stop everything and delete the state folder with all data."""
        if not self.state.root.exists():
            return
        with self.state.lock():
            plan = self._stop(report, for_good=True)
            for spec in plan.processes:
                run_commands(spec, spec.on_reset)
            self.state.delete()

    def status(self) -> dict[str, ProcessState]:
        """Return the processes as the supervisor last saw them; empty when it is down."""
        if not self.state.enabled.exists():
            return {}
        return read_status(self.state.status)

    def is_supervised(self) -> bool:
        """Return whether the supervisor runs."""
        return self._supervisor.is_running()

    def identities(self) -> dict[str, process.Identity]:
        """Return the living processes of the installation, without the daemons."""
        found = {}
        for path in self.state.run.glob("*.json"):
            record = process.read_record(path)
            if record is None or path.stem in {"supervisor", "watchdog"}:
                continue
            if process.is_alive(record.identity):
                found[path.stem] = record.identity
        return found

    def _plan(self, names: set[str] | None) -> Plan:
        """Make the plan, and write the settings to `.saldo/env`."""
        self.state.create()
        idle = not self.identities()
        ports = self.state.ports(self._preferred_ports, renew=idle, fixed=self.fixed_ports)
        secrets = self.state.secrets(self.more_secrets)
        settings = self._settings(ports, secrets)
        overrides = self.state.overrides(overrides_from(self._overrides, settings))
        self.environment = apply_overrides(settings, overrides, secrets)
        master = self.environment["SALDO_SECRET"] or secrets.get("master", "")
        make_keys(self.state, master, self.environment.get("SALDO_LEDGER_SEAL_NAME", ""))
        make_seals(self.state, self.environment)
        write_atomically(self.state.env, as_shell(self.environment).encode())
        found = self._specs(ports, secrets, overrides)
        specs = tuple(map(self._adapt, doubles_together(found) if self._together else found))
        plan = Plan(processes=specs, owner=self._owner, watchdog=self._owner is None)
        return plan if names is None else plan.only(names)

    def _settings(self, ports: Mapping[str, int], secrets: Mapping[str, str]) -> dict[str, str]:
        """Return the settings without overrides."""
        return generate_settings(self.state, ports, secrets)

    def _specs(
        self, ports: dict[str, int], secrets: dict[str, str], overrides: Mapping[str, str]
    ) -> Sequence[ProcessSpec]:
        """Return the descriptions of all processes, by the settings of `environment`."""
        return process_specs(self.state, ports, secrets, self.environment, overrides)

    def _is_watched(self, plan: Plan) -> bool:
        return self._supervisor.is_running() and (not plan.watchdog or self._watchdog.is_running())

    def _runs(self, plan: Plan) -> bool:
        return (
            self._is_watched(plan)
            and read_plan(self.state.plan) == plan
            and all(state.is_up for state in self.status().values())
            and self.status().keys() == {spec.name for spec in plan.processes}
        )

    def _replace(self, plan: Plan) -> None:
        """Replace the supervisor by one with this plan.

        It adopts the processes that run as planned. Processes that the plan has changed or dropped
        are stopped first, so that no old process meets new tables.
        """
        self._stop_daemons()
        running = self.identities()
        if not running:
            self._rotate_logs()
        old = read_plan(self.state.plan) or Plan(processes=())
        outdated = tuple(spec for spec in old.processes if spec not in plan.processes)
        stop_processes(Plan(processes=outdated), running)
        self.state.status.unlink(missing_ok=True)
        write_plan(self.state.plan, plan)
        self.state.enabled.touch()
        self._supervisor.ensure()

    def _rotate_logs(self) -> None:
        """Set the last logs aside and forget which one-off processes are done."""
        for done in self.state.run.glob("*.done"):
            done.unlink()
        for log in self.state.log.glob("*.log"):
            log.replace(log.with_suffix(".log.1"))

    def _stop_daemons(self) -> None:
        # Once disabled, neither restarts the other; the watchdog still goes first.
        self.state.enabled.unlink(missing_ok=True)
        self._watchdog.stop()
        self._supervisor.stop()

    def _stop(self, report: Report, *, for_good: bool = False) -> Plan:
        self._stop_daemons()
        plan = read_plan(self.state.plan) or Plan(processes=())
        stop_processes(plan, self.identities(), report, for_good=for_good)
        for name, identity in self.identities().items():
            process.stop(identity)
            report(name, "stopped, though it is in no plan")
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
            pending = [name for name in status if not status[name].is_up]
            if status.keys() == names and not pending and self._is_watched(plan):
                return
            for name in pending:
                if status[name].exits >= MAX_EXITS:
                    raise self._failure(name, f"{name} does not stay up ({status[name].last_exit})")
            if time.monotonic() > limit:
                name = min(pending, key=_start_order(plan), default="supervisor")
                raise self._failure(name, f"{name} was not ready within {seconds:.0f} s")
            time.sleep(process.POLL_SECONDS)

    def _failure(self, name: str, what: str) -> InstallationError:
        return InstallationError(what, name, self.state.log_of(name))


def _start_order(plan: Plan) -> Callable[[str], int]:
    """Rank processes by start order: the first that is not ready is the cause."""
    rank = {spec.name: n for n, level in enumerate(plan.levels()) for spec in level}
    return rank.__getitem__
