"""The machines of the cluster: their names, their addresses, and how a process starts on one.

Where we are root and the kernel lets us, each machine is a network namespace (`namespaces.py`), as
far from the others as a cable. Elsewhere each is an address of the loopback interface. The ports
are the same on all of them, but for those at which RabbitMQ speak to each other.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Literal

import msgspec

from deploy.embedded.plan import write_atomically

Kind = Literal["namespaces", "loopback"]

HOST = "host"
"""The machine that all others are on: with HAProxy, and what belongs to others than Saldo."""
ETCD = ("etcd-1", "etcd-2", "etcd-3")
POSTGRES = ("pg-1", "pg-2")
RABBITMQ = ("mq-1", "mq-2", "mq-3")
APPLICATIONS = ("app-1", "app-2")
MACHINES: Mapping[str, int] = {
    HOST: 1,
    **{name: 11 + number for number, name in enumerate(ETCD)},
    **{name: 21 + number for number, name in enumerate(POSTGRES)},
    **{name: 31 + number for number, name in enumerate(RABBITMQ)},
    **{name: 41 + number for number, name in enumerate(APPLICATIONS)},
}
"""The last number of the address of each."""

LOOPBACK_NETWORK = IPv4Network("127.0.0.0/8")
_PRIVATE = IPv4Network("10.0.0.0/8")
_ROUTES = Path("/proc/net/route")
_CANDIDATES = 40


class Network(msgspec.Struct, frozen=True):
    """The network of one cluster. `tag` tells its namespaces from those of others."""

    kind: Kind
    prefix: str
    tag: str

    @property
    def subnet(self) -> str:
        return f"{self.prefix}.0/24"

    @property
    def networks(self) -> tuple[str, ...]:
        """From where its machines are reached: those of the host come from either."""
        own = (self.subnet,) if self.kind == "namespaces" else ()
        return (*own, str(LOOPBACK_NETWORK))

    def address(self, machine: str) -> str:
        return f"{self.prefix}.{MACHINES[machine]}"

    def namespace(self, machine: str) -> str:
        return f"saldo-{self.tag}-{machine}"

    @property
    def bridge(self) -> str:
        """The name of the interface that connects them; at most 15 characters, as all names."""
        return f"saldo-{self.tag}"

    def cable(self, machine: str) -> str:
        """Return the host's end of the cable of a machine."""
        return f"sd-{self.tag}-{MACHINES[machine]}"

    def within(self, machine: str) -> tuple[str, ...]:
        """Return the command that starts others on a machine; it becomes the one it starts."""
        if self.kind == "loopback" or machine == HOST:
            return ()
        return ("/usr/bin/nsenter", f"--net=/run/netns/{self.namespace(machine)}", "--")


def choose(folder: Path, kind: Kind) -> Network:
    """Return the network of the cluster in a folder: the same one for each call."""
    digest = sha256(str(folder.resolve()).encode()).digest()
    return Network(kind=kind, prefix=_prefix(digest, kind), tag=digest.hex()[:6])


def load(file: Path) -> Network | None:
    """Return the network that a file keeps; None if there is none."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Network)
    except FileNotFoundError:
        return None


def save(file: Path, network: Network) -> None:
    """Keep a network in a file."""
    write_atomically(file, msgspec.json.encode(network))


def _prefix(digest: bytes, kind: Kind) -> str:
    """Return three numbers of addresses: none that the machine has a route to, if it has others."""
    first = digest[0] % 200 + 20
    candidates = [f"{first}.{(digest[1] + n) % 250 + 1}" for n in range(_CANDIDATES)]
    if kind == "loopback":
        return f"127.{candidates[0]}"
    known = known_networks(_ROUTES.read_text(encoding="ascii"))
    free = [one for one in candidates if not _overlaps(IPv4Network(f"10.{one}.0/24"), known)]
    return f"10.{(free or candidates)[0]}"


def known_networks(routes: str) -> list[IPv4Network]:
    """Return the private networks that a table of routes knows, as /proc/net/route has it."""
    found = []
    for line in routes.splitlines()[1:]:
        _, target, _, _, _, _, _, mask = line.split()[:8]
        network = IPv4Network((_number(target), IPv4Address(_number(mask)).compressed))
        # The way out of the machine leads to every network, and one to all private ones is such.
        if network.prefixlen > _PRIVATE.prefixlen:
            found.append(network)
    return found


def _overlaps(network: IPv4Network, others: Sequence[IPv4Network]) -> bool:
    return any(network.overlaps(one) for one in others)


def _number(text: str) -> int:
    """Return an address as the kernel writes it: in hexadecimal, in the order of the machine."""
    return socket.ntohl(int(text, 16))
