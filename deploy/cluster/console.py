"""What the operator of a cluster is shown: where everything is, and who leads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.table import Table

from deploy.cluster import patroni, rabbitmq
from deploy.cluster.applications import REPLICATED
from deploy.cluster.installation import ClusterInstallation
from deploy.cluster.network import APPLICATIONS, POSTGRES
from deploy.cluster.nodes import rabbitmq_nodes, rest_addresses
from deploy.cluster.sections import BALANCERS, statistics
from deploy.embedded.plan import ProcessState

_ROLES = {
    patroni.PRIMARY: "leads",
    patroni.SYNCHRONOUS: "follows synchronously",
    patroni.REPLICA: "follows",
}
_APART = "is apart from the others, who took it for dead: stop it, and start it again"


def where(installation: ClusterInstallation) -> Table:
    """Return a table of the machines of a running cluster, and of what each does now."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for row in _rows(installation):
        table.add_row(*row)
    return table


def _running(processes: Mapping[str, ProcessState]) -> str:
    """Return which processes run; one that waits for a database is not down."""
    running = [
        kind if state.is_up else f"{kind} (not ready)"
        for kind, state in processes.items()
        if state.pid is not None
    ]
    return ", ".join(running) or "down"


def _rows(installation: ClusterInstallation) -> Iterator[tuple[str, str]]:
    network, ports = installation.network, installation.ports()
    status = installation.status()
    rests = rest_addresses(network, ports)

    def is_up(name: str) -> bool:
        return name in status and status[name].is_up

    for name in BALANCERS:
        address = f"http://{statistics(ports, name)}/"
        yield f"HAProxy, {name}", address if is_up(name) else "down"
    for name in POSTGRES:
        role = next(
            (text for one, text in _ROLES.items() if patroni.has_role(rests[name], one)), ""
        )
        address = f"{network.address(name)}:{ports['postgres']}"
        yield f"PostgreSQL, {name}", f"{address} {role or 'down'}"
    password = installation.state.secrets()["amqp"]
    nodes = rabbitmq_nodes(network, ports)
    said = {node.name: rabbitmq.takes_for_dead(node, password) for node in nodes}
    apart = rabbitmq.apart({name: named for name, named in said.items() if named is not None})
    for node in nodes:
        role = "down" if said[node.name] is None else _APART if node.name == apart else "serves"
        yield f"RabbitMQ, {node.name}", f"{node.address}:{ports['amqp']} {role}"
    for number, name in enumerate(APPLICATIONS, 1):
        own = {kind: status[one] for kind in REPLICATED if (one := f"{kind}-{number}") in status}
        yield f"Saldo, {name}", f"{network.address(name)} {_running(own)}"
    machines = {
        "namespaces": f"network namespaces: ip netns exec {network.namespace(POSTGRES[0])} ...",
        "loopback": "addresses of the loopback interface",
    }
    yield "machines are", machines[network.kind]
