"""An installation on a cluster: its nodes, its network, and whoever is stopped for good."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from deploy.cluster import namespaces, patroni
from deploy.cluster.applications import (
    application_specs,
    cluster_settings,
    lead_outside,
    processes_of,
)
from deploy.cluster.namespaces import NamespaceError
from deploy.cluster.network import (
    APPLICATIONS,
    ETCD,
    POSTGRES,
    RABBITMQ,
    Kind,
    Network,
    choose,
    load,
    save,
)
from deploy.cluster.nodes import (
    MAPPER,
    SECRETS,
    balancer_specs,
    broker_specs,
    data_of,
    database_specs,
    network_file,
    rest_addresses,
)
from deploy.cluster.sections import BALANCERS
from deploy.embedded import process
from deploy.embedded.environment import generate_settings
from deploy.embedded.installation import Installation, Progress
from deploy.embedded.plan import Plan, ProcessSpec, read_plan
from deploy.embedded.processes import acquirers_elsewhere
from deploy.embedded.state import DEFAULT_PORTS as PORTS_OF_ONE_NODE
from deploy.embedded.state import StateError
from deploy.embedded.stopping import Report
from deploy.embedded.system_user import system_user

CLUSTER_START_S = 300.0
_ENDS_S = 10.0
_BEYOND = 200
FURTHER_PORTS = {
    "patroni": 15690,
    "etcd": 15691,
    "etcd_peer": 15692,
    "etcd_health": 15693,
    "amqp_distribution_2": 15684,
    "amqp_distribution_3": 15694,
    "balancer-1": 18098,
    "balancer-2": 18099,
}
DEFAULT_PORTS = {name: port + _BEYOND for name, port in (PORTS_OF_ONE_NODE | FURTHER_PORTS).items()}
"""The default ports: an installation on one node may run beside a cluster."""
NODES = {
    *BALANCERS, *ETCD, *POSTGRES, *RABBITMQ,
    *(process for machine in APPLICATIONS for process in processes_of(machine)),
}  # fmt: skip
"""The processes that can be stopped for good, and the house goes on."""
_OWN_NODES = ("SALDO_DATABASE_URL", "SALDO_AMQP_URL", "SALDO_GATEWAY_LISTEN")


class ClusterInstallation(Installation):
    """Saldo on a cluster, as far as it belongs to one state folder.

    `kind` is what its machines are; by default namespaces where they can be made, else addresses of
    the loopback interface. It is chosen at the first `up`, and kept until `reset`.
    """

    more_secrets = SECRETS
    fixed_ports = ("etcd_peer",)
    """By their first addresses the members of etcd know each other, for good."""

    def __init__(
        self,
        state_dir: Path,
        overrides: Mapping[str, str] | None = None,
        *,
        owner: process.Identity | None = None,
        ports: Mapping[str, int] = DEFAULT_PORTS,
        kind: Kind | None = None,
        adapt: Callable[[ProcessSpec], ProcessSpec] = lambda spec: spec,
    ) -> None:
        super().__init__(state_dir, overrides, owner=owner, ports=ports, adapt=adapt)
        self._kind = kind
        self.why_loopback = ""
        """Why the machines are not namespaces, where that was not asked for."""

    @property
    def network(self) -> Network:
        """The network of the cluster; raises StateError before the first `up`."""
        found = load(network_file(self.state))
        if found is None:
            raise StateError(f"{self.state.root} has no cluster yet: call `make cluster`")
        return found

    def ports(self) -> dict[str, int]:
        """Return the ports, which are the same on each machine."""
        return self.state.ports({}, renew=False)

    def leader(self) -> str | None:
        """Return which PostgreSQL leads; None: nobody, or nobody who says so."""
        return patroni.leader(rest_addresses(self.network, self.ports()))

    def stopped(self) -> list[str]:
        """Return the processes that were stopped for good."""
        running = read_plan(self.state.plan) or Plan(processes=())
        return sorted(NODES - {spec.name for spec in running.processes})

    def stop(self, names: Collection[str], *, kill: bool = False) -> list[str]:
        """Stop machines or processes until `start` or `up`; return the processes.

        With `kill` they end as when the power fails. What is stopped already is left out. Raises
        StateError for an unknown name, and where nothing runs.
        """
        with self.state.lock():
            plan = self._running_plan()
            chosen = self._chosen(names, plan)
            if not chosen:
                return []
            left = tuple(spec for spec in plan.processes if spec.name not in chosen)
            was_up = {name for name, state in self.status().items() if state.is_up}
            self._stop_daemons()
            if kill:
                for name in chosen:
                    self._kill(name)
            self._replace(Plan(processes=left, owner=plan.owner, watchdog=plan.watchdog))
            for name in chosen & set(POSTGRES):
                self._end_postmaster(name)
            self._wait_until_seen({spec.name for spec in left} & was_up)
        return sorted(chosen)

    def start(
        self,
        names: Collection[str],
        *,
        seconds: float = CLUSTER_START_S,
        progress: Progress = lambda status: None,
    ) -> list[str]:
        """Start again what was stopped for good, wait until it is ready, return the processes."""
        with self.state.lock():
            running = {spec.name for spec in self._running_plan().processes}
            plan = self._plan(None)
            chosen = self._chosen(names, plan)
            specs = tuple(spec for spec in plan.processes if spec.name in running | chosen)
            plan = Plan(processes=specs, owner=plan.owner, watchdog=plan.watchdog)
            self._replace(plan)
            self._wait(plan, seconds, progress)
        return sorted(chosen)

    def host(self, name: str) -> list[process.Identity]:
        """Return a process and all below it; of a PostgreSQL also what has outlived Patroni."""
        leader = self.identities().get(name)
        found = [] if leader is None else [leader, *process.descendants(leader)]
        server = patroni.postmaster(data_of(self.state, name)) if name in POSTGRES else None
        if server is not None and server not in found:
            found += [server, *process.descendants(server)]
        return found

    def _settings(self, ports: Mapping[str, int], secrets: Mapping[str, str]) -> dict[str, str]:
        network = self._network()
        return generate_settings(self.state, ports, secrets) | cluster_settings(network, ports)

    def _specs(
        self, ports: dict[str, int], secrets: dict[str, str], overrides: Mapping[str, str]
    ) -> Sequence[ProcessSpec]:
        for name in _OWN_NODES:
            if name in overrides:
                raise StateError(f"a cluster has nodes of its own: unset {name}")
        user, network = system_user(), self.network
        outside = lead_outside(self.environment, overrides, ports)
        if outside and network.kind == "namespaces":
            raise StateError(
                f"nothing leads out of the machines of this cluster: unset {', '.join(outside)}, "
                'or, after a reset, make cluster ARGS="--network loopback"'
            )
        left_out = acquirers_elsewhere(self.environment, overrides)
        applications = application_specs(self.state, network, ports, self.environment)
        return (
            *balancer_specs(self.state, network, ports, user),
            *database_specs(self.state, network, ports, secrets, user),
            *broker_specs(self.state, network, ports, secrets, user),
            *(spec for spec in applications if spec.name not in left_out),
        )

    def _network(self) -> Network:
        """Return the network, whose machines are there; it is chosen at the first call."""
        file = network_file(self.state)
        found = load(file)
        if found is None:
            found = self._choose()
            save(file, found)
        elif self._kind not in {None, found.kind}:
            raise StateError(f"the machines of this cluster are {found.kind} until its reset")
        elif found.kind == "namespaces":
            self._make(found)
        return found

    def _choose(self) -> Network:
        if self._kind == "loopback":
            return choose(self.state.root, "loopback")
        self._clear()
        found = choose(self.state.root, "namespaces")
        try:
            namespaces.create(found)
            namespaces.check(found)
        except NamespaceError as failure:
            namespaces.remove(found)
            if self._kind is not None:
                raise StateError(f"there can be no namespaces: {failure}") from None
            self.why_loopback = str(failure)
            return choose(self.state.root, "loopback")
        return found

    def _clear(self) -> None:
        """Remove what a first start has left that was cut short: it is in no file."""
        namespaces.remove(choose(self.state.root, "namespaces"))

    def _make(self, network: Network) -> None:
        """Make what is missing of the machines; where nothing runs on them, see to all of them."""
        try:
            if namespaces.create(network) or not self.identities():
                namespaces.check(network)
        except NamespaceError as failure:
            raise StateError(
                f"the machines of this cluster cannot be made any more: {failure}"
            ) from None

    def _stop(self, report: Report, *, for_good: bool = False) -> Plan:
        plan = super()._stop(report, for_good=for_good)
        for name in POSTGRES:
            if self._end_postmaster(name):
                report(name, "had left a PostgreSQL, which is stopped")
        network = load(network_file(self.state))
        if network is None:
            self._clear()
        else:
            namespaces.remove(network)
        return plan

    def _running_plan(self) -> Plan:
        plan = read_plan(self.state.plan)
        if plan is None or not self.identities():
            raise StateError("the cluster is down: call `make cluster`")
        return plan

    def _chosen(self, names: Collection[str], plan: Plan) -> set[str]:
        known = {spec.name for spec in plan.processes}
        chosen = {one for name in names for one in processes_of(name)}
        if unknown := chosen - known - NODES:
            missing = ", ".join(sorted(unknown))
            raise StateError(f"there is no {missing}; there are {', '.join(sorted(known))}")
        return (chosen | {f"{MAPPER}-{name}" for name in chosen}) & known

    def _wait_until_seen(self, names: set[str]) -> None:
        """Wait until another supervisor has found these processes up, or one of them has fallen."""
        ends = time.monotonic() + _ENDS_S
        while time.monotonic() < ends:
            status = self.status()
            if all(name in status and status[name].is_up for name in names):
                return
            time.sleep(process.POLL_SECONDS)

    def _kill(self, name: str) -> None:
        below = self.host(name)
        for identity in below:
            process.send(identity, signal.SIGKILL)
        for identity in below:
            process.wait_for_end(identity, _ENDS_S)

    def _end_postmaster(self, node: str) -> bool:
        """Stop a PostgreSQL whose Patroni is gone; return whether there was one."""
        server = patroni.postmaster(data_of(self.state, node))
        if server is None or not process.is_alive(server):
            return False
        process.stop(server, signal.SIGINT, _ENDS_S)
        return True
