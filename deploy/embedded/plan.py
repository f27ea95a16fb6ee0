"""The plan: the processes to run, as data. `up` writes it, the supervisor carries it out."""

from __future__ import annotations

import signal
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec

from deploy.embedded.process import Identity


class Check(msgspec.Struct, frozen=True):
    """A readiness check of a process, which must respond at `target`.

    `tcp` takes "host:port", the others a URL. `http` expects a 200, `amqp` a consumer on each of
    `queues`, `streams` a management API of RabbitMQ by which every stream is running.
    """

    kind: Literal["tcp", "amqp", "sql", "http", "streams"]
    target: str
    queues: tuple[str, ...] = ()


class ProcessSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One process. A running process with an equal spec is adopted, not restarted.

    `before_start` are commands that run before every start, `after_stop` those that run when the
    process has been stopped. `requires` names the processes that must be ready first. A `once`
    process runs to its end and is then done. `version` changes with the code that it runs.
    `mended_by` is a command that is run where a process that was ready fails the check `health`.
    `discarded` is a process whose data go with it on a reset: it is killed, not stopped.
    """

    name: str
    argv: tuple[str, ...]
    environ: dict[str, str]
    cwd: str
    requires: tuple[str, ...] = ()
    ready: Check | None = None
    health: Check | None = None
    mended_by: tuple[str, ...] = ()
    before_start: tuple[tuple[str, ...], ...] = ()
    after_stop: tuple[tuple[str, ...], ...] = ()
    on_reset: tuple[tuple[str, ...], ...] = ()
    discarded: bool = False
    once: bool = False
    stop_signal: int = int(signal.SIGTERM)
    stop_seconds: float = 10.0
    version: str = ""

    @property
    def digest(self) -> str:
        return sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All processes. They stop when the process `owner` ends; `watchdog`: whether to run one."""

    processes: tuple[ProcessSpec, ...]
    owner: Identity | None = None
    watchdog: bool = True

    def levels(self) -> list[list[ProcessSpec]]:
        """Group the processes so that each comes after its requirements; raises ValueError."""
        names = {spec.name for spec in self.processes}
        placed: set[str] = set()
        levels: list[list[ProcessSpec]] = []
        while len(placed) < len(self.processes):
            level = [
                spec
                for spec in self.processes
                if spec.name not in placed and names.intersection(spec.requires) <= placed
            ]
            if not level:
                raise ValueError(f"processes require each other: {sorted(names - placed)}")
            levels.append(level)
            placed.update(spec.name for spec in level)
        return levels

    def only(self, names: set[str]) -> Plan:
        """Return the plan of the named processes and their requirements."""
        known = {spec.name: spec for spec in self.processes}
        if unknown := names - known.keys():
            raise ValueError(f"no such process: {sorted(unknown)}; there are {sorted(known)}")
        chosen: set[str] = set()
        open_ends = set(names)
        while open_ends:
            name = open_ends.pop()
            chosen.add(name)
            open_ends |= (known.keys() & set(known[name].requires)) - chosen
        specs = tuple(spec for spec in self.processes if spec.name in chosen)
        return msgspec.structs.replace(self, processes=specs)


State = Literal["waiting", "starting", "ready", "down", "done"]


class ProcessState(msgspec.Struct, frozen=True, kw_only=True):
    """The last known state of a process; `exits` counts since the supervisor started."""

    state: State
    pid: int | None = None
    exits: int = 0
    last_exit: str = ""
    since: float = 0.0

    @property
    def is_up(self) -> bool:
        return self.state in {"ready", "done"}


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file atomically; only its owner may read it."""
    draft = path.with_name(f".{path.name}.draft")
    draft.touch(mode=0o600)
    draft.write_bytes(data)
    draft.replace(path)


def write_plan(path: Path, plan: Plan) -> None:
    write_atomically(path, msgspec.json.format(msgspec.json.encode(plan)))


def read_plan(path: Path) -> Plan | None:
    """Read a plan; None if there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Plan)
    except FileNotFoundError:
        return None


def read_status(path: Path) -> dict[str, ProcessState]:
    """Read the status that the supervisor wrote; empty if there is none yet."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, ProcessState])
    except FileNotFoundError:
        return {}


def write_status(path: Path, status: dict[str, ProcessState]) -> None:
    write_atomically(path, msgspec.json.encode(status))
