"""RabbitMQ as a cluster: nodes of Debian's package that join each other at their first start.

``python -m deploy.cluster.rabbitmq FOLDER HOST:PORT`` waits, for a node without data, until another
one listens: two that are both new would found a cluster each.
"""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from deploy.embedded import rabbitmq
from deploy.embedded.plan import Check, ProcessSpec
from deploy.embedded.readiness import is_ready
from deploy.embedded.surroundings import REPOSITORY
from deploy.embedded.system_user import SystemUser

PORTS = ("amqp", "amqp_management", "amqp_prometheus", "amqp_distribution", "epmd")
TICK_S = 8
"""For about so long a node that stands still counts as there; RabbitMQ's own is 60 s."""
_FOUND_S = 50.0
_CTL_S = 60
_ANSWER_S = 2.0
_POLL_S = 0.2
_NODE = re.compile(r"[\w.-]+@[\w.-]+")

_FORMATION = """\
cluster_formation.peer_discovery_backend = classic_config
{nodes}
cluster_partition_handling = pause_minority
log.connection.level = error
"""
# Each look of HAProxy would be four lines: a connection that ends after the greeting.


@dataclass(frozen=True)
class Node:
    """A node, the address that it listens on, its ports (`PORTS`), and how others call it.

    `host` is the right part of its name: an address, or a name without dots that has one.
    """

    name: str
    address: str
    ports: Mapping[str, int] = field(default_factory=dict)
    host: str = ""

    @property
    def full_name(self) -> str:
        return f"{self.name}@{self.host or self.address}"

    @property
    def has_long_name(self) -> bool:
        return "." in (self.host or self.address)


def processes(
    node: Node,
    nodes: Sequence[Node],
    folder: Path,
    secrets: Mapping[str, str],
    user: SystemUser,
) -> tuple[ProcessSpec, ProcessSpec]:
    """Write a node's settings below a folder, and describe its port mapper and its process.

    `secrets` are `amqp`, the administrator's password, and `cookie`. Those whose ports of the
    mapper are the same on one machine share the mapper: it listens on all addresses of them.
    """
    own = folder / node.name
    listed = "\n".join(
        f"cluster_formation.classic_config.nodes.{number} = {one.full_name}"
        for number, one in enumerate(nodes, 1)
    )
    url = f"amqp://{rabbitmq.USER}:{secrets['amqp']}@{node.address}:{node.ports['amqp']}/"
    mapper, server = rabbitmq.packaged_processes(
        own, node.ports, secrets, url, user,
        host=node.address, more=_FORMATION.format(nodes=listed),
    )  # fmt: skip
    variable = "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"
    environ = server.environ | {
        "RABBITMQ_NODENAME": node.full_name,
        **({"RABBITMQ_USE_LONGNAME": "true"} if node.has_long_name else {}),
        variable: f"{server.environ[variable]} -kernel net_ticktime {TICK_S}",
        "PYTHONPATH": str(REPOSITORY),
    }
    before = nodes[: nodes.index(node)]
    joins = tuple(
        (sys.executable, "-m", __name__, str(own / "mnesia"), f"{one.address}:{one.ports['amqp']}")
        for one in before[-1:]
    )
    return mapper, replace(server, name=node.name, environ=environ, before_start=joins)


def shared_mapper(mapper: ProcessSpec, nodes: Sequence[Node]) -> ProcessSpec:
    """Return a port mapper for all nodes of one machine, at each of their addresses."""
    at = mapper.argv.index("-address") + 1
    addresses = ",".join(dict.fromkeys(node.address for node in nodes))
    host = nodes[0].address
    ready = Check("tcp", f"{host}:{nodes[0].ports['epmd']}")
    argv = (*mapper.argv[:at], addresses, *mapper.argv[at + 1 :])
    return replace(mapper, argv=argv, ready=ready)


def ctl(server: ProcessSpec, *words: str, program: str = "rabbitmqctl") -> str:
    """Run a tool of RabbitMQ on a node, and return its output.

    Raises subprocess.SubprocessError.
    """
    *prefix, script = server.argv
    done = subprocess.run(
        [*prefix, str(Path(script).with_name(program)), "--quiet", *words],
        env=server.environ, cwd="/", capture_output=True, text=True, check=True, timeout=_CTL_S,
    )  # fmt: skip
    return done.stdout


def asked(server: ProcessSpec, expression: str) -> str:
    """Return the value of an expression of Erlang on a node; empty where it cannot be asked."""
    try:
        return ctl(server, "eval", expression).strip()
    except subprocess.SubprocessError:
        return ""


def runs_with(server: ProcessSpec) -> int:
    """Return how many nodes run in the cluster of a node, with itself."""
    return int(asked(server, "length(rabbit_nodes:all_running()).") or 0)


def partitions(servers: Mapping[str, ProcessSpec]) -> dict[str, list[str]]:
    """Return whom each node takes for dead, though it runs; by their names in the cluster."""
    expression = "rabbit_node_monitor:partitions()."
    return {name: _NODE.findall(asked(spec, expression)) for name, spec in servers.items()}


def is_parted(name: str, said: Mapping[str, Collection[str]]) -> bool:
    """Return whether this node, or another one, says that it is in a partition of its own.

    They need not say the same. `pause_minority` does not see it: an operator restarts the node.
    """
    others = [one for who, named in said.items() if who != name for one in named]
    return bool(said.get(name)) or any(one.startswith(f"{name}@") for one in others)


def apart(said: Mapping[str, Collection[str]]) -> str | None:
    """Return which node an operator is to restart: the one that most others take for dead."""
    named = Counter(one.partition("@")[0] for others in said.values() for one in others)
    return max(named, key=lambda one: (named[one], one), default=None)


def takes_for_dead(node: Node, password: str) -> list[str] | None:
    """Return whom a node takes for dead, by its own management API; None: it does not serve."""
    login = b64encode(f"{rabbitmq.USER}:{password}".encode()).decode()
    connection = http.client.HTTPConnection(
        node.address, node.ports["amqp_management"], timeout=_ANSWER_S
    )
    try:
        path = f"/api/nodes/{node.full_name}?columns=running,partitions"
        connection.request("GET", path, headers={"Authorization": f"Basic {login}"})
        with connection.getresponse() as response:
            said = json.load(response) if response.status == http.client.OK else {}
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return list(said.get("partitions", ())) if said.get("running") else None


def wait_to_join(data: Path, other: str, seconds: float = _FOUND_S) -> bool:
    """Wait until another node listens, unless this one has been in the cluster before.

    Return whether it may start.
    """
    ends = time.monotonic() + seconds
    while not _has_joined(data) and not is_ready(Check("tcp", other)):
        if time.monotonic() > ends:
            return False
        time.sleep(_POLL_S)
    return True


def _has_joined(data: Path) -> bool:
    """Return whether a node knows another one: it lists them in a file, beginning with itself.

    One whose first start was cut short has data, but is in no cluster yet.
    """
    lists = data.glob("*@*/cluster_nodes.config")
    return any(len(set(_NODE.findall(file.read_text("utf-8")))) > 1 for file in lists)


if __name__ == "__main__":
    sys.exit(0 if wait_to_join(Path(sys.argv[1]), sys.argv[2]) else 1)
