"""The restore drill on Kubernetes: it recovers what is backed up, apart from all that runs."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from deploy.embedded.process_settings import SETTINGS
from deploy.secrets.holders import secrets_of
from deploy.secrets.places import AUTHORITY, KUBERNETES
from shared.config import SERVICES, load_settings
from shared.secret_files import FOLDER
from tests.kustomization import Document, containers_of, labels_of, named, rendered

REPOSITORY = Path(__file__).parents[3]
MANIFESTS = REPOSITORY / "deploy" / "kubernetes"
NAMESPACE = "saldo-drill"
OF_THE_OPERATOR = {"saldo-db-ca", "saldo-keys-ca"}
"""Secrets that CloudNativePG makes."""


@cache
def drill() -> list[Document]:
    return rendered(MANIFESTS / "drill")


@cache
def production() -> list[Document]:
    return rendered(MANIFESTS / "overlays" / "production")


def job() -> Document:
    [(name, one)] = named(drill(), "Job").items()
    assert name == "restore-drill"
    return one


def script() -> list[str]:
    [container] = containers_of(job())
    shell, option, text = container["args"]
    assert (shell, option) == ("sh", "-c")
    return str(text).splitlines()


def section() -> str:
    """Return how docs/production.md runs it."""
    page = (REPOSITORY / "docs" / "production.md").read_text(encoding="utf-8")
    return page.partition("\n### The drill on Kubernetes")[2].partition("\n## ")[0]


def test_everything_is_in_a_namespace_of_its_own_that_is_deleted_with_it() -> None:
    assert named(drill(), "Namespace").keys() == {NAMESPACE}
    for one in drill():
        if one["kind"] != "Namespace":
            assert one["metadata"]["namespace"] == NAMESPACE, one["metadata"]["name"]
    assert f"delete namespace {NAMESPACE}" in section()


def test_each_database_is_recovered_from_its_own_backups_and_writes_none() -> None:
    origins, recovered = named(production(), "Cluster"), named(drill(), "Cluster")
    assert recovered.keys() == origins.keys()
    assert named(drill(), "ScheduledBackup") == {}
    for name, one in recovered.items():
        spec, origin = one["spec"], origins[name]["spec"]
        assert "plugins" not in spec, f"{name} would archive into the backups that it comes from"
        assert "backup" not in spec
        begun = spec["bootstrap"]["recovery"]
        [external] = spec["externalClusters"]
        assert begun["source"] == external["name"]
        [plugin] = origin["plugins"]
        assert external["plugin"]["name"] == plugin["name"]
        names = {"barmanObjectName": name, "serverName": name}
        assert external["plugin"]["parameters"] == names
        assert plugin["parameters"]["barmanObjectName"] == name
        first = origin["bootstrap"]["initdb"]
        for key in ("database", "owner", "secret"):
            assert begun[key] == first[key], (name, key)


def test_backups_are_read_where_they_are_written() -> None:
    written, read = named(production(), "ObjectStore"), named(drill(), "ObjectStore")
    assert read.keys() == written.keys()
    for name, one in read.items():
        assert one["spec"]["configuration"] == written[name]["spec"]["configuration"], name
        # What is too old for the drill is not for it to delete.
        assert "retentionPolicy" not in one["spec"]


def test_recovered_clusters_have_the_room_and_connections_of_their_origin() -> None:
    """PostgreSQL recovers nothing with fewer connections than the origin had."""
    origins = named(production(), "Cluster")
    for name, one in named(drill(), "Cluster").items():
        spec, origin = one["spec"], origins[name]["spec"]
        for key in ("imageName", "storage", "walStorage"):
            assert spec[key] == origin[key], (name, key)
        own, its = spec["postgresql"]["parameters"], origin["postgresql"]["parameters"]
        assert int(own["max_connections"]) >= int(its["max_connections"]), name
        assert spec["postgresql"]["pg_hba"] == origin["postgresql"]["pg_hba"], name
        silent = {key: value for key, value in its.items() if key.startswith("log_parameter")}
        assert silent.items() <= own.items(), f"{name} would log what statements say"


def test_job_proves_books_seal_and_rings_and_says_so_by_its_exit_code() -> None:
    first, *commands = script()
    assert first == "set -e"
    assert commands == [
        "saldo ledger audit",
        "saldo ledger verify --witness /var/lib/saldo/witness",
        "saldo keys status",
    ]
    spec = job()["spec"]
    [rule] = spec["podFailurePolicy"]["rules"]
    # 1: something is not proved. Anything else is that the databases do not answer yet.
    assert rule["action"] == "FailJob"
    [container] = containers_of(job())
    ends = {"containerName": container["name"], "operator": "In", "values": [1]}
    assert rule["onExitCodes"] == ends
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_job_is_confined_as_every_pod_is() -> None:
    pod, own = job()["spec"]["template"]["spec"], "securityContext"
    terminal = named(production(), "Deployment")["terminal"]["spec"]["template"]["spec"]
    for key in (own, "automountServiceAccountToken", "enableServiceLinks"):
        assert pod[key] == terminal[key], key
    [container], [other] = pod["containers"], terminal["containers"]
    assert container[own] == other[own]
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]
    mounts = {each["name"]: each for each in container["volumeMounts"]}
    assert all(mounts[name]["readOnly"] for name in ("secrets", "authorities", "witness"))
    assert mounts["authorities"]["mountPath"] == AUTHORITY


def test_settings_are_those_that_commands_read() -> None:
    settings = named(drill(), "ConfigMap")["saldo-settings"]["data"]
    assert settings.keys() <= {name for names in SETTINGS.values() for name in names}
    load_settings({name: value for name, value in settings.items() if name != FOLDER})
    [container] = containers_of(job())
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert settings[FOLDER] == mounts["secrets"]
    production_map = named(production(), "ConfigMap")["saldo-settings"]["data"]
    for name in ("SALDO_LEDGER_SEAL_NAME", "SALDO_LEDGER_SEAL_VERIFIER_FILE", "SALDO_TIMEZONE"):
        assert settings[name] == production_map[name], name


def test_urls_lead_to_what_was_recovered_and_to_nothing_that_runs() -> None:
    made = secrets_of(KUBERNETES, "root")
    own, migrate = made["drill"], made["migrate"]
    assert own.keys() == {"SALDO_DATABASE_URL", "SALDO_KEYS_DATABASE_URL"}
    for name, url in own.items():
        running = migrate[name]
        assert f".{NAMESPACE}.svc:" in url
        # The owner of before, with his password: it is in what was recovered.
        assert url == running.replace(".saldo.svc:", f".{NAMESPACE}.svc:")
        host = url.rpartition("@")[2].partition(":")[0]
        assert host.removesuffix(f"-rw.{NAMESPACE}.svc") in named(drill(), "Cluster")


def test_every_secret_is_made_as_the_page_says_and_none_is_of_another_namespace() -> None:
    used = secrets_in(drill()) - OF_THE_OPERATOR
    made = set(re.findall(r"create secret generic (saldo-[a-z-]+)", section()))
    for names, secret in re.findall(
        r"for \w+ in ([^;]+); do\n.*?create secret generic (saldo-\$\w+)", section(), re.DOTALL
    ):
        prefix = secret.partition("$")[0]
        made |= {f"{prefix}{name}" for name in names.split()}
    assert used == made
    text = "".join(yaml.safe_dump(one) for one in drill())
    assert "-----BEGIN" not in text
    assert named(drill(), "Secret") == {}


def secrets_in(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(secrets_in, node))
    if not isinstance(node, dict):
        return set()
    found = {node["secretName"]} if "secretName" in node else set()
    for key in ("secret", "accessKeyId", "secretAccessKey"):
        if isinstance(place := node.get(key), dict) and "name" in place:
            found.add(place["name"])
    return found.union(*map(secrets_in, node.values()))


def test_rings_that_open_the_keys_are_those_of_all_services() -> None:
    for service in SERVICES:
        assert f"SALDO_SECRET_{service.upper()}" in section() or "SALDO_SECRET_*" in section()


def test_job_reaches_what_was_recovered_alone_and_nothing_reaches_the_job() -> None:
    policies = named(drill(), "NetworkPolicy")
    assert policies["nobody"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    labels, clusters = labels_of(job()), set(named(drill(), "Cluster"))
    own = policies["restore-drill"]["spec"]
    assert own["podSelector"]["matchLabels"].items() <= labels.items()
    assert own["policyTypes"] == ["Egress"]
    [rule] = own["egress"]
    [peer] = rule["to"]
    [chosen] = peer["podSelector"]["matchExpressions"]
    assert (chosen["key"], set(chosen["values"])) == ("cnpg.io/cluster", clusters)
    assert rule["ports"] == [{"port": 5432}]
    arriving = policies["recovered"]["spec"]
    assert set(arriving["podSelector"]["matchExpressions"][0]["values"]) == clusters
    from_job = [
        rule["ports"]
        for rule in arriving["ingress"]
        for peer in rule["from"]
        if peer.get("podSelector", {}).get("matchLabels", {}).items() <= labels.items()
        and "podSelector" in peer
    ]
    assert from_job == [[{"port": 5432}]]
    # Who is selected for what may arrive is never the job.
    for one in policies.values():
        selected = one["spec"]["podSelector"].get("matchLabels", {})
        assert "ingress" not in one["spec"] or not (selected and selected.items() <= labels.items())
    assert NAMESPACE not in yaml.safe_dump(named(production(), "NetworkPolicy"))
