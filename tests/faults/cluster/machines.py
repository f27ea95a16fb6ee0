"""Machines that die, on an installation with two or three of each: `make cluster`, or one's own.

with open_machines() as house:
    house.installation.stop(["mq-2"], kill=True)
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final, cast

from deploy.cluster import namespaces, patroni, rabbitmq
from deploy.cluster.applications import processes_of
from deploy.cluster.installation import CLUSTER_START_S, FURTHER_PORTS, NODES, ClusterInstallation
from deploy.cluster.network import APPLICATIONS, ETCD, POSTGRES, RABBITMQ, Kind
from deploy.cluster.nodes import rest_addresses
from deploy.cluster.sections import BALANCERS
from deploy.embedded import process
from deploy.embedded.plan import Check, read_plan
from deploy.embedded.readiness import is_ready
from deploy.embedded.state import StateDir
from tests.faults.books import books_setting
from tests.faults.cluster.house import PLACE, new_folder
from tests.faults.faults import FAULTS, Fault, House, fault
from tests.faults.house import OVERRIDES, RunningHouse, running
from tests.faults.injectors import outside
from tests.faults.injectors.errors import TroubleError
from tests.faults.schedule import Step, draw
from tests.nodes import ANY_PORTS
from tests.waiting import eventually

KINDS: Final[Sequence[Sequence[str]]] = (POSTGRES, RABBITMQ, ETCD, APPLICATIONS, BALANCERS)
"""The machines, by what they do; of each kind one may be missing."""
_MONITORED = "SALDO_MONITORING_URL_"
_PORTS = dict.fromkeys((*ANY_PORTS, *FURTHER_PORTS), 0)
_WHOLE_S = 120.0
_RESUMES_S = 25.0
"""So long after machines have died for good the next fault comes."""


class Machines(RunningHouse):
    """An installation on machines of which some may be stopped for good."""

    installation: ClusterInstallation

    def __init__(self, installation: ClusterInstallation) -> None:
        super().__init__(installation, {})
        self.installation = installation

    @property
    def environment(self) -> Mapping[str, str]:
        """The settings, without the monitoring of processes that are stopped for good."""
        stopped = {_setting_of(name) for name in self.installation.stopped()}
        found = self.installation.environment
        return {name: value for name, value in found.items() if name not in stopped}

    def is_ready(self) -> bool:
        """Return whether every process that is not stopped runs, and says that it is ready."""
        status = self.installation.status()
        if not status or not all(state.is_up for state in status.values()):
            return False
        urls = [url for name, url in self.environment.items() if name.startswith(_MONITORED)]
        return self.installation.leader() is not None and all(
            is_ready(Check("http", f"{url}/readyz")) for url in urls
        )

    def incomplete(self) -> set[str]:
        """Return the machines of those kinds of which one is stopped already."""
        stopped = set(self.installation.stopped())
        return {name for kind in KINDS if stopped & _processes(kind) for name in kind}

    def start_again(self, names: Sequence[str]) -> None:
        """Start machines, and wait until both PostgreSQL agree again, if both run."""
        self.installation.start(names)
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        """Wait until the nodes that are not stopped work together; raises TroubleError.

        A RabbitMQ that stays apart, which others had taken for dead, is restarted, as an operator
        does it.
        """
        stopped = set(self.installation.stopped())
        if not set(POSTGRES) & stopped:
            rests = rest_addresses(self.installation.network, self.installation.ports())
            if not patroni.wait_until_whole(rests, _WHOLE_S):
                raise TroubleError(f"the follower does not follow within {_WHOLE_S:.0f} s")
        plan = read_plan(self.installation.state.plan)
        found = {spec.name: spec for spec in plan.processes} if plan else {}
        servers = {name: found[name] for name in RABBITMQ if name in found}
        for _ in servers:
            if (name := rabbitmq.apart(rabbitmq.partitions(servers))) is not None:
                self._end(name)
            eventually(
                lambda: all(rabbitmq.runs_with(one) == len(servers) for one in servers.values()),
                "the RabbitMQ run in one cluster",
                _WHOLE_S,
            )
            if name is None:
                break

    def _end(self, name: str) -> None:
        """Shut a process down, and wait until it has ended; it is started again by itself."""
        identity = self.identities().get(name)
        if identity is not None and process.send(identity, signal.SIGTERM):
            eventually(lambda: not process.is_alive(identity), f"{name} has ended", _WHOLE_S)


class _OfMachines:
    """What these faults share: they need machines."""

    name = ""
    alone = True
    lasts = (20.0, 40.0)

    def is_possible(self, house: House) -> bool:
        return isinstance(house, Machines)


@fault
class MachineDies(_OfMachines):
    """A machine dies or is shut down, and is there again after a while."""

    name = "machine_dies"

    def inject(self, house: House, random: Random) -> str:
        machines = cast("Machines", house)
        kind = random.choice(KINDS)
        # That the one that leads goes is what is hardest.
        leads = machines.installation.leader() if kind is POSTGRES else None
        victim = leads if leads and random.random() < 0.7 else random.choice(kind)
        kill = random.random() < 0.7
        if victim in machines.incomplete():
            return f"nothing: {victim} is needed"
        house.notes[self.name] = victim
        machines.installation.stop([victim], kill=kill)
        what = f"{victim}, which leads" if victim == leads else victim
        return f"kill -9 {what}" if kill else f"shut {what} down"

    def heal(self, house: House) -> None:
        victim = cast("str | None", house.notes.get(self.name))
        if victim is not None:
            cast("Machines", house).start_again([victim])
            del house.notes[self.name]


@fault
class MachineCutOff(_OfMachines):
    """A machine reaches nobody for a while, and goes on."""

    name = "machine_cut_off"
    lasts = (5.0, 40.0)

    def is_possible(self, house: House) -> bool:
        return isinstance(house, Machines) and house.installation.network.kind == "namespaces"

    def inject(self, house: House, random: Random) -> str:
        machines = cast("Machines", house)
        kind = random.choice([kind for kind in KINDS if kind is not BALANCERS])
        leads = machines.installation.leader() if kind is POSTGRES else None
        victim = leads if leads and random.random() < 0.7 else random.choice(kind)
        if victim in machines.incomplete():
            return f"nothing: {victim} is needed"
        house.notes[self.name] = victim
        namespaces.plug(machines.installation.network, victim, out=True)
        return f"cut {victim} off{', which leads' if victim == leads else ''}"

    def heal(self, house: House) -> None:
        victim = cast("str | None", house.notes.get(self.name))
        if victim is not None:
            machines = cast("Machines", house)
            namespaces.plug(machines.installation.network, victim)
            machines.wait_until_whole()
            del house.notes[self.name]


@fault
class ProcessDies(_OfMachines):
    """A process dies, and is started again at once: a Patroni alone, a RabbitMQ, a gateway."""

    name = "process_dies"
    alone = False
    lasts = (1.0, 5.0)

    def inject(self, house: House, random: Random) -> str:
        running = sorted(NODES & house.identities().keys())
        victim = random.choice(running)
        house.send(victim, signal.SIGKILL)
        return f"kill -9 {victim}"

    def heal(self, house: House) -> None:
        """It is started again by its supervisor."""


@fault
class MachinesDieForGood(_OfMachines):
    """One machine of each kind dies, the PostgreSQL that leads among them, and stays away."""

    name = "for_good"
    lasts = (5.0, 10.0)

    def inject(self, house: House, random: Random) -> str:
        machines = cast("Machines", house)
        leads = eventually(machines.installation.leader, "somebody leads", _WHOLE_S)
        drawn = [str(leads) if kind is POSTGRES else random.choice(kind) for kind in KINDS]
        gone = machines.incomplete()  # where it is tried again
        victims = [name for name in drawn if name not in gone]
        machines.installation.stop(victims, kill=True)
        return f"for good: kill -9 {', '.join(victims)}"

    def heal(self, house: House) -> None:
        """They stay away."""


ON_MACHINES: Final = frozenset({
    MachineDies.name, MachineCutOff.name, ProcessDies.name, MachinesDieForGood.name,
    outside.BankMisbehaves.name, outside.MailServerMisbehaves.name,
    outside.RegistrarMisbehaves.name,
})  # fmt: skip
"""The faults of such an installation; all others are made for one of each process."""
_OF_WHOLE_MACHINES: Final = frozenset({MachineDies.name, MachineCutOff.name})
ONLY_ON_MACHINES: Final = frozenset(
    name for name, kind in FAULTS.items() if isinstance(kind, _OfMachines)
)


def draw_with_losses(seed: int, seconds: float, faults: Mapping[str, Fault]) -> list[Step]:
    """Return a schedule in whose middle one machine of each kind dies for good."""
    last = MachinesDieForGood.name
    if last not in faults:
        return draw(seed, seconds, faults)
    half = seconds / 2
    drawn = {name: kind for name, kind in faults.items() if name != last}
    before = draw(seed, half - _RESUMES_S, drawn) if drawn else []
    middle = Step(at=round(half, 1), fault=last, lasts=faults[last].lasts[1], seed=seed)
    resumes = middle.ends + _RESUMES_S
    after = {name: kind for name, kind in drawn.items() if name not in _OF_WHOLE_MACHINES}
    rest = draw(seed + 1, seconds - resumes, after) if after else []
    return [*before, middle, *(_later(step, resumes) for step in rest)]


@contextmanager
def open_machines(kind: Kind | None = None, *, books: int = 1) -> Iterator[Machines]:
    """Run an installation with the demo company on machines, which are deleted afterwards.

    Its ledger has so many `books`.
    """
    _clear_leftovers()
    overrides = {**OVERRIDES, **books_setting(books)}
    with new_folder() as folder:
        installation = ClusterInstallation(
            folder / "saldo", overrides, kind=kind, owner=process.myself(), ports=_PORTS
        )
        with running(installation, CLUSTER_START_S):
            yield Machines(installation)


@contextmanager
def attached_machines(folder: Path) -> Iterator[Machines]:
    """Use the installation that `make cluster` has left running, and leave it as it was."""
    installation = ClusterInstallation(folder)
    with running(installation, CLUSTER_START_S, kept=True):
        house = Machines(installation)
        try:
            yield house
        finally:
            if stopped := installation.stopped():
                house.start_again(stopped)


def _clear_leftovers() -> None:
    """Delete what killed runs have left: their processes have ended with them, namespaces not."""
    for folder in PLACE.glob("*/saldo"):
        state = StateDir(folder)
        plan = read_plan(state.plan)
        if plan is not None and plan.owner is not None and not process.is_alive(plan.owner):
            ClusterInstallation(folder).reset()
            shutil.rmtree(folder.parent)


def _processes(machines: Sequence[str]) -> set[str]:
    return {one for machine in machines for one in processes_of(machine)}


def _setting_of(name: str) -> str:
    """Return the variable with the monitoring of a process: of serve-2 that which ends in _2."""
    kind, _, number = name.partition("-")
    return f"{_MONITORED}{kind.upper()}{'' if number == '1' else f'_{number}'}"


def _later(step: Step, seconds: float) -> Step:
    return Step(at=round(step.at + seconds, 1), fault=step.fault, lasts=step.lasts, seed=step.seed)
