"""An installation on nodes that fail over: its URLs lead to whoever serves.

with open_cluster_house() as house:
    with house.database.killed(house.database.leader()):
        ...
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.cluster import packages
from deploy.embedded import rabbitmq
from deploy.embedded.installation import Installation
from shared.config import QUORUM
from tests.faults.books import books_setting
from tests.faults.cluster.leading import Addresses, Leading
from tests.faults.cluster.postgresql import PostgresCluster, owner_url
from tests.faults.cluster.rabbitmq import RabbitmqCluster
from tests.faults.house import RunningHouse, installed
from tests.faults.injectors.network import Link, Network

PLACE = packages.FOLDER.parent / "clusters"
"""Where clusters of tests are, each in a folder."""
_START_S = 240.0


class ClusterHouse(RunningHouse):
    """An installation whose PostgreSQL and RabbitMQ are clusters."""

    def __init__(
        self,
        installation: Installation,
        proxies: Mapping[str, Link],
        database: PostgresCluster,
        broker: RabbitmqCluster,
    ) -> None:
        super().__init__(installation, proxies)
        self.database = database
        self.broker = broker
        self.struck_at = 0.0
        """When a failover struck last, by the monotonic clock."""

    def rabbitmqctl(self, *words: str) -> str:
        """Run rabbitmqctl on the node that serves; raises CalledProcessError."""
        return self.broker.ctl(self.broker.serving, *words)

    def keep_logs(self, folder: Path) -> None:
        """Copy the logs, of the nodes as well: the house is deleted."""
        super().keep_logs(folder)
        for nodes in (self.database.nodes, self.broker.nodes):
            name = nodes.state.root.name
            shutil.copytree(nodes.state.root / "log", folder / name, dirs_exist_ok=True)


@contextmanager
def open_cluster_house(books: int = 1) -> Iterator[ClusterHouse]:
    """Run a house with the demo company on clusters; all of it is deleted afterwards.

    Its ledger has so many `books`.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(new_folder())
        network = stack.enter_context(Network())
        database = PostgresCluster(folder / "postgres", network)
        stack.callback(database.stop)
        broker = RabbitmqCluster(folder / "rabbitmq")
        stack.callback(broker.stop)
        broker.begin()
        database.start()
        broker.wait_until_whole()
        stack.enter_context(Leading(network, lambda: _primary(database)))
        stack.enter_context(Leading(network, lambda: _serving(broker)))
        ports = {name: link.port for name, link in network.links.items()}
        user = f"{rabbitmq.USER}:{broker.password}@127.0.0.1"
        overrides = {
            **books_setting(books),
            "SALDO_DATABASE_URL": owner_url(database, ports["primary"]),
            "SALDO_AMQP_URL": f"amqp://{user}:{ports['serving']}/",
            "SALDO_AMQP_ADMIN_URL": f"http://{user}:{ports['management']}",
            "SALDO_RPC_QUEUES": QUORUM,
        }
        installation = stack.enter_context(
            installed(folder / "saldo", network, overrides=overrides, seconds=_START_S)
        )
        yield ClusterHouse(installation, network.links, database, broker)


@contextmanager
def new_folder() -> Iterator[Path]:
    """Make a folder that the system user of the nodes may enter."""
    PLACE.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=PLACE))
    made.chmod(0o711)
    try:
        yield made
    finally:
        shutil.rmtree(made)


def _primary(cluster: PostgresCluster) -> Addresses | None:
    leader = cluster.leader()
    return None if leader is None else {"primary": cluster.ports[leader]}


def _serving(cluster: RabbitmqCluster) -> Addresses | None:
    name = cluster.follow()
    if name is None:
        return None
    return {
        "serving": cluster.port(name),
        "management": cluster.port(name, "amqp_management"),
    }
