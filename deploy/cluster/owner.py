"""``python -m deploy.cluster.owner STATE_DIR``: make the owner of the database, where it has none.

Before that it waits until the cluster is whole, so that what Saldo records from its first event on
is with both of the nodes before anybody is told. Where there is one, a node that leads is enough.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import psycopg

from deploy.cluster import patroni
from deploy.cluster.network import POSTGRES, load
from deploy.cluster.nodes import network_file, postgres_nodes
from deploy.embedded.postgres import DATABASE, OWNER, owner_statements
from deploy.embedded.state import StateDir

WHOLE_S = 150.0
TEMPLATE = "template1"
"""Every later database is a copy of it, with the rights that are given here."""
_CONNECT_S = 5


def connect(node: patroni.Node, password: str, database: str) -> psycopg.Connection[Any]:
    """Connect to a node as its superuser."""
    host, _, port = node.postgres.rpartition(":")
    return psycopg.connect(
        host=host, port=int(port), user=patroni.SUPERUSER, password=password, dbname=database,
        autocommit=True, connect_timeout=_CONNECT_S,
    )  # fmt: skip


def make_owner(superuser: psycopg.Connection[Any], password: str) -> bool:
    """Make the owner and his database, in TEMPLATE; return whether anything was missing.

    What was made only half is completed.
    """
    create_owner, *rights, create_database = owner_statements(password)
    owner, database = _are_there(superuser)
    if owner and database:
        return False
    statements = rights if owner else [create_owner, *rights]
    for statement in statements if database else [*statements, create_database]:
        superuser.execute(statement.encode())
    return True


def _are_there(superuser: psycopg.Connection[Any]) -> tuple[bool, bool]:
    """Return whether there is an owner, and whether there is his database."""
    roles = superuser.execute("SELECT FROM pg_roles WHERE rolname = %s", (OWNER,))
    databases = superuser.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,))
    return roles.fetchone() is not None, databases.fetchone() is not None


def main(root: str) -> int:
    """Make the owner; exit code 1: the nodes have not agreed in time."""
    state = StateDir(Path(root))
    network = load(network_file(state))
    if network is None:
        print(f"{root} has no cluster", file=sys.stderr)
        return 1
    secrets, nodes = state.secrets(), postgres_nodes(network, state.ports({}, renew=False))
    rests = {node.name: node.rest for node in nodes}

    def to_leader() -> psycopg.Connection[Any] | None:
        leads = patroni.leader(rests)
        node = next((one for one in nodes if one.name == leads), None)
        return connect(node, secrets[patroni.SUPERUSER], TEMPLATE) if node is not None else None

    patroni.wait_for_leader(rests, WHOLE_S)
    if (superuser := to_leader()) is not None:
        with superuser:
            if all(_are_there(superuser)):
                return 0
    if not patroni.wait_until_whole(rests, WHOLE_S):
        print(f"{' and '.join(POSTGRES)} do not agree who leads", file=sys.stderr)
        return 1
    if (superuser := to_leader()) is None:
        print("nobody leads any more", file=sys.stderr)
        return 1
    with superuser:
        make_owner(superuser, secrets["database"])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
