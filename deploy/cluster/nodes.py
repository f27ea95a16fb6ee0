"""The nodes of a cluster: who listens where, and the processes of each machine."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from deploy.cluster import etcd, haproxy, packages, patroni, rabbitmq
from deploy.cluster.certificate import Certificate
from deploy.cluster.certificate import make as make_certificate
from deploy.cluster.network import ETCD, MACHINES, POSTGRES, RABBITMQ, Network
from deploy.cluster.sections import BALANCERS, sections, statistics
from deploy.embedded.plan import ProcessSpec
from deploy.embedded.state import StateDir
from deploy.embedded.surroundings import LOOPBACK, PLAIN_ENVIRONMENT, REPOSITORY
from deploy.embedded.system_user import SystemUser

SECRETS = (patroni.SUPERUSER, patroni.REPLICATOR, patroni.OPERATOR)
"""The secrets of a cluster beyond those of an installation."""
BETWEEN_RABBITMQ = ("amqp_distribution", "amqp_distribution_2", "amqp_distribution_3")
"""The names of the ports at which each RabbitMQ speaks to the others."""
MAPPER = "epmd"
"""The port mapper of Erlang: one for each machine."""
OWNER = "database"
"""The process that makes the owner of the database, and ends."""


def network_file(state: StateDir) -> Path:
    """Return the file that keeps the network of a cluster."""
    return state.root / "network.json"


def etcd_members(network: Network, ports: Mapping[str, int]) -> list[etcd.Member]:
    """Return the members of etcd."""
    return [
        etcd.Member(
            name,
            f"{network.address(name)}:{ports['etcd']}",
            f"{network.address(name)}:{ports['etcd_peer']}",
            f"{network.address(name)}:{ports['etcd_health']}",
        )
        for name in ETCD
    ]


def postgres_nodes(
    network: Network, ports: Mapping[str, int], certificate: Certificate | None = None
) -> list[patroni.Node]:
    """Return the nodes of PostgreSQL; with the certificate by which etcd knows them."""
    members = [member.client for member in etcd_members(network, ports)]
    return [
        patroni.Node(
            name,
            f"{network.address(name)}:{ports['postgres']}",
            f"{network.address(name)}:{ports['patroni']}",
            members,
            networks=network.networks,
            certificate=certificate,
        )
        for name in POSTGRES
    ]


def rest_addresses(network: Network, ports: Mapping[str, int]) -> dict[str, str]:
    """Return the REST APIs of Patroni, by the names of the nodes."""
    return {node.name: node.rest for node in postgres_nodes(network, ports)}


def rabbitmq_nodes(network: Network, ports: Mapping[str, int]) -> list[rabbitmq.Node]:
    """Return the nodes of RabbitMQ.

    A port mapper that they share knows nodes by their ports alone: each speaks to the others at
    another one.
    """
    own = {name: ports[name] for name in rabbitmq.PORTS}
    return [
        rabbitmq.Node(name, network.address(name), own | {"amqp_distribution": ports[between]})
        for name, between in zip(RABBITMQ, BETWEEN_RABBITMQ, strict=True)
    ]


def database_specs(
    state: StateDir,
    network: Network,
    ports: Mapping[str, int],
    secrets: Mapping[str, str],
    user: SystemUser,
) -> list[ProcessSpec]:
    """Return the processes of etcd and PostgreSQL, and the one that makes the owner."""
    folder = _folder(state, "postgres")
    members = etcd_members(network, ports)
    # Where machines are addresses of the loopback interface, members call from this one.
    addresses = {LOOPBACK, *map(network.address, MACHINES)}
    certificate = make_certificate(folder / "certificate", sorted(addresses), user)
    agreeing = [
        etcd.process(
            member, members, folder, packages.etcd(), user,
            within=network.within(member.name), certificate=certificate,
        )
        for member in members
    ]  # fmt: skip
    serving = [
        patroni.process(
            node, folder, secrets, packages.patroni(), user,
            within=network.within(node.name), requires=ETCD,
        )
        for node in postgres_nodes(network, ports, certificate)
    ]  # fmt: skip
    owner = ProcessSpec(
        name=OWNER,
        argv=(sys.executable, "-m", "deploy.cluster.owner", str(state.root)),
        environ=PLAIN_ENVIRONMENT,
        cwd=str(REPOSITORY),
        requires=tuple(spec.name for spec in serving),
        once=True,
    )
    return [*agreeing, *serving, owner]


def broker_specs(
    state: StateDir,
    network: Network,
    ports: Mapping[str, int],
    secrets: Mapping[str, str],
    user: SystemUser,
) -> list[ProcessSpec]:
    """Return the processes of RabbitMQ; those on one machine share their port mapper."""
    folder = _folder(state, "rabbitmq")
    nodes = rabbitmq_nodes(network, ports)
    found: list[ProcessSpec] = []
    for node in nodes:
        mapper, server = rabbitmq.processes(node, nodes, folder, secrets, user)
        name, within = MAPPER, network.within(node.name)
        if within:
            name = f"{MAPPER}-{node.name}"
            found.append(replace(mapper, name=name, argv=(*within, *mapper.argv)))
        elif not found:
            found.append(rabbitmq.shared_mapper(mapper, nodes))
        found.append(
            replace(
                server,
                argv=(*within, *server.argv),
                # The tools of RabbitMQ make themselves known to the port mapper of their machine.
                mended_by=(*within, *server.mended_by),
                requires=(name,),
            )
        )
    return found


def balancer_specs(
    state: StateDir, network: Network, ports: Mapping[str, int], user: SystemUser
) -> list[ProcessSpec]:
    """Return the processes of HAProxy."""
    folder, known = _folder(state, "haproxy"), sections(network, ports)
    program = packages.haproxy()
    return [
        haproxy.process(name, statistics(ports, name), known, folder, program, user)
        for name in BALANCERS
    ]


def data_of(state: StateDir, node: str) -> Path:
    """Return the folder of the data of a PostgreSQL."""
    return patroni.data_folder(state.root / "postgres" / node)


def _folder(state: StateDir, name: str) -> Path:
    """Make a folder that the nodes, which are another user's, may enter."""
    folder = state.root / name
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711)
    return folder
