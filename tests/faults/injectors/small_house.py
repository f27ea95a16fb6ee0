"""A small installation with a network that can be broken, for the tests of injectors."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, TypeVar

from deploy.embedded import process, rabbitmq
from deploy.embedded.installation import Installation
from deploy.embedded.plan import ProcessSpec, read_plan
from deploy.embedded.readiness import is_ready
from tests.faults.injectors.circumstances import under_circumstances
from tests.faults.injectors.network import Link, Network
from tests.nodes import ANY_PORTS
from tests.waiting import eventually

if TYPE_CHECKING:
    from _typeshed import SupportsLenAndGetItem

T = TypeVar("T")

START_S = 120.0


class SmallHouse:
    """An installation on nodes of its own."""

    def __init__(
        self, folder: Path, network: Network, settings: Mapping[str, str] | None = None
    ) -> None:
        self.network = network
        self.installation = Installation(
            folder,
            settings,
            owner=process.myself(),
            ports=ANY_PORTS,
            adapt=lambda spec: under_circumstances(network.adapt(spec), folder),
        )
        self.notes: dict[str, object] = {}
        self.lost: list[float] = []

    @property
    def environment(self) -> Mapping[str, str]:
        return self.installation.environment

    @property
    def folder(self) -> Path:
        return self.installation.state.root

    @property
    def proxies(self) -> Mapping[str, Link]:
        return self.network.links

    def spec(self, name: str) -> ProcessSpec:
        """Return the description of a process."""
        plan = read_plan(self.installation.state.plan)
        assert plan is not None
        return next(spec for spec in plan.processes if spec.name == name)

    def identities(self) -> dict[str, process.Identity]:
        return self.installation.identities()

    def send(self, name: str, number: int) -> bool:
        identity = self.identities().get(name)
        return identity is not None and process.send(identity, number)

    def restart(self, name: str) -> None:
        self.send(name, signal.SIGKILL)

    @contextmanager
    def kept_down(self, *names: str) -> Iterator[None]:
        record = process.read_record(self.installation.state.record("supervisor"))
        assert record is not None
        assert process.send(record.identity, signal.SIGSTOP)
        try:
            for name in names:
                spec, identity = self.spec(name), self.identities().get(name)
                if identity is not None:
                    process.stop(identity, spec.stop_signal, spec.stop_seconds)
            yield
        finally:
            process.send(record.identity, signal.SIGCONT)

    def rabbitmqctl(self, *words: str) -> str:
        spec = self.spec("rabbitmq")
        server = rabbitmq.package_server()
        assert server is not None
        position = spec.argv.index(str(server))
        command = (*spec.argv[:position], str(server.with_name("rabbitmqctl")), *words)
        result = subprocess.run(
            command, env=spec.environ, capture_output=True, text=True, check=True, timeout=60
        )
        return result.stdout

    def is_ready(self) -> bool:
        status = self.installation.status()
        checks = [spec.ready for name in status if (spec := self.spec(name)).ready is not None]
        return all(state.is_up for state in status.values()) and all(
            is_ready(check) for check in checks if check is not None
        )

    def reconfigure(self, settings: Mapping[str, str], seconds: float) -> None:
        self.installation.override(settings)
        self.installation.up(seconds=seconds)

    def lost_since(self, instant: float) -> None:
        self.lost.append(instant)

    def recovers(self, seconds: float) -> float:
        """Wait until everything is ready again; return how long it took."""
        began = time.monotonic()
        eventually(self.is_ready, "every process is ready", seconds)
        return time.monotonic() - began


@contextmanager
def small_house(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[SmallHouse]:
    """Run a small installation, with some settings of its own, for the length of a block."""
    with Network() as network:
        house = SmallHouse(folder, network, settings)
        try:
            house.installation.up(seconds=START_S)
            yield house
        finally:
            network.heal()
            for identity in house.identities().values():
                with suppress(ProcessLookupError):
                    process.send(identity, signal.SIGCONT)
            house.installation.reset()


class Choosing(Random):
    """A source of chance that draws what a test wants where it can, and else the first."""

    def __init__(self, *wanted: object) -> None:
        super().__init__(1)
        self._wanted = wanted

    def choice(self, seq: SupportsLenAndGetItem[T]) -> T:
        options = [seq[number] for number in range(len(seq))]
        return next((one for one in options if one in self._wanted), options[0])
