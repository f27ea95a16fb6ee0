"""A book on a PostgreSQL of its own on Kubernetes: the overlay for it, beside the one for books."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from deploy.secrets.holders import BookServer, secrets_of
from deploy.secrets.places import KUBERNETES
from tests.kustomization import Document, named, rendered

REPOSITORY = Path(__file__).parents[3]
OVERLAYS = REPOSITORY / "deploy" / "kubernetes" / "overlays"
LOG, DATA, OWN = "ledger_north", "saldo-db", "saldo-db-north"
SIGN_IN = {
    "ledger-north-serve", "ledger-north-work", "ledger-north-sealer", "administrator", "terminal",
    "migrate",
}  # fmt: skip
"""Who signs in to the database of the book."""
SERVER = BookServer(LOG, KUBERNETES.of_book("north"), has_moved=True)


@cache
def books() -> list[Document]:
    return rendered(OVERLAYS / "books")


@cache
def apart() -> list[Document]:
    return rendered(OVERLAYS / "apart")


def like_that_of_the_data(kind: str) -> tuple[Any, Any]:
    """Return a document of the book's server, and that of the data under the book's names."""
    other = deepcopy(named(apart(), kind)[DATA])
    text = json.dumps(other).replace(DATA, OWN).replace("saldo-postgres", "saldo-postgres-north")
    return deepcopy(named(apart(), kind)[OWN]), json.loads(text)


def test_its_cluster_is_like_that_of_the_data() -> None:
    own, other = like_that_of_the_data("Cluster")
    for one in (own, other):
        del one["spec"]["postgresql"]["parameters"]["max_connections"]  # test_connections.py
    assert own == other


def test_it_is_backed_up_as_the_data_are_into_a_bucket_of_its_own() -> None:
    own, other = like_that_of_the_data("ScheduledBackup")
    # Each at another time: they share the network.
    assert own["spec"].pop("schedule") != other["spec"].pop("schedule")
    assert own == other
    own, other = like_that_of_the_data("ObjectStore")
    places = [one["spec"]["configuration"].pop("destinationPath") for one in (own, other)]
    assert len(set(places)) == 2
    assert own == other
    stores = named(apart(), "ObjectStore").values()
    everywhere = [one["spec"]["configuration"]["destinationPath"] for one in stores]
    assert len(set(everywhere)) == len(everywhere) == 3


def test_nothing_else_is_added_but_the_ways_there() -> None:
    def names(documents: list[Document]) -> set[tuple[str, str]]:
        return {(one["kind"], one["metadata"]["name"]) for one in documents}

    kinds = {kind for kind, _ in names(apart()) - names(books())}
    assert kinds == {"Cluster", "ObjectStore", "ScheduledBackup", "NetworkPolicy"}
    assert names(books()) <= names(apart())
    for one in apart():
        assert one["kind"] == "Namespace" or one["metadata"]["namespace"] == "saldo"


def test_who_signs_in_there_trusts_its_authority_and_nobody_else_does() -> None:
    trusting = {
        name
        for kind in ("Deployment", "Job")
        for name, one in named(apart(), kind).items()
        if KUBERNETES.of_book("north").database_ca in json.dumps(one)
    }
    assert trusting == SIGN_IN
    for kind in ("Deployment", "Job"):
        for name, one in named(apart(), kind).items():
            if name in SIGN_IN:
                volumes = one["spec"]["template"]["spec"]["volumes"]
                [authorities] = [each for each in volumes if each["name"] == "authorities"]
                last = authorities["projected"]["sources"][-1]["secret"]
                assert last["name"] == f"{OWN}-ca"
                assert last["items"] == [{"key": "ca.crt", "path": "database-north.pem"}]


def test_urls_of_the_secrets_lead_there() -> None:
    made = secrets_of(KUBERNETES, "root", (LOG,), (SERVER,))
    before = secrets_of(KUBERNETES, "root", (LOG,))
    host = f"@{OWN}-rw.saldo.svc:5432/saldo?"
    assert OWN in named(apart(), "Cluster")
    changed = {
        (holder, name): text
        for holder, files in made.items()
        for name, text in files.items()
        if before.get(holder, {}).get(name) != text and holder != "postgres-north"
    }
    assert changed.keys() == {
        ("ledger-north", "SALDO_DATABASE_URL_LEDGER_NORTH"),
        ("sealer-north", "SALDO_DATABASE_URL_SEALER_NORTH"),
        ("migrate", "SALDO_DATABASE_URL_LEDGER_NORTH"),
        ("migrate", "SALDO_DATABASE_URL_SEALER_NORTH"),
        ("migrate", "SALDO_LOGIN_URL_LEDGER_NORTH"),
        ("administrator", "SALDO_LOGIN_URL_LEDGER_NORTH"),
    }
    for text in changed.values():
        assert host in text
        assert text.endswith("/database-north.pem")
    owner = named(apart(), "Cluster")[OWN]["spec"]["bootstrap"]["initdb"]
    assert (owner["database"], owner["owner"]) == ("saldo", made["postgres-north"]["username"])
    login = changed["migrate", "SALDO_LOGIN_URL_LEDGER_NORTH"]
    assert f"//saldo:{made['postgres-north']['password']}@" in login


def test_documents_make_its_secrets_before_it_is_applied() -> None:
    page = (REPOSITORY / "docs" / "production.md").read_text(encoding="utf-8")
    section = page.partition("\n### A server of its own")[2].partition("\n## ")[0]
    made = set(re.findall(r"create secret generic (saldo-[a-z-]+)", section))
    assert {"saldo-postgres-north", "saldo-db-north-backup"} <= made
    used = json.dumps([one for one in apart() if one["metadata"]["name"] == OWN])
    assert set(re.findall(r"saldo-postgres-[a-z]+|saldo-db-north-backup", used)) <= made
    for holder in ("ledger-north", "sealer-north", "migrate", "administrator"):
        assert holder in section
