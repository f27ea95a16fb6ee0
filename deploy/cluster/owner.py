"""``python -m deploy.cluster.owner STATE_DIR``: make the owner of the database, where it has none.

It waits until the cluster is whole, so that what Saldo records from its first event on is with both
of the nodes before anybody is told.
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
    has_owner = _is_there(superuser, "SELECT FROM pg_roles WHERE rolname = %s", OWNER)
    has_database = _is_there(superuser, "SELECT FROM pg_database WHERE datname = %s", DATABASE)
    if has_owner and has_database:
        return False
    statements = rights if has_owner else [create_owner, *rights]
    for statement in statements if has_database else [*statements, create_database]:
        superuser.execute(statement.encode())
    return True


def _is_there(superuser: psycopg.Connection[Any], query: str, name: str) -> bool:
    return superuser.execute(query.encode(), (name,)).fetchone() is not None


def main(root: str) -> int:
    """Make the owner; exit code 1: the nodes have not agreed in time."""
    state = StateDir(Path(root))
    network = load(network_file(state))
    if network is None:
        print(f"{root} has no cluster", file=sys.stderr)
        return 1
    secrets, nodes = state.secrets(), postgres_nodes(network, state.ports({}, renew=False))
    rests = {node.name: node.rest for node in nodes}
    if not patroni.wait_until_whole(rests, WHOLE_S):
        print(f"{' and '.join(POSTGRES)} do not agree who leads", file=sys.stderr)
        return 1
    leads = patroni.leader(rests)
    node = next((one for one in nodes if one.name == leads), None)
    if node is None:
        print("nobody leads any more", file=sys.stderr)
        return 1
    with connect(node, secrets[patroni.SUPERUSER], TEMPLATE) as superuser:
        make_owner(superuser, secrets["database"])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
