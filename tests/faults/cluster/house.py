"""An installation on nodes that fail over: its URLs lead to whoever serves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.embedded import process, rabbitmq
from deploy.embedded.installation import Installation
from shared.config import QUORUM
from tests.faults.cluster.leading import Addresses, Leading
from tests.faults.cluster.postgresql import PostgresCluster, owner_url
from tests.faults.cluster.rabbitmq import RabbitmqCluster
from tests.faults.house import RunningHouse
from tests.faults.injectors.network import Network
from tests.nodes import ANY_PORTS

_START_S = 180.0


class ClusterHouse(RunningHouse):
    """An installation whose PostgreSQL, or RabbitMQ, or both, are a cluster."""

    def __init__(
        self,
        installation: Installation,
        network: Network,
        database: PostgresCluster | None,
        broker: RabbitmqCluster | None,
    ) -> None:
        super().__init__(installation, network.links)
        self.database = database
        self.broker = broker


@contextmanager
def cluster_house(
    folder: Path,
    *,
    database: PostgresCluster | None = None,
    broker: RabbitmqCluster | None = None,
) -> Iterator[ClusterHouse]:
    """Run an installation on clusters, which are started and stopped with it."""
    overrides: dict[str, str] = {}
    with ExitStack() as stack:
        network = stack.enter_context(Network())
        if database is not None:
            stack.callback(database.stop)
            database.start()
            stack.enter_context(Leading(network, lambda: _primary(database)))
            port = network.links["database"].port
            overrides["SALDO_DATABASE_URL"] = owner_url(database, port)
        if broker is not None:
            stack.callback(broker.stop)
            broker.start()
            stack.enter_context(Leading(network, lambda: _serving(broker)))
            user = f"{rabbitmq.USER}:{broker.password}@127.0.0.1"
            overrides["SALDO_AMQP_URL"] = f"amqp://{user}:{network.links['broker'].port}/"
            management = network.links["management"].port
            overrides["SALDO_RPC_QUEUES"] = QUORUM
            overrides["SALDO_AMQP_ADMIN_URL"] = f"http://{user}:{management}"
        installation = Installation(folder, overrides, owner=process.myself(), ports=ANY_PORTS)
        stack.callback(installation.reset)
        installation.up(seconds=_START_S)
        yield ClusterHouse(installation, network, database, broker)


def _primary(cluster: PostgresCluster) -> Addresses | None:
    leader = cluster.leader()
    return None if leader is None else {"database": cluster.ports[leader]}


def _serving(cluster: RabbitmqCluster) -> Addresses | None:
    name = cluster.follow()
    if name is None:
        return None
    return {
        "broker": cluster.port(name),
        "management": cluster.port(name, "amqp_management"),
    }
