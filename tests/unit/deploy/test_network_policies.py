"""The network policies allow the edges of the table in ARCHITECTURE.md, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from shared.bus.permissions import CALLED
from shared.config import SERVICES
from tests.kustomization import Document, labels_of, named, rendered

REPOSITORY = Path(__file__).parents[3]
OVERLAYS = REPOSITORY / "deploy" / "kubernetes" / "overlays"
PRODUCTION = "production"
HEADING = "### Who speaks to whom on a cluster"
NAMESPACES = {
    "names": "kube-system",
    "operator of databases": "cnpg-system",
    "operator of the broker": "rabbitmq-system",
    "KEDA": "keda",
    "Prometheus": "monitoring",
    "scanner of files": "antivirus",
}
ANYBODY, OUTSIDE, CLUSTER_API = "anybody", "outside", "API of the cluster, object storage"
TRIED = (53, 80, 443, 465, 587, 993, 3310, 4369, 5432, 5671, 5672, 6000, 6443, 6500, 8000, 8080,
         8443, 9100, 9187, 15671, 15672, 15691, 15692, 25672)  # fmt: skip


class Edge(NamedTuple):
    """Who may open a connection to whom, at which port."""

    origin: str
    target: str
    port: int


@cache
def documents_of(overlay: str) -> list[Document]:
    return rendered(OVERLAYS / overlay)


@cache
def pods(overlay: str = PRODUCTION) -> dict[str, dict[str, str]]:
    """Return everybody in the namespace by name, with his labels."""
    documents = documents_of(overlay)
    found = {
        name: labels_of(one)
        for kind in ("Deployment", "Job")
        for name, one in named(documents, kind).items()
    }
    for name in named(documents, "Cluster"):
        found[name] = {"cnpg.io/cluster": name}
    # As the cluster operator labels its pods.
    found["rabbitmq"] = {
        "app.kubernetes.io/name": "rabbitmq",
        "app.kubernetes.io/component": "rabbitmq",
    }
    return found


def selects(selector: Document, labels: dict[str, str]) -> bool:
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    expressions = selector.get("matchExpressions", ())
    assert all(one["operator"] == "In" for one in expressions)
    return all(labels.get(one["key"]) in one["values"] for one in expressions)


def peers_of(rule: Document, key: str, overlay: str) -> Iterator[str]:
    if key not in rule:
        yield ANYBODY
    for peer in rule.get(key, ()):
        if "ipBlock" in peer:
            yield OUTSIDE if "except" in peer["ipBlock"] else CLUSTER_API
        elif "namespaceSelector" in peer:
            [name] = peer["namespaceSelector"]["matchLabels"].values()
            yield next(who for who, namespace in NAMESPACES.items() if namespace == name)
        else:
            everybody = pods(overlay).items()
            yield from (who for who, own in everybody if selects(peer["podSelector"], own))


def opens(rule: Document, port: int) -> bool:
    assert rule["ports"], "a rule without ports opens all of them"
    return any(one["port"] <= port <= one.get("endPort", one["port"]) for one in rule["ports"])


@cache
def allowed(overlay: str = PRODUCTION) -> tuple[frozenset[Edge], frozenset[Edge]]:
    """Return what may leave, and what may arrive."""
    leaving, arriving = set(), set()
    for policy in named(documents_of(overlay), "NetworkPolicy").values():
        spec: dict[str, Any] = policy["spec"]
        for who in [
            name for name, labels in pods(overlay).items() if selects(spec["podSelector"], labels)
        ]:
            for port in TRIED:
                for rule in spec.get("egress", ()):
                    if opens(rule, port):
                        leaving |= {Edge(who, peer, port) for peer in peers_of(rule, "to", overlay)}
                for rule in spec.get("ingress", ()):
                    if opens(rule, port):
                        arriving |= {
                            Edge(peer, who, port) for peer in peers_of(rule, "from", overlay)
                        }
    return frozenset(leaving), frozenset(arriving)


def edges(overlay: str = PRODUCTION) -> set[Edge]:
    """Return the connections that can be opened: both ends allow it, as far as both are ours."""
    leaving, arriving = allowed(overlay)
    ours = pods(overlay).keys()
    return {
        one
        for one in leaving | arriving
        if (one.origin not in ours or one in leaving)
        and (one.target not in ours or one in arriving)
    }


def documented() -> set[Edge]:
    """Return the edges of the table in ARCHITECTURE.md."""
    text = (REPOSITORY / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = text.partition(HEADING)[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([0-9, -]+) \|", section, re.MULTILINE)
    assert len(rows) > 10
    return {
        Edge(origin, target, port)
        for one, other, ports in rows
        for origin in parties(one)
        for target in (parties(other) if other != "itself" else [origin])
        for port in ports_of(ports)
    }


def parties(cell: str) -> list[str]:
    if cell.strip() in (OUTSIDE, ANYBODY, CLUSTER_API):
        return [cell.strip()]
    found: list[str] = []
    for name in re.split(r", (?!object)", cell.strip()):
        match name.split():
            case ["every", "server"]:
                found += [f"{service}-serve" for service in SERVICES]
            case ["every", "worker"]:
                found += [f"{service}-work" for service in SERVICES]
            case ["everybody"]:
                found += pods()
            case _:
                assert name in pods() or name in NAMESPACES, name
                found.append(name)
    return found


def ports_of(cell: str) -> list[int]:
    found: list[int] = []
    for part in cell.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        found += [port for port in TRIED if int(first) <= port <= int(last or first)]
    return found


def test_policies_allow_the_edges_of_the_table_and_no_other() -> None:
    assert edges() == documented()


@pytest.mark.parametrize("overlay", [PRODUCTION, "books", "apart"])
def test_no_end_allows_what_the_other_refuses(overlay: str) -> None:
    """Such a rule would be a mistake at one of the two ends."""
    leaving, arriving = allowed(overlay)
    inside = pods(overlay).keys()
    assert {one for one in leaving if one.target in inside} == {
        one for one in arriving if one.origin in inside
    }


def test_server_of_a_book_is_reached_as_that_of_the_data_but_by_the_book_and_staff_alone() -> None:
    data, own = "saldo-db", "saldo-db-north"
    strangers = {
        name for name in pods("books") if name.endswith(("-serve", "-work")) or name == "sealer"
    } - {"ledger-north-serve", "ledger-north-work"}
    assert {f"{service}-serve" for service in SERVICES} < strangers
    like = {
        Edge(*(own if one == data else one for one in edge[:2]), edge.port)
        for edge in edges("books")
        if data in edge[:2] and edge.origin not in strangers
    }
    assert Edge("ledger-north-sealer", own, 5432) in like
    assert edges("apart") - edges("books") == like
    assert edges("books") <= edges("apart")


def test_services_reach_each_other_by_the_broker_alone() -> None:
    assert CALLED  # there are calls: they go over the bus
    processes = {f"{service}-{kind}" for service in SERVICES for kind in ("serve", "work")}
    assert not {one for one in edges() if {one.origin, one.target} <= processes | {"gateway"}}


def test_nobody_but_the_proxy_is_reached_from_anywhere() -> None:
    assert {one.target for one in edges() if one.origin == ANYBODY} == {"proxy"}


def test_whoever_is_not_named_speaks_to_nobody() -> None:
    policy = named(documents_of(PRODUCTION), "NetworkPolicy")["nobody"]
    assert policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_nobody_reaches_staff() -> None:
    """They come by `kubectl exec`, which is no connection of the namespace's network."""
    staff = {"administrator", "terminal"}
    assert staff < pods().keys()
    assert not {one for one in edges() if one.target in staff}
