"""The manifests of deploy/kubernetes: what they name, there is; and every pod is confined."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.embedded.process_settings import SETTINGS
from deploy.secrets.holders import secrets_of
from deploy.secrets.places import AUTHORITY, KUBERNETES
from gateway.server import GRACE_SECONDS
from shared.config import GATEWAY, SEALER, SERVICES, load_settings
from shared.secret_files import FOLDER
from tests.kustomization import Document, containers_of, labels_of, named, rendered

KUBERNETES_FOLDER = Path(__file__).parents[3] / "deploy" / "kubernetes"
OVERLAYS = ("production", "small", "books", "apart")
FOLDERS = (*(f"overlays/{name}" for name in OVERLAYS), "drill", "drill-books")
"""What is applied."""
OF_OPERATORS = {"rabbitmq-tls", "saldo-db-ca", "saldo-keys-ca", "cabinet-tls"}
"""Secrets that cert-manager and CloudNativePG make."""
OF_THE_PROVIDER = {"saldo-db-backup", "saldo-keys-backup"}
"""The credentials of the object storage."""
STAFF = {"administrator", "terminal"}


@cache
def production() -> list[Document]:
    return rendered(KUBERNETES_FOLDER / "overlays" / "production")


def of_kinds(*kinds: str) -> list[Document]:
    return [one for one in production() if one["kind"] in kinds]


def settings_map() -> dict[str, str]:
    return dict(named(production(), "ConfigMap")["saldo-settings"]["data"])


def values_of(node: Any, key: str) -> set[str]:
    """Return every text that stands under a key, anywhere in a document."""
    if isinstance(node, dict):
        own = {node[key]} if isinstance(node.get(key), str) else set()
        return own.union(*(values_of(value, key) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(values_of(value, key) for value in node))
    return set()


@pytest.mark.parametrize("name", FOLDERS)
def test_it_is_what_kubectl_makes_of_it(name: str) -> None:
    """Our own rendering, on which the other tests stand."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed, so our rendering is not compared with its own")
    folder = KUBERNETES_FOLDER / name
    made = subprocess.run([kubectl, "kustomize", folder], capture_output=True, check=True).stdout
    text = re.sub(r"\b(saldo-settings|proxy)-[a-z0-9]{10}\b", r"\1", made.decode())

    def by_name(documents: list[Document]) -> dict[tuple[str, str], Document]:
        return {(one["kind"], one["metadata"]["name"]): one for one in documents}

    expected, own = by_name(list(yaml.safe_load_all(text))), by_name(rendered(folder))
    assert own.keys() == expected.keys()
    for key, document in own.items():
        assert document == expected[key], key


def test_every_service_has_a_server_and_a_worker_with_its_own_secret() -> None:
    deployments = named(production(), "Deployment")
    for service in SERVICES:
        for kind in ("serve", "work"):
            one = deployments[f"{service}-{kind}"]
            [container] = containers_of(one)
            assert container["args"] == ["python", "-m", "services", kind, service]
            [secrets, *_] = one["spec"]["template"]["spec"]["volumes"]
            assert secrets["secret"]["secretName"] == f"saldo-{service}"
    rest = {"gateway", "sealer", "proxy", *STAFF}
    assert deployments.keys() == {f"{s}-{k}" for s in SERVICES for k in ("serve", "work")} | rest


