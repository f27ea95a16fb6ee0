"""The PostgreSQL and RabbitMQ of a test run, wherever they can be had.

In this order: the URLs in SALDO_TEST_DATABASE_URL and SALDO_TEST_AMQP_URL; containers, where a
Docker engine answers and has the images already; private nodes under `.saldo/test/`, which end
when the test run ends, however it ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from deploy.embedded import process
from deploy.embedded.installation import Installation
from deploy.embedded.plan import ProcessSpec, read_plan
from deploy.embedded.processes import NODES
from deploy.embedded.rabbitmq import container_image
from deploy.embedded.state import DEFAULT_PORTS

TEST_FOLDER = Path(__file__).resolve().parents[1] / ".saldo" / "test"
ANY_PORTS = dict.fromkeys(DEFAULT_PORTS, 0)
"""No preference: a test run takes whichever ports are free, an installation may run beside it."""

_NOT_DURABLE = """
# Nothing here outlives the test run. A killed backend or server loses nothing without fsync, only
# a crash of the operating system would; tests of durability start nodes of their own.
fsync = off
full_page_writes = off
"""


@dataclass(frozen=True)
class Nodes:
    """Where the nodes are. `database_url` is that of an owner who may make databases and roles.

    `origin` says in one line where they come from; `stop` ends what was started.
    `virtual_host` returns the URL of the n-th virtual host, `amqp_url` being that of the 0th, and
    raises LookupError when there are fewer.
    """

    database_url: str
    amqp_url: str
    origin: str
    stop: Callable[[], None]
    virtual_host: Callable[[int], str]


def acquire_nodes(*, durable: bool = True) -> Nodes:
    """Get nodes for this process, and print where they come from.

    Unless `durable`, embedded nodes do not wait for the disk.
    """
    nodes = _given() or _containers() or _embedded(durable)
    print(f"\nnodes: {nodes.origin}", flush=True)  # noqa: T201 - the choice is to be seen
    return nodes


def given_brokers() -> list[str]:
    """Return the URLs in SALDO_TEST_AMQP_URL, if the nodes are given: a virtual host each."""
    if not os.environ.get("SALDO_TEST_DATABASE_URL"):
        return []
    return os.environ.get("SALDO_TEST_AMQP_URL", "").split()


def _given() -> Nodes | None:
    urls = given_brokers()
    if not urls:
        return None
    database = os.environ["SALDO_TEST_DATABASE_URL"]

    def virtual_host(number: int) -> str:
        if number < len(urls):
            return urls[number]
        raise LookupError(
            f"SALDO_TEST_AMQP_URL names {len(urls)} virtual hosts, separated by spaces: "
            f"name one for each worker, or call pytest with -n {len(urls)}"
        )

    return Nodes(database, urls[0], "as given in SALDO_TEST_*_URL", lambda: None, virtual_host)


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

    def control(*words: str) -> None:
        code, output = rabbitmq.exec(["rabbitmqctl", *words])
        if code:
            raise RuntimeError(f"rabbitmqctl {words[0]} failed:\n{output.decode()}")

    parameters = rabbitmq.get_connection_params()
    credentials = parameters.credentials
    amqp_url = (
        f"amqp://{credentials.username}:{credentials.password}@{parameters.host}:{parameters.port}/"
    )
    origin = f"containers of {postgres_image} and {rabbit_image}"
    hosts = _virtual_hosts(amqp_url, control)
    return Nodes(postgres.get_connection_url(), amqp_url, origin, stop, hosts)


def _embedded(durable: bool) -> Nodes:
    _clear_leftovers()
    me = process.myself()
    installation = Installation(TEST_FOLDER / f"{me.pid}-{me.started}", owner=me, ports=ANY_PORTS)
    installation.up(NODES)
    if not durable:
        with (installation.state.root / "postgres/data/postgresql.conf").open("a") as settings:
            settings.write(_NOT_DURABLE)
        os.kill(installation.identities()["postgres"].pid, signal.SIGHUP)
    plan = read_plan(installation.state.plan)
    [broker] = [spec for spec in plan.processes if spec.name == "rabbitmq"] if plan else []

    def control(*words: str) -> None:
        command = [*_rabbitmqctl(broker), *words]
        subprocess.run(command, env=broker.environ, cwd="/", check=True, capture_output=True)

    amqp_url = installation.environment["SALDO_AMQP_URL"]
    return Nodes(
        installation.environment["SALDO_DATABASE_URL"],
        amqp_url,
        f"embedded, in {installation.state.root}",
        installation.reset,
        _virtual_hosts(amqp_url, control),
    )


def _rabbitmqctl(broker: ProcessSpec) -> list[str]:
    """Return the command that controls a broker: as its user, or within its container."""
    *prefix, last = broker.argv
    if last.endswith("/rabbitmq-server"):
        return [*prefix, str(Path(last).with_name("rabbitmqctl"))]
    return [prefix[0], "exec", prefix[prefix.index("--name") + 1], "rabbitmqctl"]


def _virtual_hosts(amqp_url: str, control: Callable[..., None]) -> Callable[[int], str]:
    """Return how to make the n-th virtual host by rabbitmqctl; the 0th is there already."""
    parts = urlsplit(amqp_url)

    def make(number: int) -> str:
        if number == 0:
            return amqp_url
        name = f"tests-{number}"
        control("add_vhost", name)
        control("set_permissions", "--vhost", name, str(parts.username), ".*", ".*", ".*")
        return urlunsplit(parts._replace(path=f"/{name}"))

    return make


def _clear_leftovers() -> None:
    """Delete what killed runs left behind; their nodes have ended with them."""
    for folder in TEST_FOLDER.glob("*-*"):
        pid, _, started = folder.name.partition("-")
        owner = process.Identity(int(pid), int(started), process.boot_id())
        if not process.is_alive(owner):
            Installation(folder).reset()
