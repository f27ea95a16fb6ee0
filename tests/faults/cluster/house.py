"""An installation on nodes that fail over: its URLs lead to whoever serves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.embedded import process, rabbitmq
from deploy.embedded.installation import Installation
from tests.faults.cluster.leading import Addresses, Leading
from tests.faults.cluster.postgresql import PostgresCluster, owner_url
from tests.faults.cluster.rabbitmq import NAMES, RabbitmqCluster
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
            serving = _Serving(broker)
            stack.enter_context(Leading(network, serving.addresses))
            user = f"{rabbitmq.USER}:{broker.password}@127.0.0.1"
            overrides["SALDO_AMQP_URL"] = f"amqp://{user}:{network.links['broker'].port}/"
            management = network.links["management"].port
            overrides["SALDO_AMQP_ADMIN_URL"] = f"http://{user}:{management}"
        installation = Installation(folder, overrides, owner=process.myself(), ports=ANY_PORTS)
        stack.callback(installation.reset)
        installation.up(seconds=_START_S)
        yield ClusterHouse(installation, network, database, broker)


def _primary(cluster: PostgresCluster) -> Addresses | None:
    leader = cluster.leader()
    return None if leader is None else {"database": cluster.ports[leader]}


class _Serving:
    """Stays with a node of RabbitMQ as long as it responds."""

    def __init__(self, cluster: RabbitmqCluster) -> None:
        self._cluster = cluster
        self._name = NAMES[0]

    def addresses(self) -> Addresses | None:
        """Return where a node serves; None: none does."""
        others = [name for name in NAMES if name != self._name]
        for name in (self._name, *others):
            if self._cluster.responds(name):
                self._name = name
                return {
                    "broker": self._cluster.port(name),
                    "management": self._cluster.port(name, "amqp_management"),
                }
        return None
