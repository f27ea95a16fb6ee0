"""The real PostgreSQL and RabbitMQ of a test run, wherever they can be had.

In this order: the URLs in SALDO_TEST_DATABASE_URL and SALDO_TEST_AMQP_URL; containers, where a
Docker engine answers and has the images already; nodes of our own under `.saldo/test/`, which end
when the test run ends, however it ends.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.embedded import process
from deploy.embedded.installation import Installation
from deploy.embedded.processes import NODES
from deploy.embedded.rabbitmq import container_image
from deploy.embedded.state import DEFAULT_PORTS

TEST_FOLDER = Path(__file__).resolve().parents[1] / ".saldo" / "test"
ANY_PORTS = dict.fromkeys(DEFAULT_PORTS, 0)
"""No preference: a test run takes whichever ports are free, an installation may run beside it."""


@dataclass(frozen=True)
class Nodes:
    """Where the nodes are. `database_url` is that of an owner who may make databases and roles.

    `origin` says in one line where they come from; `stop` ends what was started.
    """

    database_url: str
    amqp_url: str
    origin: str
    stop: Callable[[], None]


def acquire_nodes() -> Nodes:
    """Get the nodes for this process, and print where they come from."""
    nodes = _given() or _containers() or _embedded()
    print(f"\nnodes: {nodes.origin}", flush=True)  # noqa: T201 - the choice is to be seen
    return nodes


def _given() -> Nodes | None:
    database = os.environ.get("SALDO_TEST_DATABASE_URL")
    amqp = os.environ.get("SALDO_TEST_AMQP_URL")
    if not database or not amqp:
        return None
    return Nodes(database, amqp, "as given in SALDO_TEST_*_URL", lambda: None)


def _containers() -> Nodes | None:
    rabbit_image, postgres_image = container_image("rabbitmq"), container_image("postgres")
    if rabbit_image is None or postgres_image is None:
        return None
    from testcontainers.postgres import PostgresContainer
    from testcontainers.rabbitmq import RabbitMqContainer

    postgres = PostgresContainer(postgres_image, driver=None)
    rabbitmq = RabbitMqContainer(rabbit_image)
    started = []
    try:
        for container in (postgres, rabbitmq):
            container.start()
            started.append(container)
    except Exception:
        for container in started:
            container.stop()
        raise

    def stop() -> None:
        rabbitmq.stop()
        postgres.stop()

    parameters = rabbitmq.get_connection_params()
    credentials = parameters.credentials
    amqp_url = (
        f"amqp://{credentials.username}:{credentials.password}@{parameters.host}:{parameters.port}/"
    )
    origin = f"containers of {postgres_image} and {rabbit_image}"
    return Nodes(postgres.get_connection_url(), amqp_url, origin, stop)


def _embedded() -> Nodes:
    _clear_leftovers()
    me = process.myself()
    installation = Installation(TEST_FOLDER / f"{me.pid}-{me.started}", owner=me, ports=ANY_PORTS)
    installation.up(NODES)
    environment = installation.environment
    return Nodes(
        environment["SALDO_DATABASE_URL"],
        environment["SALDO_AMQP_URL"],
        f"embedded, in {installation.state.root}",
        installation.reset,
    )


def _clear_leftovers() -> None:
    """Delete what runs left that were killed; their nodes have ended with them."""
    for folder in TEST_FOLDER.glob("*-*"):
        pid, _, started = folder.name.partition("-")
        owner = process.Identity(int(pid), int(started), process.boot_id())
        if not process.is_alive(owner):
            Installation(folder).reset()
