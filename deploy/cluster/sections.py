"""Which addresses HAProxy has, and where each of them leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deploy.cluster import haproxy
from deploy.cluster.haproxy import Section, Server
from deploy.cluster.network import APPLICATIONS, HOST, POSTGRES, RABBITMQ, Network
from deploy.embedded.surroundings import LOOPBACK

BALANCERS = ("balancer-1", "balancer-2")
OUTSIDE = ("acquirer", "yookassa", "ofd", "smtp")
"""What belongs to others than Saldo, by the names of its ports: it listens on the host alone."""


def sections(network: Network, ports: Mapping[str, int]) -> list[Section]:
    """Return all sections; both HAProxies have the same ones.

    People, staff and their tools reach everything at 127.0.0.1, as without a cluster. In namespaces
    of their own, processes reach the same ports at the address of the host.
    """
    separate = network.kind == "namespaces"
    addresses = (LOOPBACK, network.address(HOST)) if separate else (LOOPBACK,)

    def binds(port: str) -> Sequence[str]:
        return [f"{address}:{ports[port]}" for address in addresses]

    def servers(machines: Sequence[str], port: str, check: str = "") -> list[Server]:
        return [
            Server(one, f"{network.address(one)}:{ports[port]}", ports[check] if check else None)
            for one in machines
        ]

    found = [
        *haproxy.to_gateways(
            [f"{LOOPBACK}:{ports['gateway']}"],
            servers(APPLICATIONS, "gateway", "gateway_monitoring"),
        ),
        haproxy.to_primary(binds("postgres"), servers(POSTGRES, "postgres", "patroni")),
        haproxy.to_brokers(binds("amqp"), servers(RABBITMQ, "amqp")),
        haproxy.to_management(binds("amqp_management"), servers(RABBITMQ, "amqp_management")),
    ]
    if separate:
        for name in OUTSIDE:
            port = ports[name]
            there = f"{network.address(HOST)}:{port}"
            found.append(haproxy.onward(name, there, f"{LOOPBACK}:{port}"))
    return found


def statistics(ports: Mapping[str, int], balancer: str) -> str:
    """Return where a HAProxy shows what it knows, "host:port"."""
    return f"{LOOPBACK}:{ports[balancer]}"
