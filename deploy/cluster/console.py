"""What the operator of a cluster is shown: where everything is, and who leads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.table import Table

from deploy.cluster import namespaces, patroni, rabbitmq
from deploy.cluster.applications import REPLICATED
from deploy.cluster.installation import ClusterInstallation
from deploy.cluster.network import APPLICATIONS, ETCD, POSTGRES
from deploy.cluster.nodes import rabbitmq_nodes, rest_addresses
from deploy.cluster.sections import BALANCERS, statistics
from deploy.embedded.plan import ProcessState

_ROLES = {
    patroni.PRIMARY: "leads",
    patroni.SYNCHRONOUS: "follows synchronously",
    patroni.REPLICA: "follows",
}
_UNCONFIRMED = "leads, and nobody confirms its commits: they may be on one machine"
_APART = "is apart from the others, who took it for dead: stop it, and start it again"
_NOT_READY = "runs, but is not ready"
_CUT_OFF = "is cut off: .venv/bin/python -m deploy.cluster plug {}"
_DOWN = "down"


def where(installation: ClusterInstallation) -> Table:
    """Return a table of the machines of a running cluster, and of what each does now."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for row in _rows(installation):
        table.add_row(*row)
    return table


def postgres_roles(said: Mapping[str, str]) -> dict[str, str]:
    """Return what each PostgreSQL does, of those that have a role, as an operator reads it.

    `said` are their roles, as Patroni has them.
    """
    is_confirmed = patroni.SYNCHRONOUS in said.values()
    return {
        name: _UNCONFIRMED if role == patroni.PRIMARY and not is_confirmed else _ROLES[role]
        for name, role in said.items()
    }


def without_role(state: ProcessState | None) -> str:
    """Return what is said of a process that does not serve: whether it runs at all."""
    return _DOWN if state is None or state.pid is None else _NOT_READY


def _running(processes: Mapping[str, ProcessState]) -> str:
    """Return which processes run; one that waits for a database is not down."""
    running = [
        kind if state.is_up else f"{kind} (not ready)"
        for kind, state in processes.items()
        if state.pid is not None
    ]
    return ", ".join(running) or _DOWN


def _rows(installation: ClusterInstallation) -> Iterator[tuple[str, str]]:
    network, ports = installation.network, installation.ports()
    status = installation.status()
    rests = rest_addresses(network, ports)

    def is_up(name: str) -> bool:
        return name in status and status[name].is_up

    def stated(name: str, role: str) -> str:
        if namespaces.is_out(network, name):
            return _CUT_OFF.format(name)
        return role or without_role(status.get(name))

    for name in BALANCERS:
        address = f"http://{statistics(ports, name)}/"
        yield f"HAProxy, {name}", address if is_up(name) else _DOWN
    for name in ETCD:
        yield f"etcd, {name}", stated(name, "serves" if is_up(name) else "")
    roles = postgres_roles(_said_by(rests))
    for name in POSTGRES:
        address = f"{network.address(name)}:{ports['postgres']}"
        yield f"PostgreSQL, {name}", f"{address} {stated(name, roles.get(name, ''))}"
    password = installation.state.secrets()["amqp"]
    nodes = rabbitmq_nodes(network, ports)
    said = {node.name: rabbitmq.takes_for_dead(node, password) for node in nodes}
    apart = rabbitmq.apart({name: named for name, named in said.items() if named is not None})
    for node in nodes:
        role = "" if said[node.name] is None else _APART if node.name == apart else "serves"
        address = f"{node.address}:{ports['amqp']}"
        yield f"RabbitMQ, {node.name}", f"{address} {stated(node.name, role)}"
    for number, name in enumerate(APPLICATIONS, 1):
        own = {kind: status[one] for kind in REPLICATED if (one := f"{kind}-{number}") in status}
        does = _CUT_OFF.format(name) if namespaces.is_out(network, name) else _running(own)
        yield f"Saldo, {name}", f"{network.address(name)} {does}"
    machines = {
        "namespaces": f"network namespaces: ip netns exec {network.namespace(POSTGRES[0])} ...",
        "loopback": "addresses of the loopback interface",
    }
    yield "machines are", machines[network.kind]


def _said_by(rests: Mapping[str, str]) -> dict[str, str]:
    """Return the role of each PostgreSQL that says one."""
    said = {
        name: next((role for role in _ROLES if patroni.has_role(rest, role)), "")
        for name, rest in rests.items()
    }
    return {name: role for name, role in said.items() if role}
