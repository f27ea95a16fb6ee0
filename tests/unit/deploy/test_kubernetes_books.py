"""A further book on Kubernetes: the overlay for it, beside the one for production."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path

from deploy.embedded.books import books_in, variables_of
from deploy.embedded.process_settings import SETTINGS
from deploy.secrets.holders import secrets_of
from deploy.secrets.places import AUTHORITY, KUBERNETES
from services.ledger.seal.keys import VERIFIER_FILE, environ_of
from shared.config import load_settings
from shared.secret_files import FOLDER
from tests.kustomization import Document, containers_of, labels_of, named, rendered
from tests.unit.deploy.test_network_policies import selects

OVERLAYS = Path(__file__).parents[3] / "deploy" / "kubernetes" / "overlays"
LOG = "ledger_north"
LIKE = {
    "ledger-north-serve": "ledger-serve",
    "ledger-north-work": "ledger-work",
    "ledger-north-sealer": "sealer",
}
"""The processes of the book, and those of the first one that they are like."""
VERIFIES = {*LIKE, "administrator", "terminal"}


@cache
def production() -> list[Document]:
    return rendered(OVERLAYS / "production")


@cache
def further() -> list[Document]:
    return rendered(OVERLAYS / "books")


def deployments() -> dict[str, Document]:
    return named(further(), "Deployment")


def test_book_has_servers_workers_and_a_sealer_of_its_own() -> None:
    assert deployments().keys() == named(production(), "Deployment").keys() | LIKE.keys()
    for name, kind in (("ledger-north-serve", "serve"), ("ledger-north-work", "work")):
        [container] = containers_of(deployments()[name])
        assert container["args"] == ["python", "-m", "services", kind, LOG]
    [container] = containers_of(deployments()["ledger-north-sealer"])
    assert container["args"] == ["python", "-m", "services", "seal", LOG]


def test_processes_of_a_book_differ_from_those_of_the_first_in_its_name_alone() -> None:
    for name, like in LIKE.items():
        own = deepcopy(deployments()[name]["spec"]["template"]["spec"])
        other = deepcopy(named(further(), "Deployment")[like]["spec"]["template"]["spec"])
        for pod in (own, other):
            [container] = pod["containers"]
            del container["args"]
            container.pop("env", None)
            for mount in container["volumeMounts"]:
                mount.pop("subPath", None)
            pod["volumes"][0].pop("secret")  # its own
            pod["volumes"][1]["projected"]["sources"][3]["secret"].pop("items")
            for spread in pod.get("topologySpreadConstraints", ()):
                spread["labelSelector"]["matchLabels"].pop("app.kubernetes.io/name")
        assert own == other, name


def test_each_has_the_secret_of_its_own_and_it_is_made() -> None:
    made = secrets_of(KUBERNETES, "root", (LOG,))
    holders = {
        "ledger-north-serve": "ledger-north",
        "ledger-north-work": "ledger-north",
        "ledger-north-sealer": "sealer-north",
    }
    for name, holder in holders.items():
        [secrets, *_] = deployments()[name]["spec"]["template"]["spec"]["volumes"]
        assert secrets["secret"]["secretName"] == f"saldo-{holder}", name
        assert holder in made
    names = set(made["ledger-north"]) | set(made["sealer-north"])
    assert names == {
        "SALDO_DATABASE_URL_LEDGER_NORTH", "SALDO_KEYS_DATABASE_URL_LEDGER_NORTH",
        "SALDO_AMQP_URL_LEDGER_NORTH", "SALDO_DATABASE_URL_SEALER_NORTH",
    }  # fmt: skip
    assert made["ledger-north"].items() <= {**made["migrate"], **made["broker"]}.items()
    # Nobody's secret has changed by the book.
    before = secrets_of(KUBERNETES, "root")
    assert all(files.items() <= made[holder].items() for holder, files in before.items())


def test_everybody_knows_the_book_and_who_verifies_has_its_keys() -> None:
    settings = named(further(), "ConfigMap")["saldo-settings"]["data"]
    assert books_in(settings) == (LOG,)
    load_settings({name: value for name, value in settings.items() if name != FOLDER})
    file = environ_of(LOG, settings)[VERIFIER_FILE]
    folder, _, name = file.rpartition("/")
    assert folder == AUTHORITY
    for deployment in VERIFIES:
        volumes = deployments()[deployment]["spec"]["template"]["spec"]["volumes"]
        [authorities] = [one for one in volumes if one["name"] == "authorities"]
        items = authorities["projected"]["sources"][3]["secret"]
        assert items["name"] == "saldo-public"
        assert {"key": name, "path": name} in items["items"], deployment
    listed = {name for names in SETTINGS.values() for name in names}
    listed |= {"SALDO_MONITORING_LISTEN", "SALDO_TRUSTED_PROXY"}
    listed |= {
        name
        for process in ("serve", "work", "staff", "seal_north")
        for name in variables_of(process, settings)
    }
    assert {name for name in settings if name.startswith("SALDO_")} <= listed
    for deployment in LIKE:
        for container in containers_of(deployments()[deployment]):
            own = {one["name"] for one in container.get("env", ())}
            assert {one for one in own if one.startswith("SALDO_")} <= listed, deployment


def test_witness_of_a_book_has_a_folder_of_its_own() -> None:
    [container] = containers_of(deployments()["ledger-north-sealer"])
    env = {one["name"]: one["value"] for one in container["env"]}
    [mount] = [one for one in container["volumeMounts"] if one["name"] == "witness"]
    assert env["SALDO_LEDGER_NORTH_WITNESS_DIR"] == mount["mountPath"]
    assert mount["subPath"] == "north"
    assert env["SALDO_LEDGER_NORTH_SEAL_KEY"] == "/run/secrets/saldo/seal.key"


def test_servers_of_a_book_are_scaled_by_its_queue() -> None:
    one = named(further(), "ScaledObject")["ledger-north-serve"]
    [trigger] = one["spec"]["triggers"]
    assert one["spec"]["scaleTargetRef"]["name"] == "ledger-north-serve"
    assert trigger["metadata"]["queueName"] == f"rpc-{LOG}"


def test_processes_of_a_book_are_under_the_rules_of_those_of_the_first() -> None:
    """Policies of networks and disruption budgets select pods by what they do."""
    policies = named(further(), "NetworkPolicy")
    assert policies.keys() == named(production(), "NetworkPolicy").keys()
    for name, like in LIKE.items():
        own, other = labels_of(deployments()[name]), labels_of(deployments()[like])
        for policy in policies.values():
            selector = policy["spec"]["podSelector"]
            assert selects(selector, own) == selects(selector, other), (name, policy["metadata"])
    budgets = named(further(), "PodDisruptionBudget").values()
    for name in ("ledger-north-serve", "ledger-north-work"):
        labels = labels_of(deployments()[name])
        covering = [
            one
            for one in budgets
            if one["spec"]["selector"]["matchLabels"].items() <= labels.items()
        ]
        assert len(covering) == 1, name


def test_resources_of_a_book_have_the_namespace_and_image_of_the_others() -> None:
    images = {
        container["image"]
        for one in (*production(), *further())
        if one["kind"] in {"Deployment", "Job"}
        for container in containers_of(one)
        if "saldo" in container["image"]
    }
    assert len(images) == 1
    for one in further():
        assert one["kind"] == "Namespace" or one["metadata"]["namespace"] == "saldo"
        assert one["metadata"]["labels"]["app.kubernetes.io/part-of"] == "saldo"
