"""The nodes of `make cluster` by themselves, on machines of either kind, without Saldo.

They take minutes: `make faults CLUSTER=tests`, or `SALDO_TEST_CLUSTER=1`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import amqp
import pytest
import requests

from deploy.cluster import namespaces, packages, patroni, rabbitmq
from deploy.cluster.installation import FURTHER_PORTS
from deploy.cluster.namespaces import NamespaceError
from deploy.cluster.network import ETCD, POSTGRES, RABBITMQ, Kind, Network, choose
from deploy.cluster.nodes import (
    SECRETS,
    broker_specs,
    data_of,
    database_specs,
    rabbitmq_nodes,
    rest_addresses,
)
from deploy.embedded import process
from deploy.embedded.install import MissingPrerequisite
from deploy.embedded.plan import ProcessSpec
from deploy.embedded.rabbitmq import USER
from deploy.embedded.state import StateDir
from deploy.embedded.system_user import system_user
from tests.faults.cluster.house import new_folder
from tests.faults.cluster.nodes import Nodes
from tests.nodes import ANY_PORTS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("SALDO_TEST_CLUSTER"), reason="takes long: make faults CLUSTER=tests"
    ),
]

WHOLE_S = 120.0
STAYS_S = 12.0
PORTS = dict.fromkeys((*ANY_PORTS, *FURTHER_PORTS), 0)


class Place:
    """A network, and what describes the nodes on it."""

    def __init__(self, folder: Path, network: Network) -> None:
        self.state, self.network = StateDir(folder), network
        self.state.create()
        self.ports = self.state.ports(PORTS, renew=False)
        self.secrets = self.state.secrets(SECRETS)

    @contextmanager
    def running(self, specs: Sequence[ProcessSpec]) -> Iterator[Nodes]:
        nodes = Nodes(self.state.root, specs)
        try:
            nodes.start()
            yield nodes
        finally:
            nodes.stop()
            for name in POSTGRES:
                if (server := patroni.postmaster(data_of(self.state, name))) is not None:
                    process.stop(server, signal.SIGINT)


@pytest.fixture(params=["namespaces", "loopback"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    kind: Kind = request.param
    with new_folder() as folder:
        network = choose(folder, kind)
        try:
            for find in (packages.etcd, packages.patroni):
                find()
            if kind == "namespaces":
                namespaces.create(network)
                namespaces.check(network)
            yield Place(folder, network)
        except (MissingPrerequisite, NamespaceError) as missing:
            pytest.skip(str(missing))
        finally:
            namespaces.remove(network)


def test_new_rabbitmq_found_one_cluster_in_which_streams_are_mended(place: Place) -> None:
    specs = broker_specs(place.state, place.network, place.ports, place.secrets, system_user())
    servers = {spec.name: spec for spec in specs if spec.name in RABBITMQ}
    password = place.secrets["amqp"]
    with place.running(specs):
        assert {rabbitmq.runs_with(spec) for spec in servers.values()} == {len(RABBITMQ)}
        at = f"{place.network.address(RABBITMQ[0])}:{place.ports['amqp']}"
        with amqp.Connection(host=at, userid=USER, password=password) as connection:
            connection.channel().queue_declare(
                "history", durable=True, auto_delete=False, arguments={"x-queue-type": "stream"}
            )
        members = rabbitmq.ctl(servers[RABBITMQ[1]], "list_queues", "members")
        assert all(f"{name}@" in members for name in RABBITMQ)
        for node in rabbitmq_nodes(place.network, place.ports):
            assert rabbitmq.takes_for_dead(node, password) == []
            spec = servers[node.name]
            subprocess.run(spec.mended_by, env=spec.environ, cwd=spec.cwd, check=True, timeout=60)


def leaders(rests: Mapping[str, str], seconds: float) -> set[str | None]:
    """Return who leads at any moment of some seconds."""
    ends, seen, pause = time.monotonic() + seconds, set[str | None](), threading.Event()
    while time.monotonic() < ends:
        seen.add(patroni.leader(rests))
        pause.wait(0.2)
    return seen


def test_leader_stays_while_one_etcd_after_the_other_is_silent(place: Place) -> None:
    *specs, _ = database_specs(
        place.state, place.network, place.ports, place.secrets, system_user()
    )
    rests = rest_addresses(place.network, place.ports)
    with place.running(specs) as nodes:
        assert patroni.wait_until_whole(rests, WHOLE_S)
        leads = patroni.leader(rests)
        assert leads is not None
        unknown = requests.patch(f"http://{rests[leads]}/config", json={"ttl": 30}, timeout=10)
        assert unknown.status_code == requests.codes.unauthorized
        for name in ETCD:
            found = nodes.whole(name)
            for identity in found:
                process.send(identity, signal.SIGSTOP)
            try:
                assert leaders(rests, STAYS_S) == {leads}
            finally:
                for identity in found:
                    process.send(identity, signal.SIGCONT)
            assert patroni.wait_until_whole(rests, WHOLE_S)
