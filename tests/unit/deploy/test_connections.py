"""PostgreSQL on Kubernetes: connections for all who may open some; settings as on one host."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from deploy.embedded.books import books_in
from deploy.secrets.holders import holder_of
from services.discovery import check_names
from services.work import OWN_CONNECTIONS, POOL_SIZE, tasks_of
from shared.books import SPLIT, service_of
from shared.config import SERVICES, load_settings
from shared.eventstore.postgres import PostgresStore
from tests.kustomization import Document, containers_of, named, rendered

DEPLOY = Path(__file__).parents[3] / "deploy"
OVERLAYS = ("production", "small", "books", "apart")
DATA, KEYS = "saldo-db", "saldo-keys"
CLUSTERS = [
    *((overlay, cluster) for overlay in OVERLAYS for cluster in (DATA, KEYS)),
    ("apart", "saldo-db-north"),
]
BOOKS_OF = {"saldo-db-north": ("ledger_north",)}
"""The logs of a cluster that has not all of them."""

SERVER_POOL: int = inspect.signature(PostgresStore).parameters["pool_size"].default
WATCHING = 1
"""A server listens for what is appended, while somebody waits for a payment."""
SEALER = 3
"""Two leads, and the look whether it is ready."""
MIGRATE = 4
RESERVED = 3
"""superuser_reserved_connections, as PostgreSQL has it."""
OPERATOR = 10
"""CloudNativePG's own: the instance manager and its metrics."""
STAFF = 3
"""Commands at once: each has a pool as a server, a lock and a worker for each core."""
STAFF_EACH = SERVER_POOL + 1 + 8
CONNECTION_MB = 5
"""As much as one takes at most (shared/database.py, IDLE_CONNECTION_S)."""

SAME = (
    "work_mem", "maintenance_work_mem", "checkpoint_timeout", "wal_compression",
    "random_page_cost", "createrole_self_grant", "timezone", "log_timezone", "log_lock_waits",
    "log_min_duration_statement", "log_statement", "log_parameter_max_length",
    "log_parameter_max_length_on_error", "log_min_error_statement",
)  # fmt: skip


def parameters(documents: list[Document], cluster: str) -> dict[str, str]:
    found: dict[str, str] = named(documents, "Cluster")[cluster]["spec"]["postgresql"]["parameters"]
    return found


def on_one_host() -> dict[str, str]:
    """Return the settings of deploy/postgres."""
    text = (DEPLOY / "postgres" / "postgresql.conf").read_text(encoding="utf-8")
    lines = re.findall(r"^(\w+) = (?:'([^']*)'|(\S+))", text, re.MULTILINE)
    return {name: quoted or plain for name, quoted, plain in lines}


def most_opened(documents: list[Document], cluster: str) -> int:
    """Return how many connections the manifests allow to a cluster, while a release is rolled out.

    Kinds of process are replaced one after the other, one process of each service at a time: it is
    there beside the one that it replaces, and beside the one before, which still ends its calls.
    """
    deployments, scaled = named(documents, "Deployment"), named(documents, "ScaledObject")
    keys, books = cluster == KEYS, books_in(named(documents, "ConfigMap")["saldo-settings"]["data"])
    running, replaced = 0, {"serve": 0, "work": 0}
    logs = BOOKS_OF.get(cluster) or tuple(check_names((), books))
    for log in logs:
        name = holder_of(log)
        server = SERVER_POOL + (0 if keys else WATCHING)
        worker = POOL_SIZE + len(tasks_of(log, load_settings({})))
        worker += 0 if keys else OWN_CONNECTIONS
        running += scaled[f"{name}-serve"]["spec"]["maxReplicaCount"] * server
        running += deployments[f"{name}-work"]["spec"]["replicas"] * worker
        for kind, each in (("serve", server), ("work", worker)):
            strategy = deployments[f"{name}-{kind}"]["spec"]["strategy"]["rollingUpdate"]
            replaced[kind] += (strategy["maxSurge"] + 1) * each
    sealers = 0 if keys else SEALER * sum(service_of(log) == SPLIT for log in logs)
    rest = RESERVED + OPERATOR + MIGRATE + STAFF * STAFF_EACH + sealers
    return running + max(replaced.values()) + rest


def megabytes(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([MG])[iB]+", text).groups()  # type: ignore[union-attr]
    return int(number) * (1024 if unit == "G" else 1)


@pytest.mark.parametrize(("overlay", "cluster"), CLUSTERS)
def test_connections_suffice_for_all_that_the_manifests_allow(overlay: str, cluster: str) -> None:
    documents = rendered(DEPLOY / "kubernetes" / "overlays" / overlay)
    given = int(parameters(documents, cluster)["max_connections"])
    assert most_opened(documents, cluster) <= given


@pytest.mark.parametrize(("overlay", "cluster"), CLUSTERS)
def test_memory_suffices_for_all_connections(overlay: str, cluster: str) -> None:
    documents = rendered(DEPLOY / "kubernetes" / "overlays" / overlay)
    own = parameters(documents, cluster)
    taken = megabytes(own["shared_buffers"]) + int(own["max_connections"]) * CONNECTION_MB
    limits = named(documents, "Cluster")[cluster]["spec"]["resources"]["limits"]
    assert taken + megabytes(own["maintenance_work_mem"]) <= megabytes(limits["memory"])


@pytest.mark.parametrize("cluster", [DATA, KEYS, *BOOKS_OF])
def test_settings_of_postgresql_are_those_of_one_host(cluster: str) -> None:
    own = parameters(rendered(DEPLOY / "kubernetes" / "overlays" / "apart"), cluster)
    expected = on_one_host()
    assert {name: own.get(name) for name in SAME} == {name: expected[name] for name in SAME}
    assert own["archive_timeout"] == f"{expected['archive_timeout']}s"
    compose = (DEPLOY / "compose" / "compose.yaml").read_text(encoding="utf-8")
    [of_keys] = re.findall(r"max_wal_size=(\w+)", compose)
    assert own["max_wal_size"] == (of_keys if cluster == KEYS else expected["max_wal_size"])


def test_every_process_with_a_pool_is_reckoned() -> None:
    """Who else has a secret with the URL of a database is one of those named above."""
    documents = rendered(DEPLOY / "kubernetes" / "overlays" / "apart")
    known = {f"{service}-{kind}" for service in SERVICES for kind in ("serve", "work")}
    known |= {"ledger-north-serve", "ledger-north-work", "ledger-north-sealer"}
    known |= {"sealer", "migrate", "broker", "gateway", "proxy", "administrator", "terminal"}
    for kind in ("Deployment", "Job"):
        for name, one in named(documents, kind).items():
            assert name in known
            assert len(containers_of(one)) == 1
