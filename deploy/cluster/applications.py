"""Saldo's own processes on a cluster: two of each, and what belongs to others beside them.

Each has what a process of an installation has (`deploy.embedded.processes`), with the addresses as
its machine sees them.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from msgspec.structs import replace

from deploy.cluster.network import APPLICATIONS, HOST, RABBITMQ, Network
from deploy.cluster.nodes import OWNER
from deploy.cluster.sections import BALANCERS, OUTSIDE
from deploy.embedded.environment import MONITORED, monitoring_urls
from deploy.embedded.keys import sealer_settings
from deploy.embedded.plan import Check, ProcessSpec
from deploy.embedded.process_settings import settings_of
from deploy.embedded.processes import service_specs
from deploy.embedded.state import StateDir
from deploy.embedded.surroundings import LOOPBACK, PLAIN_ENVIRONMENT
from shared.config import QUORUM

REPLICATED = tuple(MONITORED)
"""The processes of which each machine for applications has one."""

_NEEDS: Mapping[str, tuple[str, ...]] = {
    "postgres": (OWNER, *BALANCERS),
    "rabbitmq": (*RABBITMQ, *BALANCERS),
}
"""What a process of an installation requires, and what it is here."""

_BY_HAPROXY = (
    "SALDO_DATABASE_URL", "SALDO_KEYS_DATABASE_URL", "SALDO_AMQP_URL",
    "SALDO_ACQUIRER", "SALDO_FISCAL_URL", "SALDO_SMTP_URL",
)  # fmt: skip
_FILES = ("file", "maildir")
"""Schemes of URLs that lead to nobody else."""
_LOGINS = ("SALDO_KEYS_DATABASE_URL", "SALDO_LOGIN_URL")
"""From these follow the URLs by which services sign in."""


def cluster_settings(network: Network, ports: Mapping[str, int]) -> dict[str, str]:
    """Return the settings in which a cluster differs from an installation on one node.

    What is there twice has a variable for each: the second's ends in `_2`.
    """
    proxy = network.address(HOST) if network.kind == "namespaces" else LOOPBACK
    settings = {
        "SALDO_RPC_QUEUES": QUORUM,
        "SALDO_TRUSTED_PROXY": proxy,
        "SALDO_AMQP_METRICS_URL": (
            f"http://{network.address(RABBITMQ[0])}:{ports['amqp_prometheus']}/metrics"
        ),
    }
    for number, machine in enumerate(APPLICATIONS, 1):
        urls = monitoring_urls(ports, network.address(machine))
        end = "" if number == 1 else f"_{number}"
        settings |= {f"{name}{end}": url for name, url in urls.items()}
    return settings


def lead_outside(
    settings: Mapping[str, str], overrides: Mapping[str, str], ports: Mapping[str, int]
) -> list[str]:
    """Return the overrides by which processes on machines would call whom HAProxy does not."""
    called = {name for kind in REPLICATED for name in settings_of(kind, settings)}
    balanced = {ports[name] for name in ("postgres", "amqp", *OUTSIDE)}

    def is_reached(url: str) -> bool:
        parts = urlsplit(url)
        return parts.scheme in _FILES or (parts.hostname == LOOPBACK and parts.port in balanced)

    return sorted(
        name
        for name, value in overrides.items()
        if name in called or name.startswith(_LOGINS)
        if name != "SALDO_URL" and not name.endswith("_PAGES")
        if "://" in value and not is_reached(value)
    )


def application_specs(
    state: StateDir, network: Network, ports: Mapping[str, int], settings: Mapping[str, str]
) -> list[ProcessSpec]:
    """Return the processes of Saldo, and what belongs to others than Saldo: banks, mail."""
    found: list[ProcessSpec] = []
    for alone in service_specs(state, settings):
        needs = [name for one in alone.requires for name in _NEEDS.get(one, (one,))]
        spec = replace(alone, requires=tuple(dict.fromkeys(needs)))
        if spec.name not in REPLICATED:
            found.append(spec)
            continue
        for number, machine in enumerate(APPLICATIONS, 1):
            own = settings_on(machine, network, ports, {**sealer_settings(state), **settings})
            monitoring = own[f"SALDO_MONITORING_URL_{spec.name.upper()}"]
            found.append(
                replace(
                    spec,
                    name=f"{spec.name}-{number}",
                    argv=(*network.within(machine), *spec.argv),
                    environ=PLAIN_ENVIRONMENT | settings_of(spec.name, own),
                    ready=Check("http", f"{monitoring}/readyz"),
                )
            )
    return found


def settings_on(
    machine: str, network: Network, ports: Mapping[str, int], settings: Mapping[str, str]
) -> dict[str, str]:
    """Return the settings of the processes of a machine, with the addresses as it sees them."""
    address = network.address(machine)
    own = {
        "SALDO_GATEWAY_LISTEN": f"{address}:{ports['gateway']}",
        **monitoring_urls(ports, address),
    }
    if network.kind == "loopback":
        return {**settings, **own}
    host = network.address(HOST)
    seen = {
        name: _on_host(value, host) if name.startswith(_BY_HAPROXY) else value
        for name, value in settings.items()
    }
    # Payers are led to the banks' pages where they find them, which is not where we do.
    pages = {
        f"{name.removesuffix('_URL')}_PAGES": value
        for name, value in settings.items()
        if name.startswith("SALDO_ACQUIRER") and name.endswith("_URL") and seen[name] != value
    }
    return {**pages, **seen, **own}


def processes_of(name: str) -> set[str]:
    """Return the processes that a name stands for: those of a machine, or one by its own name."""
    if name in APPLICATIONS:
        number = APPLICATIONS.index(name) + 1
        return {f"{kind}-{number}" for kind in REPLICATED}
    return {name}


def _on_host(value: str, host: str) -> str:
    """Return a URL of the host's own loopback as a machine beside it reaches it."""
    if "://" not in value:
        return value
    parts = urlsplit(value)
    if parts.hostname != LOOPBACK:
        return value
    user, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}{at}{host}:{parts.port}").geturl()
