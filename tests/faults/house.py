"""A running house: an installation of its own with links in its network, and what injectors need.

with open_house(folder) as house:
    house.restart("serve")
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace
from rich.console import Console

from deploy.demo.loading import load
from deploy.embedded import process
from deploy.embedded.books import books_in
from deploy.embedded.environment import MONITORED
from deploy.embedded.installation import START_SECONDS, Installation
from deploy.embedded.plan import Check, ProcessSpec, read_plan
from deploy.embedded.readiness import is_ready
from tests.faults.books import books_setting, load_into_books
from tests.faults.injectors.circumstances import under_circumstances
from tests.faults.injectors.network import Link, Network
from tests.nodes import ANY_PORTS

OVERRIDES = {"SALDO_PAYMENTS_OPEN_ORDERS": "10"}
"""A resident of these tests starts more payments than anybody else, and abandons some."""
_CTL_S = 60
READY_S = 120.0
"""Within so long every process is ready again, on a machine with other work."""

Adapt = Callable[[ProcessSpec], ProcessSpec]


class RunningHouse:
    """An installation that runs; see `tests.faults.faults.House`."""

    def __init__(self, installation: Installation, proxies: Mapping[str, Link]) -> None:
        self.installation = installation
        self.proxies = proxies
        self.notes: dict[str, object] = {}
        self.losses: list[tuple[float, float]] = []
        """From when to when what was committed is lost, for each fault that lost anything."""

    @property
    def environment(self) -> Mapping[str, str]:
        return self.installation.environment

    @property
    def folder(self) -> Path:
        return self.installation.state.root

    def identities(self) -> dict[str, process.Identity]:
        return self.installation.identities()

    def send(self, name: str, signal: int) -> bool:
        """Signal a process by name; False where it does not run now."""
        identity = self.identities().get(name)
        return identity is not None and process.send(identity, signal)

    def restart(self, name: str) -> None:
        """Kill a process with -9; it starts again by itself."""
        self.send(name, signal.SIGKILL)

    @contextmanager
    def kept_down(self, *names: str) -> Iterator[None]:
        """Stop processes, in this order, and let none of them start again within the context."""
        record = process.read_record(self.installation.state.record("supervisor"))
        if record is None or not process.send(record.identity, signal.SIGSTOP):
            raise RuntimeError("the supervisor does not run")
        plan = read_plan(self.installation.state.plan)
        specs = {spec.name: spec for spec in plan.processes} if plan else {}
        try:
            for name in names:
                identity = self.identities().get(name)
                if identity is not None:
                    spec = specs[name]
                    process.stop(identity, spec.stop_signal, spec.stop_seconds)
            yield
        finally:
            process.send(record.identity, signal.SIGCONT)

    def rabbitmqctl(self, *words: str) -> str:
        """Run rabbitmqctl on the house's node and return its output; raises CalledProcessError."""
        plan = read_plan(self.installation.state.plan)
        spec = next(spec for spec in plan.processes if spec.name == "rabbitmq") if plan else None
        if spec is None:
            raise RuntimeError("the house has no RabbitMQ of its own")
        *prefix, server = spec.argv
        program = Path(server).with_name("rabbitmqctl")
        done = subprocess.run(
            [*prefix, str(program), *words],
            env=spec.environ,
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
            timeout=_CTL_S,
        )
        return done.stdout

    def is_ready(self) -> bool:
        """Return whether every process runs and every /readyz says yes."""
        status = self.installation.status()
        if not status or not all(state.is_up for state in status.values()):
            return False
        return all(
            is_ready(
                Check("http", f"{self.environment[f'SALDO_MONITORING_URL_{name.upper()}']}/readyz")
            )
            for name in MONITORED
        )

    def lost_since(self, instant: float) -> None:
        """Record that what was committed after an instant (Unix time) is lost by a fault."""
        self.losses.append((instant, time.time()))

    def reconfigure(self, settings: Mapping[str, str], seconds: float) -> None:
        """Change settings, and restart the processes whose own change, until all are ready.

        Raises InstallationError where they are not in time; it may be repeated.
        """
        self.installation.override(settings)
        self.installation.up(seconds=seconds)
        os.environ.update(self.installation.environment)  # that of staff commands

    def keep_logs(self, folder: Path) -> None:
        """Copy the logs of the processes into a folder: that of the house is deleted."""
        shutil.copytree(self.folder / "log", folder / "log", dirs_exist_ok=True)

    def wait_until_ready(self, seconds: float) -> float | None:
        """Return after how many seconds the house was ready; None where it was not in time."""
        began = time.monotonic()
        while not self.is_ready():
            if time.monotonic() - began > seconds:
                return None
            time.sleep(process.POLL_SECONDS)
        return time.monotonic() - began


@contextmanager
def open_house(
    folder: Path, adapt: Adapt = lambda spec: spec, *, books: int = 1
) -> Iterator[RunningHouse]:
    """Run a house with the demo company in a folder, which is deleted afterwards.

    Its ledger has so many `books`, and the accounts are in all of them.

    The environment of this process is the house's meanwhile, as staff commands expect it. `adapt`
    changes the description of each process before the links are put in.
    """
    overrides = books_setting(books)
    with (
        Network() as network,
        installed(folder, network, overrides=overrides, adapt=adapt) as installation,
    ):
        yield RunningHouse(installation, network.links)


@contextmanager
def installed(
    folder: Path,
    network: Network,
    *,
    overrides: Mapping[str, str] | None = None,
    adapt: Adapt = lambda spec: spec,
    seconds: float = START_SECONDS,
) -> Iterator[Installation]:
    """Run an installation with the demo company, as `open_house` does, in a network of its own."""
    installation = Installation(
        folder,
        {**OVERRIDES, **(overrides or {})},
        owner=process.myself(),
        ports=ANY_PORTS,
        adapt=lambda spec: under_circumstances(network.adapt(adapt(spec)), folder),
    )
    with running(installation, seconds):
        yield installation


@contextmanager
def running(installation: Installation, seconds: float, *, kept: bool = False) -> Iterator[None]:
    """Start an installation, and load the demo company; afterwards it is deleted, unless `kept`.

    The environment of this process is the installation's meanwhile.
    """
    before = {name: value for name, value in os.environ.items() if name.startswith("SALDO_")}
    for name in before:
        del os.environ[name]
    try:
        installation.up(seconds=seconds)
        os.environ.update(installation.environment)
        if books_in(installation.environment):
            load_into_books(installation.environment)
        else:
            load(installation.environment["SALDO_DATABASE_URL"], Console(quiet=True))
        yield
    finally:
        if not kept:
            installation.reset()
        for name in installation.environment:
            os.environ.pop(name, None)
        os.environ.update(before)


def started_by(prefix: tuple[str, ...], names: frozenset[str]) -> Adapt:
    """Return how to start some Python processes: by a module that gets their command line."""

    def adapt(spec: ProcessSpec) -> ProcessSpec:
        if spec.name not in names:
            return spec
        python, dash_m, *rest = spec.argv
        return replace(spec, argv=(python, dash_m, *prefix, "--", *rest))

    return adapt
