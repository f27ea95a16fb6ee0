"""The restore drill on Kubernetes: it recovers what is backed up, apart from all that runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.embedded.books import books_in, variables_of
from deploy.embedded.process_settings import SETTINGS
from deploy.secrets.__main__ import make_secrets
from deploy.secrets.holders import secrets_of
from deploy.secrets.places import AUTHORITY, KUBERNETES
from services.ledger.seal.keys import VERIFIER_FILE, environ_of
from shared.config import SERVICES, load_settings
from shared.secret_files import FOLDER
from tests.kustomization import containers_of, labels_of, named
from tests.unit.deploy.restore_job import (
    NOT_YET,
    ORIGINS,
    REPOSITORY,
    drill,
    job,
    origin_of,
    script,
)

NAMESPACE = "saldo-drill"
OF_THE_OPERATOR = {"saldo-db-ca", "saldo-keys-ca"}
"""Secrets that CloudNativePG makes."""
each_drill = pytest.mark.parametrize("which", ORIGINS)


def section() -> str:
    """Return how docs/production.md runs it."""
    page = (REPOSITORY / "docs" / "production.md").read_text(encoding="utf-8")
    return page.partition("\n### The drill on Kubernetes")[2].partition("\n## ")[0]


@each_drill
def test_everything_is_in_a_namespace_of_its_own_that_is_deleted_with_it(which: str) -> None:
    assert named(drill(which), "Namespace").keys() == {NAMESPACE}
    for one in drill(which):
        if one["kind"] != "Namespace":
            assert one["metadata"]["namespace"] == NAMESPACE, one["metadata"]["name"]
    assert f"delete namespace {NAMESPACE}" in section()


@each_drill
def test_each_database_is_recovered_from_its_own_backups_and_writes_none(which: str) -> None:
    origins, recovered = named(origin_of(which), "Cluster"), named(drill(which), "Cluster")
    assert recovered.keys() == origins.keys()
    assert named(drill(which), "ScheduledBackup") == {}
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


@each_drill
def test_backups_are_read_where_they_are_written(which: str) -> None:
    written, read = named(origin_of(which), "ObjectStore"), named(drill(which), "ObjectStore")
    assert read.keys() == written.keys()
    for name, one in read.items():
        assert one["spec"]["configuration"] == written[name]["spec"]["configuration"], name
        # What is too old for the drill is not for it to delete.
        assert "retentionPolicy" not in one["spec"]


@each_drill
def test_recovered_clusters_have_the_room_and_connections_of_their_origin(which: str) -> None:
    """PostgreSQL recovers nothing with fewer connections than the origin had."""
    origins = named(origin_of(which), "Cluster")
    for name, one in named(drill(which), "Cluster").items():
        spec, origin = one["spec"], origins[name]["spec"]
        for key in ("imageName", "storage", "walStorage"):
            assert spec[key] == origin[key], (name, key)
        own, its = spec["postgresql"]["parameters"], origin["postgresql"]["parameters"]
        assert int(own["max_connections"]) >= int(its["max_connections"]), name
        assert spec["postgresql"]["pg_hba"] == origin["postgresql"]["pg_hba"], name
        silent = {key: value for key, value in its.items() if key.startswith("log_parameter")}
        assert silent.items() <= own.items(), f"{name} would log what statements say"


@each_drill
def test_job_fails_at_once_unless_the_databases_are_not_recovered_yet(which: str) -> None:
    """A command that is refused, or cannot do its work, is no better half an hour later."""
    assert script(which).startswith("set -e\n")
    spec = job(which)["spec"]
    moved, failed = spec["podFailurePolicy"]["rules"]
    evicted = {"type": "DisruptionTarget", "status": "True"}
    assert moved == {"action": "Ignore", "onPodConditions": [evicted]}
    [container] = containers_of(job(which))
    ends = {"containerName": container["name"], "operator": "NotIn", "values": [NOT_YET]}
    assert failed == {"action": "FailJob", "onExitCodes": ends}
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


@each_drill
def test_job_is_confined_as_every_pod_is(which: str) -> None:
    pod, own = job(which)["spec"]["template"]["spec"], "securityContext"
    terminal = named(origin_of(which), "Deployment")["terminal"]["spec"]["template"]["spec"]
    for key in (own, "automountServiceAccountToken", "enableServiceLinks"):
        assert pod[key] == terminal[key], key
    [container], [other] = pod["containers"], terminal["containers"]
    assert container[own] == other[own]
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]
    mounts = {each["name"]: each for each in container["volumeMounts"]}
    assert all(mounts[name]["readOnly"] for name in ("secrets", "authorities", "witness"))
    assert mounts["authorities"]["mountPath"] == AUTHORITY


@each_drill
def test_settings_are_those_that_commands_read(which: str) -> None:
    settings = named(drill(which), "ConfigMap")["saldo-settings"]["data"]
    listed = {name for names in SETTINGS.values() for name in names}
    assert settings.keys() <= listed | set(variables_of("staff", settings))
    load_settings({name: value for name, value in settings.items() if name != FOLDER})
    [container] = containers_of(job(which))
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert settings[FOLDER] == mounts["secrets"]
    running = named(origin_of(which), "ConfigMap")["saldo-settings"]["data"]
    assert all(settings[name] == running[name] for name in settings)
    # What says where the log ends and who has signed it is all there.
    of_the_seal = {name for name in running if "_SEAL_" in name or name == "SALDO_LEDGER_BOOKS"}
    assert of_the_seal <= settings.keys()


@each_drill
def test_each_book_has_its_verifier_keys(which: str, tmp_path: Path) -> None:
    settings = named(drill(which), "ConfigMap")["saldo-settings"]["data"]
    make_secrets(tmp_path, "kubernetes", "lk.example.org", books_in(settings))
    volumes = {one["name"]: one for one in job(which)["spec"]["template"]["spec"]["volumes"]}
    items = [
        (one["secret"]["name"], item["key"], item["path"])
        for one in volumes["authorities"]["projected"]["sources"]
        for item in one["secret"]["items"]
    ]
    for log in ("ledger", *books_in(settings)):
        folder, _, file = environ_of(log, settings)[VERIFIER_FILE].rpartition("/")
        assert folder == AUTHORITY
        assert ("saldo-public", file, file) in items, log
        assert (tmp_path / "public" / file).is_file()


@each_drill
def test_urls_lead_to_what_was_recovered_and_to_nothing_that_runs(which: str) -> None:
    made = secrets_of(KUBERNETES, "root")
    own, migrate = made["drill"], made["migrate"]
    assert own.keys() == {"SALDO_DATABASE_URL", "SALDO_KEYS_DATABASE_URL"}
    for name, url in own.items():
        running = migrate[name]
        assert f".{NAMESPACE}.svc:" in url
        # The owner of before, with his password: it is in what was recovered.
        assert url == running.replace(".saldo.svc:", f".{NAMESPACE}.svc:")
        host = url.rpartition("@")[2].partition(":")[0]
        assert host.removesuffix(f"-rw.{NAMESPACE}.svc") in named(drill(which), "Cluster")


@each_drill
def test_every_secret_is_made_as_the_page_says_and_none_is_of_another_namespace(which: str) -> None:
    used = secrets_in(drill(which)) - OF_THE_OPERATOR
    made = set(re.findall(r"create secret generic (saldo-[a-z-]+)", section()))
    for names, secret in re.findall(
        r"for \w+ in ([^;]+); do\n.*?create secret generic (saldo-\$\w+)", section(), re.DOTALL
    ):
        prefix = secret.partition("$")[0]
        made |= {f"{prefix}{name}" for name in names.split()}
    assert used == made
    text = "".join(yaml.safe_dump(one) for one in drill(which))
    assert "-----BEGIN" not in text
    assert named(drill(which), "Secret") == {}


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


@each_drill
def test_job_reaches_what_was_recovered_alone_and_nothing_reaches_the_job(which: str) -> None:
    policies = named(drill(which), "NetworkPolicy")
    assert policies["nobody"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    labels, clusters = labels_of(job(which)), set(named(drill(which), "Cluster"))
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
    assert NAMESPACE not in yaml.safe_dump(named(origin_of(which), "NetworkPolicy"))
