"""The PostgreSQL and RabbitMQ of a test run, wherever they can be had.

In this order: the URLs in SALDO_TEST_DATABASE_URL, SALDO_TEST_AMQP_URL and
SALDO_TEST_AMQP_ADMIN_URL; containers, where a Docker engine answers and has the images already;
private nodes under `.saldo/test/`, which end when the test run ends, however it ends.

In each virtual host the services and the gateway have the rights that they have in an installation.
Their users belong to the broker, so their passwords are the same for all workers.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from deploy.embedded import process
from deploy.embedded.environment import broker_urls
from deploy.embedded.installation import Installation
from deploy.embedded.processes import NODES
from deploy.embedded.rabbitmq import CONTAINER_COMMAND, container_image
from deploy.embedded.state import DEFAULT_PORTS
from services.broker import prepare_broker
from shared.config import GATEWAY, SERVICES, Settings

TEST_FOLDER = Path(__file__).resolve().parents[1] / ".saldo" / "test"
ANY_PORTS = dict.fromkeys(DEFAULT_PORTS, 0)
"""No preference: a test run takes whichever ports are free, an installation may run beside it."""

_NOT_DURABLE = """
# Nothing here outlives the test run. A killed backend or server loses nothing without fsync, only
# a crash of the operating system would; tests of durability start nodes of their own.
fsync = off
full_page_writes = off
"""

_EMBEDDED = "embedded, in"


@dataclass(frozen=True)
class Nodes:
    """Where the nodes are. `database_url` is that of an owner who may make databases and roles.

    `amqp_url` and `amqp_admin_url` are those of the broker's administrator. `origin` says in one
    line where they come from; `stop` ends what was started. `virtual_host` returns the URL of the
    n-th virtual host, `amqp_url` being that of the 0th; LookupError: there are fewer.
    """

    database_url: str
    amqp_url: str
    amqp_admin_url: str
    origin: str
    stop: Callable[[], None]
    virtual_host: Callable[[int], str]

    @property
    def embedded(self) -> bool:
        """Whether the nodes are those that `make up` would start, and not given ones."""
        return self.origin.startswith(_EMBEDDED)

    @property
    def amqp_urls(self) -> dict[str, str]:
        """The URLs of the services and the gateway in the virtual host of `amqp_url`."""
        return principals_urls(self.amqp_url, self.amqp_admin_url)


def acquire_nodes(*, durable: bool = True) -> Nodes:
    """Get nodes for this process, and print where they come from.

    Unless `durable`, embedded nodes do not wait for the disk.
    """
    nodes = _given() or _containers() or _embedded(durable)
    prepare(nodes.amqp_url, nodes.amqp_admin_url)
    print(f"\nnodes: {nodes.origin}", flush=True)  # noqa: T201 - the choice is to be seen
    return nodes


def principals_urls(amqp_url: str, amqp_admin_url: str) -> dict[str, str]:
    """Return the URLs of the services and the gateway; all workers derive the same passwords."""
    urls = broker_urls(amqp_url, amqp_admin_url)
    return {name: urls[f"SALDO_AMQP_URL_{name.upper()}"] for name in (*SERVICES, GATEWAY)}


def broker_environment(settings: Settings) -> dict[str, str]:
    """Return the variables with which an installation uses the broker of the tests.

    Its users have the passwords that they have: an installation of its own would change them.
    """
    return {
        "SALDO_AMQP_URL": settings.amqp_url,
        "SALDO_AMQP_ADMIN_URL": settings.amqp_admin_url,
        **{f"SALDO_AMQP_URL_{name.upper()}": url for name, url in settings.amqp_urls.items()},
    }


def prepare(amqp_url: str, amqp_admin_url: str) -> None:
    """Make the virtual host of a URL ready for the services and the gateway."""
    settings = Settings(
        amqp_urls=principals_urls(amqp_url, amqp_admin_url), amqp_admin_url=amqp_admin_url
    )
    prepare_broker(SERVICES, settings)


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
    admin_url = os.environ.get("SALDO_TEST_AMQP_ADMIN_URL", "")
    if not admin_url:
        raise LookupError(
            "with SALDO_TEST_AMQP_URL, set SALDO_TEST_AMQP_ADMIN_URL to the management API of the "
            "same RabbitMQ, as http://user:password@host:15672"
        )

    def virtual_host(number: int) -> str:
        if number < len(urls):
            if number > 0:
                prepare(urls[number], admin_url)
            return urls[number]
        raise LookupError(
            f"SALDO_TEST_AMQP_URL names {len(urls)} virtual hosts, separated by spaces: "
            f"name one for each worker, or call pytest with -n {len(urls)}"
        )

    origin = "as given in SALDO_TEST_*_URL"
    return Nodes(database, urls[0], admin_url, origin, lambda: None, virtual_host)


def _containers() -> Nodes | None:
    rabbit_image, postgres_image = container_image("rabbitmq"), container_image("postgres")
    if rabbit_image is None or postgres_image is None:
        return None
    from testcontainers.postgres import PostgresContainer
    from testcontainers.rabbitmq import RabbitMqContainer

    postgres = PostgresContainer(postgres_image, driver=None)
    rabbitmq = RabbitMqContainer(rabbit_image).with_command(list(CONTAINER_COMMAND))
    rabbitmq.with_exposed_ports(15672)
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
    user = f"{credentials.username}:{credentials.password}@{parameters.host}"
    amqp_url = f"amqp://{user}:{parameters.port}/"
    admin_url = f"http://{user}:{rabbitmq.get_exposed_port(15672)}"
    origin = f"containers of {postgres_image} and {rabbit_image}"
    hosts = _virtual_hosts(amqp_url, admin_url)
    return Nodes(postgres.get_connection_url(), amqp_url, admin_url, origin, stop, hosts)


def _embedded(durable: bool) -> Nodes:
    _clear_leftovers()
    me = process.myself()
    installation = Installation(TEST_FOLDER / f"{me.pid}-{me.started}", owner=me, ports=ANY_PORTS)
    installation.up(NODES)
    if not durable:
        with (installation.state.root / "postgres/data/postgresql.conf").open("a") as settings:
            settings.write(_NOT_DURABLE)
        os.kill(installation.identities()["postgres"].pid, signal.SIGHUP)
    amqp_url = installation.environment["SALDO_AMQP_URL"]
    admin_url = installation.environment["SALDO_AMQP_ADMIN_URL"]
    return Nodes(
        installation.environment["SALDO_DATABASE_URL"],
        amqp_url,
        admin_url,
        f"{_EMBEDDED} {installation.state.root}",
        installation.reset,
        _virtual_hosts(amqp_url, admin_url),
    )


def _virtual_hosts(amqp_url: str, admin_url: str) -> Callable[[int], str]:
    """Return how to make the n-th virtual host; the 0th is there already."""
    parts = urlsplit(amqp_url)

    def make(number: int) -> str:
        if number == 0:
            return amqp_url
        url = urlunsplit(parts._replace(path=f"/tests-{number}"))
        prepare(url, admin_url)
        return url

    return make


def _clear_leftovers() -> None:
    """Delete what killed runs left behind; their nodes have ended with them."""
    for folder in TEST_FOLDER.glob("*-*"):
        pid, _, started = folder.name.partition("-")
        owner = process.Identity(int(pid), int(started), process.boot_id())
        if not process.is_alive(owner):
            Installation(folder).reset()
