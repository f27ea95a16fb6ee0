"""Three RabbitMQ nodes in one cluster, from the package that an installation runs."""

from __future__ import annotations

import secrets
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.cluster import rabbitmq as cluster
from deploy.embedded import process, rabbitmq
from deploy.embedded.plan import ProcessSpec
from deploy.embedded.system_user import system_user
from tests.faults.cluster.nodes import Nodes, free_ports
from tests.waiting import eventually

NAMES = ("one", "two", "three")
_PORTS = tuple(name for name in cluster.PORTS if name != "epmd")
_ASK_S = 1.0
_GREETING = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = b"\x01"
_WHOLE_S = 120.0


class RabbitmqCluster:
    """Three nodes; two of them go on without the third."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.password = secrets.token_hex(16)
        self.serving = NAMES[0]
        """The node that a link leads to; `follow` looks for another when it does not respond."""
        epmd, *ports = free_ports(1 + len(NAMES) * len(_PORTS))
        self._ports = {
            name: dict(zip(_PORTS, ports[n * len(_PORTS) :], strict=False)) | {"epmd": epmd}
            for n, name in enumerate(NAMES)
        }
        folder.mkdir(parents=True)
        folder.chmod(0o711)
        self._secrets = {"amqp": self.password, "cookie": secrets.token_hex(16)}
        specs = self._processes()
        self._specs = {spec.name: spec for spec in specs}
        self.nodes = Nodes(folder, specs)

    def begin(self) -> None:
        """Begin to start all three; a new one joins the one before it."""
        self.nodes.begin()

    def stop(self) -> None:
        self.nodes.stop()

    def url(self, name: str) -> str:
        """Return the URL of one node's administrator."""
        return f"amqp://{rabbitmq.USER}:{self.password}@127.0.0.1:{self.port(name)}/"

    def port(self, name: str, kind: str = "amqp") -> int:
        return self._ports[name][kind]

    def responds(self, name: str) -> bool:
        """Return whether a node begins to speak AMQP, within a second.

        One that is paused, by us or by itself, does not. A whole connection would have no time
        limit: a node may stop in the middle of it.
        """
        try:
            with socket.create_connection(("127.0.0.1", self.port(name)), timeout=_ASK_S) as sock:
                sock.sendall(_GREETING)
                return sock.recv(1) == _METHOD_FRAME
        except OSError:
            return False

    def ctl(self, name: str, *words: str, program: str = "rabbitmqctl") -> str:
        """Run a tool of RabbitMQ on a node; raises CalledProcessError."""
        return cluster.ctl(self._specs[name], *words, program=program)

    def follow(self) -> str | None:
        """Stay with the node that serves, or go to another that responds; None: none does."""
        others = [name for name in NAMES if name != self.serving]
        for name in (self.serving, *others):
            if self.responds(name):
                self.serving = name
                return name
        return None

    def leader_of(self, queue: str) -> str:
        """Return the node that leads a quorum queue or a stream."""
        rows = self.ctl(self._anyone(), "list_queues", "name", "leader", "pid")
        row = next(line.split("\t") for line in rows.splitlines() if line.startswith(f"{queue}\t"))
        return next(name for name in NAMES if f"{name}@" in row[1] or f"<{name}@" in row[2])

    def wait_until_whole(self, seconds: float = _WHOLE_S) -> None:
        """Wait until all three run in one cluster."""
        eventually(self._is_whole, "three nodes run in one cluster", seconds)

    def _is_whole(self) -> bool:
        if not all(map(self.responds, NAMES)):
            return False
        return cluster.runs_with(self._specs[NAMES[0]]) == len(NAMES)

    def _is_parted(self, name: str) -> bool:
        """Return whether this node or another one says that it is in a partition of its own."""
        said = cluster.partitions({one: self._specs[one] for one in NAMES})
        return cluster.is_parted(name, said)

    @contextmanager
    def killed(self, name: str) -> Iterator[None]:
        """Kill a node with -9, which starts again after the block."""
        with self.nodes.unattended():
            for identity in self.nodes.whole(name):
                process.send(identity, signal.SIGKILL)
            yield

    @contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """Let a node stand still for the length of a block; then an operator looks after it.

        One that was taken for dead, and goes on, is in a partition of its own, which
        `pause_minority` does not see: it is to be restarted, as RabbitMQ's guide says.
        """
        stopped = [one for one in self.nodes.whole(name) if process.send(one, signal.SIGSTOP)]
        try:
            yield
        finally:
            for identity in reversed(stopped):
                process.send(identity, signal.SIGCONT)
        eventually(lambda: self._is_parted(name) or self._is_whole(), f"{name} goes on", _WHOLE_S)
        node = self.nodes.identity(name)
        if node is not None and self._is_parted(name):
            process.send(node, signal.SIGTERM)
            eventually(lambda: not process.is_alive(node), f"{name} has ended", _WHOLE_S)

    @contextmanager
    def cut_off(self, name: str) -> Iterator[None]:
        """Let a node reach no other for the length of a block; clients reach it still.

        Erlang's own connections between nodes are ended, and made again by none of them: each
        proves a secret to the other, and the node's is another one meanwhile.
        """
        others = [f"'{other}@localhost'" for other in NAMES if other != name]
        wrong, right = secrets.token_hex(16), self._secrets["cookie"]
        self._meet(name, others, wrong, "erlang:disconnect_node(N)")
        try:
            yield
        finally:
            self._meet(name, others, right, "net_kernel:connect_node(N)")

    def _meet(self, name: str, others: Sequence[str], cookie: str, then: str) -> None:
        """Have a node use a cookie with others, and do something with each."""
        each = f"begin erlang:set_cookie(N, '{cookie}'), {then} end"
        self.ctl(name, "eval", f"[{each} || N <- [{', '.join(others)}]].")

    def _anyone(self) -> str:
        return next(name for name in NAMES if self.responds(name))

    def _processes(self) -> list[ProcessSpec]:
        """Return the nodes, and before them the port mapper of all."""
        user = system_user()
        nodes = [cluster.Node(name, "127.0.0.1", self._ports[name], "localhost") for name in NAMES]
        pairs = [cluster.processes(node, nodes, self.folder, self._secrets, user) for node in nodes]
        return [pairs[0][0], *(node for _, node in pairs)]
