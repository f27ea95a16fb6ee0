"""PostgreSQL with Patroni: its configuration, its processes, and who leads.

A node leads as long as its lease in etcd lasts, which Patroni renews. The follower confirms every
commit (`synchronous_mode`), so whoever takes over has everything that anybody was told; without a
follower the leader goes on alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from deploy.cluster.certificate import Certificate
from deploy.embedded import process as processes
from deploy.embedded.plan import Check, ProcessSpec, write_atomically
from deploy.embedded.postgres_binaries import binaries
from deploy.embedded.readiness import is_ready
from deploy.embedded.surroundings import PLAIN_ENVIRONMENT
from deploy.embedded.system_user import SystemUser

SUPERUSER, REPLICATOR, OPERATOR = "postgres", "replicator", "patroni"
"""The users of Patroni itself, and who may change it: their passwords are in the configuration of
each node."""
PRIMARY, REPLICA, SYNCHRONOUS = "primary", "replica", "sync"
"""Roles of nodes, as Patroni's REST API has them."""
TTL_S = 20
"""How long a lease lasts: the least that Patroni takes. A leader who is gone is replaced after it
at the latest."""
_LOOP_S = 1
_RETRY_S = 8
"""How long a leader looks for one of etcd that answers, before he gives up: longer than an election
takes, and twice of it less than a lease. Each of three gets a third of it."""
_STOP_S = 20.0
_FAR_BEHIND = 2**30
_AWAY_S = 24 * 3600
"""So long the leader keeps what a node that is away has to catch up with, as far as there is room
(`max_slot_wal_keep_size`)."""
_POLL_S = 0.2

_PARAMETERS: Mapping[str, object] = {
    "max_connections": 300,
    "shared_buffers": "64MB",
    "dynamic_shared_memory_type": "mmap",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u ",
    "createrole_self_grant": "set, inherit",
    "wal_keep_size": "64MB",
    "max_slot_wal_keep_size": "4GB",
}


@dataclass(frozen=True)
class Node:
    """A node: where it listens, and where it and the others reach each other ("host:port").

    Others reach it where it listens, unless a link leads there. By a link it also reaches etcd:
    then it must not go to the addresses that etcd itself names.
    """

    name: str
    postgres: str
    rest: str
    etcd: Sequence[str]
    links: Mapping[str, str] = field(default_factory=dict)
    """Where others reach its `postgres` and its `rest`, if elsewhere."""
    networks: Sequence[str] = ("127.0.0.0/8",)
    """From where it is reached at all."""
    certificate: Certificate | None = None
    """By which etcd knows it, if etcd wants to."""


def process(
    node: Node,
    folder: Path,
    passwords: Mapping[str, str],
    program: Path,
    user: SystemUser,
    *,
    within: Sequence[str] = (),
    requires: tuple[str, ...] = ("etcd",),
) -> ProcessSpec:
    """Write a node's configuration below a folder, and describe its process.

    `within` is a command that starts others on the node's machine.
    """
    own = folder / node.name
    own.mkdir(mode=0o700, exist_ok=True)
    file = own / "patroni.json"  # which is YAML, too
    text = json.dumps(settings(node, own, passwords), indent=1)
    write_atomically(file, text.encode("ascii"))
    user.own(own)
    # Its interpreter may be where other users may not go, such as in the home of root.
    interpreter = program.with_name("python").resolve()
    prefix = user.prefix([program, interpreter, folder, binaries() / "postgres"])
    return ProcessSpec(
        name=node.name,
        argv=(*within, *prefix, str(program), str(file)),
        environ=PLAIN_ENVIRONMENT | {"HOME": str(own)},
        cwd="/",
        requires=requires,
        ready=Check("http", f"http://{node.rest}/health"),
        stop_seconds=_STOP_S,
        # A node whose settings have changed is started anew.
        version=sha256(text.encode()).hexdigest(),
    )


