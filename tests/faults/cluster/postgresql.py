"""Two PostgreSQL with Patroni and etcd: one leads, the other takes over.

Each node reaches etcd and the other node by links of its own, `etcd-pg-a`,
`postgresql-pg-a` and `patroni-pg-a`, so that it can be cut off from both; clients reach it still.
"""

from __future__ import annotations

import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import requests

from deploy.cluster import etcd, packages, patroni
from deploy.cluster.owner import TEMPLATE, connect, make_owner
from deploy.embedded import process
from deploy.embedded.postgres import DATABASE, OWNER
from deploy.embedded.system_user import system_user
from tests.faults.cluster.fencing import Fencing
from tests.faults.cluster.nodes import Nodes, free_ports
from tests.faults.injectors.network import Network
from tests.waiting import eventually

NAMES = ("pg-a", "pg-b")
ETCD = "etcd"
_ASK_S = 1.0
_START_S = 120.0
_OFF_S = 20.0
_LINKS = (ETCD, "postgresql", "patroni")


class PostgresCluster:
    """Two nodes and their agreement on who leads.

    The follower has everything that was committed, except where `unsynchronised` lets it be
    behind: then what it lacks is lost when it takes over.
    """

    def __init__(self, folder: Path, network: Network) -> None:
        self.folder = folder
        self._network = network
        self._role = patroni.SYNCHRONOUS
        etcd_port, peer, health, *ports = free_ports(3 + 2 * len(NAMES))
        self.ports = dict(zip(NAMES, ports[: len(NAMES)], strict=True))
        self.rest = dict(zip(NAMES, ports[len(NAMES) :], strict=True))
        self._passwords = {
            user: secrets.token_hex(16)
            for user in (patroni.SUPERUSER, patroni.REPLICATOR, patroni.OPERATOR, OWNER)
        }
        folder.mkdir(parents=True)
        folder.chmod(0o711)
        for name in NAMES:
            network.lead(f"etcd-{name}", "127.0.0.1", etcd_port)
            network.lead(f"postgresql-{name}", "127.0.0.1", self.ports[name])
            network.lead(f"patroni-{name}", "127.0.0.1", self.rest[name])
        user = system_user()
        member = etcd.Member(ETCD, *(f"127.0.0.1:{port}" for port in (etcd_port, peer, health)))
        self._nodes = {name: self._node(name) for name in NAMES}
        self.nodes = Nodes(
            folder,
            [
                etcd.process(member, [member], folder, packages.etcd(), user),
                *(
                    patroni.process(
                        node, folder, self._passwords, packages.patroni(), user, requires=(ETCD,)
                    )
                    for node in self._nodes.values()
                ),
            ],
        )
        self._etcd_url = f"http://127.0.0.1:{etcd_port}"
        self.fencing = Fencing(self._etcd_url, self._switch_off)

    @property
    def owner_password(self) -> str:
        return self._passwords[OWNER]

    @property
    def _operator(self) -> tuple[str, str]:
        """Who may change Patroni, and his password."""
        return patroni.OPERATOR, self._passwords[patroni.OPERATOR]

    def start(self) -> None:
        """Start both, and make the owner and his database."""
        self.nodes.start()
        leader = eventually(self.leader, "somebody leads", _START_S)
        assert leader is not None
        eventually(
            lambda: self._member(self._other(leader), patroni.REPLICA),
            "the other follows",
            _START_S,
        )
        with self.superuser(leader, TEMPLATE) as connection:
            make_owner(connection, self.owner_password)
        self.wait_until_whole()
        self.fencing.start()

    def stop(self) -> None:
        self.fencing.end()
        self.nodes.stop()

    def leader(self) -> str | None:
        """Return who leads, as Patroni's REST API says it; None: nobody, or nobody who answers."""
        return next((name for name in NAMES if self._member(name, patroni.PRIMARY)), None)

    def follower(self) -> str:
        """Return who does not lead."""
        leader = self.leader()
        assert leader is not None
        return self._other(leader)

    def wait_until_whole(self, seconds: float = _START_S) -> None:
        """Wait until one leads and the other follows, synchronously unless it need not."""

        def is_whole() -> bool:
            leader = self.leader()
            return leader is not None and self._member(self._other(leader), self._role)

        eventually(is_whole, "one leads and the other follows", seconds)

    def superuser(self, name: str, database: str = "postgres") -> psycopg.Connection[Any]:
        """Connect to one node as its superuser."""
        return connect(self._nodes[name], self._passwords[patroni.SUPERUSER], database)

    def host(self, name: str) -> list[process.Identity]:
        """Return all processes of a node: Patroni, and PostgreSQL, which may have outlived it."""
        found = self.nodes.whole(name)
        postmaster = self._postmaster(name)
        if postmaster is not None and postmaster not in found:
            found += [postmaster, *process.descendants(postmaster)]
        return found

    @contextmanager
    def killed(self, name: str) -> Iterator[None]:
        """Kill a node with -9, as its host would die; it starts again after the block."""
        with self.nodes.unattended():
            self._send(name, signal.SIGKILL)
            yield

    @contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """Let a node stand still for the length of a block, with all its connections."""
        with self.nodes.unattended():
            stopped = self._send(name, signal.SIGSTOP)
            try:
                yield
            finally:
                for identity in reversed(stopped):
                    process.send(identity, signal.SIGCONT)

    @contextmanager
    def postmaster_killed(self, name: str) -> Iterator[None]:
        """Kill PostgreSQL alone with -9; its Patroni lives, and sees it."""
        postmaster = self._postmaster(name)
        assert postmaster is not None
        assert process.send(postmaster, signal.SIGKILL)
        yield

    @contextmanager
    def cut_off(self, name: str) -> Iterator[None]:
        """Let a node reach neither etcd nor the other for a block; clients reach it."""
        links = [self._network.links[f"{kind}-{name}"] for kind in _LINKS]
        for link in links:
            link.stall()
        try:
            yield
        finally:
            for link in links:
                link.cut()  # what was sent meanwhile does not arrive any more
                link.heal()

    @contextmanager
    def unsynchronised(self) -> Iterator[None]:
        """Let commits not wait for the follower for the length of a block."""
        self._synchronise(synchronous=False)
        try:
            yield
        finally:
            eventually(self.leader, "somebody leads", _START_S)
            self._synchronise(synchronous=True)

    @contextmanager
    def follower_behind(self) -> Iterator[None]:
        """Let the follower receive nothing for the length of a block, nor later what was sent."""
        leader = self.leader()
        assert leader is not None
        link = self._network.links[f"postgresql-{leader}"]
        link.stall()
        try:
            yield
        finally:
            link.cut()
            link.heal()

    @contextmanager
    def unfenced(self) -> Iterator[None]:
        """Do without fencing for the length of a block: a lease has to run out."""
        self.fencing.is_on = False
        try:
            yield
        finally:
            self.fencing.is_on = True

    def switch_over(self) -> None:
        """Have the follower take over in order, as soon as it may."""

        def is_done() -> bool:
            leader = self.leader()
            if leader is None:
                return False
            body = {"leader": leader, "candidate": self._other(leader)}
            url = f"http://127.0.0.1:{self.rest[leader]}/switchover"
            return requests.post(url, json=body, auth=self._operator, timeout=_START_S).ok

        eventually(is_done, "the follower takes over", _START_S)

    def _synchronise(self, *, synchronous: bool) -> None:
        """Have Patroni change it, and wait until that has taken effect."""
        self._role = patroni.SYNCHRONOUS if synchronous else patroni.REPLICA
        leader = self.leader()
        assert leader is not None
        url = f"http://127.0.0.1:{self.rest[leader]}/config"
        body = {"synchronous_mode": synchronous}
        done = requests.patch(url, json=body, auth=self._operator, timeout=_START_S)
        done.raise_for_status()
        if not synchronous:
            eventually(self._waits_for_nobody, "commits do not wait for the follower", _START_S)

    def _waits_for_nobody(self) -> bool:
        leader = self.leader()
        if leader is None:
            return False
        with self.superuser(leader) as connection:
            row = connection.execute("SHOW synchronous_standby_names").fetchone()
        return row is not None and not row[0]

    def _switch_off(self, name: str) -> None:
        """Kill a host as its power supply would, and wait until nothing of it runs."""
        killed = self._send(name, signal.SIGKILL)
        eventually(
            lambda: not any(map(process.is_alive, killed)), f"the host {name} is off", _OFF_S
        )

    def _postmaster(self, name: str) -> process.Identity | None:
        return patroni.postmaster(patroni.data_folder(self.folder / name))

    def _send(self, name: str, number: int) -> list[process.Identity]:
        """Signal a node's processes: Patroni first, so that it sees nothing of it."""
        return [identity for identity in self.host(name) if process.send(identity, number)]

    def _member(self, name: str, role: str) -> bool:
        try:
            url = f"http://127.0.0.1:{self.rest[name]}/{role}"
            return requests.get(url, timeout=_ASK_S).status_code == 200
        except requests.RequestException:
            return False

    def _other(self, name: str) -> str:
        return next(other for other in NAMES if other != name)

    def _node(self, name: str) -> patroni.Node:
        etcd_link, postgres, rest = (
            f"127.0.0.1:{self._network.links[f'{kind}-{name}'].port}" for kind in _LINKS
        )
        return patroni.Node(
            name,
            f"127.0.0.1:{self.ports[name]}",
            f"127.0.0.1:{self.rest[name]}",
            [etcd_link],
            links={"postgres": postgres, "rest": rest},
        )


def owner_url(cluster: PostgresCluster, *ports: int) -> str:
    """Return the URL of the owner of the database, by ports of which one leads to the leader."""
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    return f"postgresql://{OWNER}:{cluster.owner_password}@{hosts}/{DATABASE}"