def test_every_process_has_probes_of_its_monitoring_listener() -> None:
    port = int(settings_map()["SALDO_MONITORING_LISTEN"].rpartition(":")[2])
    for name, one in named(production(), "Deployment").items():
        if name in STAFF:
            continue  # they wait for who works there
        [container] = containers_of(one)
        probes = {kind: container[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")}
        if name == "proxy":
            continue
        ports = {each["name"]: each["containerPort"] for each in container["ports"]}
        assert ports["monitoring"] == port, name
        assert probes["liveness"]["httpGet"] == {"path": "/healthz", "port": "monitoring"}, name
        assert probes["startup"]["httpGet"] == {"path": "/healthz", "port": "monitoring"}, name
        ready = {"path": "/readyz", "port": "monitoring"}
        if name == GATEWAY:
            ready = {"path": "/healthz", "port": "http"}
            listen = next(e["value"] for e in container["env"] if e["name"].endswith("_LISTEN"))
            assert int(listen.rpartition(":")[2]) == ports["http"]
        assert probes["readiness"]["httpGet"] == ready, name


def test_migrations_take_as_long_as_they_need() -> None:
    """One that is ended while it builds an index begins anew: with a deadline, again and again."""
    assert "activeDeadlineSeconds" not in named(production(), "Job")["migrate"]["spec"]


def test_every_pod_is_confined() -> None:
    for one in of_kinds("Deployment", "Job"):
        name, pod = one["metadata"]["name"], one["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in containers_of(one):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}, name
            assert "memory" in container["resources"]["limits"], name


def test_pods_of_the_broker_are_such_as_the_namespace_admits() -> None:
    """Whatever the operator says of its two containers: an older one says nothing."""
    labels = named(production(), "Namespace")["saldo"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    spec = named(production(), "RabbitmqCluster")["rabbitmq"]["spec"]
    pod = spec["override"]["statefulSet"]["spec"]["template"]["spec"]
    assert pod["securityContext"] == {
        "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    for kind, name in (("initContainers", "setup-container"), ("containers", "rabbitmq")):
        [container] = pod[kind]
        assert container == {
            "name": name,
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
        }


def test_gateway_has_the_time_that_it_takes_to_stop() -> None:
    one = named(production(), "Deployment")[GATEWAY]
    [container] = containers_of(one)
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert one["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > GRACE_SECONDS + pause


def test_a_drained_node_takes_one_of_each_process() -> None:
    budgets = of_kinds("PodDisruptionBudget")
    assert all(one["spec"]["maxUnavailable"] == 1 for one in budgets)
    selectors = [one["spec"]["selector"]["matchLabels"] for one in budgets]
    for name, one in named(production(), "Deployment").items():
        labels = labels_of(one)
        covered = [each for each in selectors if each.items() <= labels.items()]
        assert len(covered) == (0 if name in {SEALER, *STAFF} else 1), name
        assert one["spec"]["selector"]["matchLabels"].items() <= labels.items(), name


def test_pods_of_a_process_are_spread_among_themselves() -> None:
    for name, one in named(production(), "Deployment").items():
        spread = one["spec"]["template"]["spec"].get("topologySpreadConstraints", [])
        if name in {SEALER, *STAFF}:
            continue
        keys = {each["topologyKey"] for each in spread}
        assert keys == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}, name
        for each in spread:
            selected = each["labelSelector"]["matchLabels"]
            assert selected == one["spec"]["selector"]["matchLabels"], name


def test_servers_are_scaled_by_their_own_queue() -> None:
    deployments, scaled = named(production(), "Deployment"), named(production(), "ScaledObject")
    assert scaled.keys() == {f"{service}-serve" for service in SERVICES}
    for name, one in scaled.items():
        service = name.removesuffix("-serve")
        [trigger] = one["spec"]["triggers"]
        assert one["spec"]["scaleTargetRef"]["name"] == name
        assert name in deployments
        # Two that set the number of replicas would work against each other.
        assert "replicas" not in deployments[name]["spec"]
        assert trigger["metadata"]["queueName"] == f"rpc-{service}"
        assert trigger["authenticationRef"]["name"] in named(production(), "TriggerAuthentication")


def test_every_setting_is_one_that_its_processes_read() -> None:
    listed = {name for names in SETTINGS.values() for name in names}
    listed |= {"SALDO_MONITORING_LISTEN", "SALDO_TRUSTED_PROXY"}
    ours = {name for name in settings_map() if name.startswith("SALDO_")}
    assert ours <= listed
    for one in of_kinds("Deployment", "Job"):
        for container in containers_of(one):
            own = {each["name"] for each in container.get("env", ())}
            assert {name for name in own if name.startswith("SALDO_")} <= listed
    load_settings({name: value for name, value in settings_map().items() if name != FOLDER})


def test_no_secret_stands_in_a_manifest() -> None:
    assert of_kinds("Secret") == []
    for one in production():
        text = yaml.safe_dump(one)
        assert "-----BEGIN" not in text
        assert not re.search(r"://[^/\s:@]+:[^/\s@]+@", text), one["metadata"]["name"]
        for name in values_of(one, "secretName") | _referred(one):
            holders = (*secrets_of(KUBERNETES, ""), "public", "terminal")
            known = {f"saldo-{holder}" for holder in holders}
            own = {"broker-authority"}
            assert name in known | own | OF_OPERATORS | OF_THE_PROVIDER, name


def _referred(document: Document) -> set[str]:
    """Return the names of secrets that are referred to otherwise than by secretName."""
    found = set()
    for key in ("secret", "passwordSecret", "externalSecret", "importCredentialsSecret"):
        for place in _dictionaries(document, key):
            found |= {place["name"]} if "name" in place else set()
    for place in _dictionaries(document, "accessKeyId"):
        found.add(place["name"])
    for listed in document.get("spec", {}).get("secretTargetRef", ()):
        found.add(listed["name"])
    return found


def _dictionaries(node: Any, key: str) -> list[dict[str, Any]]:
    if isinstance(node, dict):
        own = [node[key]] if isinstance(node.get(key), dict) else []
        return own + [one for value in node.values() for one in _dictionaries(value, key)]
    if isinstance(node, list):
        return [one for value in node for one in _dictionaries(value, key)]
    return []


def test_urls_of_the_secrets_lead_to_what_is_there() -> None:
    """Hosts are services of the namespace; authorities are files that every pod has."""
    clusters = named(production(), "Cluster")
    hosts = {f"{name}-rw.saldo.svc" for name in clusters} | {"rabbitmq.saldo.svc"}
    certificate = named(production(), "Certificate")["rabbitmq-tls"]
    assert KUBERNETES.broker in certificate["spec"]["dnsNames"]
    assert {KUBERNETES.database, KUBERNETES.keys_database, KUBERNETES.broker} == hosts
    for one in of_kinds("Deployment", "Job"):
        if one["metadata"]["name"] == "proxy":
            continue
        volumes = {each["name"]: each for each in one["spec"]["template"]["spec"]["volumes"]}
        sources = volumes["authorities"]["projected"]["sources"]
        paths = {item["path"] for each in sources for item in each["secret"]["items"]}
        assert {KUBERNETES.database_ca, KUBERNETES.keys_database_ca} < paths
        # Only certificates: never the private key beside them.
        keys = {item["key"] for each in sources for item in each["secret"]["items"]}
        assert keys == {"ca.crt", "verifiers"}
        mounts = {each["name"]: each for each in containers_of(one)[0]["volumeMounts"]}
        assert mounts["authorities"]["mountPath"] == AUTHORITY
        assert mounts["secrets"]["mountPath"] == settings_map()[FOLDER]
        assert all(mounts[name]["readOnly"] for name in ("authorities", "secrets"))
    assert settings_map()["SSL_CERT_FILE"].removeprefix(f"{AUTHORITY}/") in paths


def test_databases_answer_when_two_nodes_have_it_and_back_up_apart() -> None:
    clusters, stores = named(production(), "Cluster"), named(production(), "ObjectStore")
    assert clusters.keys() == stores.keys() == named(production(), "ScheduledBackup").keys()
    for name, one in clusters.items():
        spec = one["spec"]
        assert spec["instances"] == 3, name
        required = {"method": "any", "number": 1, "dataDurability": "required"}
        assert spec["postgresql"]["synchronous"] == required, name
        [plugin] = spec["plugins"]
        assert plugin["isWALArchiver"] is True
        assert plugin["parameters"]["barmanObjectName"] == name
    places = [one["spec"]["configuration"]["destinationPath"] for one in stores.values()]
    credentials = [
        one["spec"]["configuration"]["s3Credentials"]["accessKeyId"]["name"]
        for one in stores.values()
    ]
    assert len(set(places)) == len(set(credentials)) == 2


def test_only_the_help_desk_has_the_folder_of_files() -> None:
    with_files = {
        one["metadata"]["name"]
        for one in of_kinds("Deployment", "Job")
        if "uploads" in {each["name"] for each in one["spec"]["template"]["spec"]["volumes"]}
    }
    assert with_files == {"helpdesk-serve", "helpdesk-work"}
    claim = named(production(), "PersistentVolumeClaim")["uploads"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_small_overlay_is_the_same_with_one_of_each() -> None:
    small = rendered(KUBERNETES_FOLDER / "overlays" / "small")
    assert len(small) == len(production())
    assert named(small, "RabbitmqCluster")["rabbitmq"]["spec"]["replicas"] == 1
    assert all(one["spec"]["instances"] == 1 for one in named(small, "Cluster").values())


def test_staff_have_a_place_that_is_there_while_somebody_works() -> None:
    deployments = named(production(), "Deployment")
    for name in STAFF:
        one = deployments[name]
        assert one["spec"]["replicas"] == 0
        assert one["spec"]["strategy"] == {"type": "Recreate"}
        volumes = {each["name"]: each for each in one["spec"]["template"]["spec"]["volumes"]}
        assert volumes["secrets"]["secret"]["secretName"] == f"saldo-{name}"
        # As on one host: who is verified does not write what he is verified by.
        assert ("witness" in volumes) == (name == "terminal")
        assert "ports" not in containers_of(one)[0]


def first_start() -> str:
    """Return how docs/production.md starts it for the first time."""
    page = (KUBERNETES_FOLDER.parents[1] / "docs" / "production.md").read_text(encoding="utf-8")
    return page.partition("\n## Kubernetes")[2].partition("```\n")[2].partition("```\n")[0]


def test_no_process_declares_queues_before_every_node_is_there() -> None:
    """RabbitMQ gives a stream as many members as there are nodes when it is declared."""
    steps = first_start().splitlines()
    brokers = named(production(), "RabbitmqCluster")["rabbitmq"]["spec"]
    [waits] = [n for n, step in enumerate(steps) if "await_online_nodes" in step]
    assert f"await_online_nodes {brokers['replicas']} " in steps[waits]
    applied = [n for n, step in enumerate(steps) if re.match(r" *apply( |$)", step)]
    nodes, *rest = applied
    assert "'!app.kubernetes.io/component'" in steps[nodes]
    assert nodes < waits < min(rest)
    # What the first step applies are no pods of ours.
    for one in of_kinds("Deployment", "Job"):
        assert "app.kubernetes.io/component" in one["metadata"]["labels"], one["metadata"]["name"]
    reconciled = "continuous_membership_reconciliation.target_group_size = "
    config = brokers["rabbitmq"]["additionalConfig"]
    assert f"{reconciled}{brokers['replicas']}\n" in config


def test_documents_make_every_secret_that_pods_mount() -> None:
    [loop] = re.findall(r"for holder in ([^;]+); do", first_start())
    made = {f"saldo-{holder}" for holder in loop.replace("\\\n", "").split()} | OF_OPERATORS
    for one in of_kinds("Deployment", "Job"):
        assert values_of(one["spec"], "secretName") <= made, one["metadata"]["name"]