def settings(node: Node, folder: Path, passwords: Mapping[str, str]) -> dict[str, Any]:
    """Return the configuration of a node whose files are in a folder."""
    reached = {"postgres": node.postgres, "rest": node.rest} | dict(node.links)
    users = {
        kind: {"username": name, "password": passwords[name]}
        for kind, name in (("superuser", SUPERUSER), ("replication", REPLICATOR))
    }
    return {
        "scope": "saldo",
        "name": node.name,
        "restapi": {
            "listen": node.rest,
            "connect_address": reached["rest"],
            # For what changes anything; who leads is said to everybody.
            "authentication": {"username": OPERATOR, "password": passwords[OPERATOR]},
        },
        # That of this machine would restart all of it when one node dies.
        "watchdog": {"mode": "off"},
        "etcd3": {
            "hosts": list(node.etcd),
            "use_proxies": bool(node.links),
            **_known_by(node.certificate),
        },
        "bootstrap": {
            "dcs": {
                "ttl": TTL_S,
                "loop_wait": _LOOP_S,
                "retry_timeout": _RETRY_S,
                "maximum_lag_on_failover": _FAR_BEHIND,
                "member_slots_ttl": _AWAY_S,
                "primary_start_timeout": 0,
                "synchronous_mode": True,
                "postgresql": {"use_pg_rewind": True, "parameters": dict(_PARAMETERS)},
            },
            "initdb": [
                {"encoding": "UTF8"}, {"locale-provider": "builtin"}, {"locale": "C.UTF-8"},
            ],
        },
        "postgresql": {
            "listen": node.postgres,
            "connect_address": reached["postgres"],
            "data_dir": str(data_folder(folder)),
            "bin_dir": str(binaries()),
            "pgpass": str(folder / "pgpass"),
            "authentication": users,
            "pg_hba": [
                *(f"host replication {REPLICATOR} {one} scram-sha-256" for one in node.networks),
                *(f"host all all {one} scram-sha-256" for one in node.networks),
            ],
        },
    }  # fmt: skip


def _known_by(certificate: Certificate | None) -> dict[str, str]:
    if certificate is None:
        return {}
    file, key = map(str, certificate)
    return {"protocol": "https", "cacert": file, "cert": file, "key": key}


def data_folder(folder: Path) -> Path:
    """Return the folder of PostgreSQL's data, of a node whose files are in a folder."""
    return folder / "data"


def postmaster(data: Path) -> processes.Identity | None:
    """Return the PostgreSQL that runs on this data, which may have outlived its Patroni."""
    try:
        pid = int((data / "postmaster.pid").read_text("ascii").split()[0])
        found = processes.identity_of(pid)
        # The file may be left over, and its pid another process by now.
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return found if str(data).encode() in command else None


def has_role(rest: str, role: str) -> bool:
    """Return whether the node with this REST API says that it has a role."""
    return is_ready(Check("http", f"http://{rest}/{role}"))


def leader(rests: Mapping[str, str]) -> str | None:
    """Return which of the nodes leads, by their REST APIs; None: nobody, or nobody who answers."""
    return next((name for name, rest in rests.items() if has_role(rest, PRIMARY)), None)


def is_whole(rests: Mapping[str, str], *, follows: str = SYNCHRONOUS) -> bool:
    """Return whether one node leads and each other one has the role of a follower."""
    leads = leader(rests)
    others = [rest for name, rest in rests.items() if name != leads]
    return leads is not None and all(has_role(rest, follows) for rest in others)


def wait_for_leader(rests: Mapping[str, str], seconds: float) -> bool:
    """Wait until one leads; False where it took too long."""
    return _wait(lambda: leader(rests) is not None, seconds)


def wait_until_whole(rests: Mapping[str, str], seconds: float) -> bool:
    """Wait until one leads and the others follow synchronously; False where it took too long."""
    return _wait(lambda: is_whole(rests), seconds)


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(_POLL_S)
    return True
