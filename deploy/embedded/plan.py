"""What is to run, as data: `up` writes it, the supervisor makes it so."""

from __future__ import annotations

import signal
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec

from deploy.embedded.process import Identity


class Check(msgspec.Struct, frozen=True):
    """How to see that a process does its work: it answers at `target`.

    `tcp` takes "host:port", the others a URL; `http` wants a 200; `amqp` wants somebody to read
    from each of `queues`.
    """

    kind: Literal["tcp", "amqp", "sql", "http"]
    target: str
    queues: tuple[str, ...] = ()


class ProcessSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One process. Equal specs are the same process: it is adopted, not started again.

    `before` are commands that run, each to its end, before every start; `afterwards` those that
    run when it has been stopped. `after` names what must be ready first. `once`: it runs to its
    end and is then done. `version` changes when the code that it runs has changed.
    """

    name: str
    argv: tuple[str, ...]
    environ: dict[str, str]
    cwd: str
    after: tuple[str, ...] = ()
    ready: Check | None = None
    before: tuple[tuple[str, ...], ...] = ()
    afterwards: tuple[tuple[str, ...], ...] = ()
    on_reset: tuple[tuple[str, ...], ...] = ()
    once: bool = False
    stop_signal: int = int(signal.SIGTERM)
    stop_seconds: float = 10.0
    version: str = ""

    @property
    def digest(self) -> str:
        return sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All processes. `owner`: they end when that process ends. `guard`: the supervisor has one."""

    processes: tuple[ProcessSpec, ...]
    owner: Identity | None = None
    guard: bool = True

    def levels(self) -> list[list[ProcessSpec]]:
        """Sort the processes so that each comes after all that it needs; raises ValueError."""
        names = {spec.name for spec in self.processes}
        placed: set[str] = set()
        levels: list[list[ProcessSpec]] = []
        while len(placed) < len(self.processes):
            level = [
                spec
                for spec in self.processes
                if spec.name not in placed and names.intersection(spec.after) <= placed
            ]
            if not level:
                raise ValueError(f"processes wait for each other: {sorted(names - placed)}")
            levels.append(level)
            placed.update(spec.name for spec in level)
        return levels

    def only(self, names: set[str]) -> Plan:
        """Return the plan of the named processes and all that they need."""
        known = {spec.name: spec for spec in self.processes}
        if unknown := names - known.keys():
            raise ValueError(f"no such process: {sorted(unknown)}; there are {sorted(known)}")
        wanted: set[str] = set()
        open_ends = set(names)
        while open_ends:
            name = open_ends.pop()
            wanted.add(name)
            open_ends |= (known.keys() & set(known[name].after)) - wanted
        chosen = tuple(spec for spec in self.processes if spec.name in wanted)
        return msgspec.structs.replace(self, processes=chosen)


State = Literal["waiting", "starting", "ready", "down", "done"]


class ProcessState(msgspec.Struct, frozen=True, kw_only=True):
    """What the supervisor last saw of a process; `deaths` counts since the supervisor started."""

    state: State
    pid: int | None = None
    deaths: int = 0
    last_end: str = ""
    since: float = 0.0

    @property
    def settled(self) -> bool:
        return self.state in {"ready", "done"}


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file that only its owner may read, so that nobody ever sees half of it."""
    draft = path.with_name(f".{path.name}.draft")
    draft.touch(mode=0o600)
    draft.write_bytes(data)
    draft.replace(path)


def write_plan(path: Path, plan: Plan) -> None:
    write_atomically(path, msgspec.json.format(msgspec.json.encode(plan)))


def read_plan(path: Path) -> Plan | None:
    """Read a plan; None when there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Plan)
    except FileNotFoundError:
        return None


def read_status(path: Path) -> dict[str, ProcessState]:
    """Read what the supervisor last wrote; empty when it has written nothing yet."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, ProcessState])
    except FileNotFoundError:
        return {}


def write_status(path: Path, status: dict[str, ProcessState]) -> None:
    write_atomically(path, msgspec.json.encode(status))
