"""The installation of deploy/compose: what it names, there is; nobody has more than he needs."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.embedded.process_settings import SETTINGS
from deploy.secrets.__main__ import make_secrets
from deploy.secrets.places import AUTHORITY, COMPOSE
from deploy.secrets.writing import APPLICATION, USERS
from gateway.peer import trusted_networks
from shared.config import GATEWAY, SEALER, SERVICES, load_settings

FOLDER = Path(__file__).parents[3] / "deploy" / "compose"
PROCESSES = {f"{service}-{kind}" for service in SERVICES for kind in ("serve", "work")}
OURS = {*PROCESSES, GATEWAY, SEALER, "migrate", "broker", "administrator", "terminal"}
_HOLDER = re.compile(r"\$\{SECRETS:\?\}/([a-z-]+)")


@cache
def project() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
    return found


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = project()["services"]
    return found


def example() -> dict[str, str]:
    lines = (FOLDER / ".env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def environment_of(name: str) -> dict[str, str]:
    """Return the environment of a service, with the variables of the example in it."""
    own = services()[name].get("environment", {})

    def value(text: str) -> str:
        return re.sub(
            r"\$\{([A-Z_]+)(?::\?|:-([^}]*))?[^}]*\}",
            lambda found: example().get(found[1]) or found[2] or "",
            text,
        )

    return {key: value(str(text)) for key, text in own.items()}


def holders_of(name: str) -> set[str]:
    """Return the folders of secrets that a container sees."""
    sources = [one["source"] for one in services()[name].get("volumes", ())]
    return {found[1] for one in sources if (found := _HOLDER.match(one))}


def test_every_service_has_a_server_and_a_worker() -> None:
    assert {name for name in services() if name.rpartition("-")[2] in ("serve", "work")} == (
        PROCESSES
    )
    for name in PROCESSES:
        service, _, kind = name.rpartition("-")
        assert services()[name]["command"] == ["python", "-m", "services", kind, service]


def test_every_container_is_confined() -> None:
    for name, one in services().items():
        assert one["read_only"] is True, name
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in one, name
        root = one.get("user", "").startswith("0:")
        # The one that makes a folder for the others has no network, and runs once.
        assert not root or (one["network_mode"] == "none" and one["restart"] == "no"), name


def test_each_sees_the_secrets_of_its_own_folder_alone() -> None:
    for name in OURS | USERS.keys():
        expected = name.rpartition("-")[0] if name in PROCESSES else name
        assert holders_of(name) - {"public"} == {expected}, name
        assert services()[name].get("secrets") is None
    assert holders_of("backup-data") == {"postgres", "public"}
    assert holders_of("backup-keys") == {"postgres-keys", "public"}
    assert not any("operator" in holders_of(name) for name in services())


def test_secrets_are_read_only_and_no_environment_has_one() -> None:
    for name, one in services().items():
        for volume in one.get("volumes", ()):
            if "SECRETS" in volume["source"]:
                assert volume["read_only"] is True, name
        for key, value in environment_of(name).items():
            assert not re.search(r"PASSWORD(?!_FILE)|SECRET(?!S_DIR)", key), (name, key)
            assert not re.search(r"://[^/\s:@]+:[^/\s@]+@", value), (name, key)


def test_every_file_of_a_secret_is_one_that_is_made(tmp_path: Path) -> None:
    make_secrets(tmp_path, "compose", "lk.example.org")
    for name in services():
        for holder in holders_of(name):
            assert (tmp_path / holder).is_dir(), (name, holder)
    for name in OURS - {"terminal"}:
        own = {**environment_of(name), "SALDO_SECRETS_DIR": str(tmp_path / _folder(name))}
        settings = load_settings(own)
        for service in (_folder(name),) if name in PROCESSES else ():
            assert settings.amqp_url_of(service).startswith(f"amqps://{service}:")
            assert f"@{COMPOSE.database}:5432/saldo?" in settings.database_url_of(service)
            assert f"@{COMPOSE.keys_database}:" in settings.keys_database_url_of(service)
            assert settings.keys_of(service, "test").first
    for node in USERS:
        assert (tmp_path / node / "tls.key").is_file()


def _folder(name: str) -> str:
    return name.rpartition("-")[0] if name in PROCESSES else name


def test_servers_are_found_by_the_names_in_the_secrets() -> None:
    for host in (COMPOSE.database, COMPOSE.keys_database, COMPOSE.broker):
        assert host in services()
    for name in OURS:
        targets = {one["target"] for one in services()[name]["volumes"]}
        assert {AUTHORITY, "/run/secrets/saldo"} <= targets, name
        assert environment_of(name)["SALDO_SECRETS_DIR"] == "/run/secrets/saldo"


def test_every_setting_is_one_that_its_process_reads() -> None:
    more = {"SALDO_MONITORING_LISTEN", "SALDO_SECRETS_DIR", "SALDO_LEDGER_SEAL_VERIFIER_FILE"}
    more |= {"SALDO_URL", "SALDO_MAIL_FROM", "SALDO_TIMEZONE", "SALDO_LEDGER_BOOKS"}
    for name in OURS:
        kind = {SEALER: "seal", "administrator": "staff", "terminal": "staff"}.get(name)
        kind = kind or (name.rpartition("-")[2] if name in PROCESSES else name)
        own = {key for key in environment_of(name) if key.startswith("SALDO_")}
        assert own <= {*SETTINGS[kind], *more}, name


def test_gateway_believes_the_proxy_and_nobody_else() -> None:
    front = project()["networks"]["front"]
    [subnet] = [ip_network(one["subnet"]) for one in front["ipam"]["config"]]
    address = ip_address(services()["proxy"]["networks"]["front"]["ipv4_address"])
    [trusted] = trusted_networks(environment_of(GATEWAY)["SALDO_TRUSTED_PROXY"])
    assert address in subnet
    assert list(trusted) == [address]
    assert [name for name, one in services().items() if "front" in one.get("networks", ())] == [
        "proxy",
        GATEWAY,
    ]


def test_only_the_proxy_is_reached_from_elsewhere() -> None:
    published = {name: one["ports"] for name, one in services().items() if "ports" in one}
    assert published.pop("prometheus") == ["127.0.0.1:9090:9090"]
    assert published == {"proxy": ["80:8080", "443:8443"]}
    inside = {name for name, one in project()["networks"].items() if (one or {}).get("internal")}
    assert inside == {"front", "inside"}
    leading_out = {name for name, one in services().items() if "outside" in one.get("networks", ())}
    assert leading_out == {
        "proxy", "payments-serve", "payments-work", "notifications-work", "clamav", "prometheus",
    }  # fmt: skip


def test_every_process_is_asked_whether_it_is_ready() -> None:
    for name in PROCESSES | {SEALER}:
        port = environment_of(name)["SALDO_MONITORING_LISTEN"].rpartition(":")[2]
        assert f"127.0.0.1:{port}/readyz" in services()[name]["healthcheck"]["test"][-1], name
    # A service that is down takes neither the gateway away nor `up --wait`.
    port = environment_of(GATEWAY)["SALDO_GATEWAY_LISTEN"].rpartition(":")[2]
    assert f"127.0.0.1:{port}/healthz" in services()[GATEWAY]["healthcheck"]["test"][-1]
    for name in ("postgres", "postgres-keys", "rabbitmq", "proxy"):
        assert "test" in services()[name]["healthcheck"], name


def test_prometheus_asks_every_process() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yaml").read_text(encoding="utf-8"))
    found = {
        target
        for job in config["scrape_configs"]
        for group in job["static_configs"]
        for target in group["targets"]
    }
    ours = {f"{name}:9100" for name in PROCESSES | {GATEWAY, SEALER}}
    assert found == ours | {"rabbitmq:15692"}


def test_mounted_files_are_there_and_belong_to_the_users_of_the_images() -> None:
    for name, one in services().items():
        for volume in one.get("volumes", ()):
            if volume["source"].startswith("."):
                assert (FOLDER / volume["source"]).is_file(), (name, volume["source"])
        if name in OURS:
            assert one["user"] == f"{APPLICATION}:{APPLICATION}"
        elif name in USERS.keys() - {"proxy"}:
            assert one["user"] == f"{USERS[name]}:{USERS[name]}"


def test_no_plugin_of_the_broker_listens_without_tls() -> None:
    """Streams are queues of AMQP here: their own protocol would have a door of its own, 5552."""
    plugins = (FOLDER / "enabled_plugins").read_text(encoding="ascii").strip("[].\n").split(",")
    settings = (FOLDER / "rabbitmq.conf").read_text(encoding="ascii")
    assert set(plugins) == {"rabbitmq_management", "rabbitmq_prometheus"}
    assert "listeners.tcp = none" in settings
    assert "management.tcp" not in settings


def test_documents_upgrade_workers_before_servers_and_gateways_last() -> None:
    """As docs/upgrading.md has it: a worker of before cannot publish what a new server writes."""
    text = (FOLDER.parents[1] / "docs" / "production.md").read_text(encoding="utf-8")
    upgrades = text.partition("## Upgrades")[2].partition("\n## ")[0]
    loops = re.findall(r"for process in (.*); do", upgrades)
    assert [[one for one in loop.split() if one in ("work", "serve")] for loop in loops] == [
        ["work", "serve"],
        ["work", "serve"],
    ]
    assert loops[1].split()[-2:] == ["gateway", "proxy"]
    assert upgrades.index("Workers and the sealer") < upgrades.index("then the gateways")


def test_backups_are_put_back_where_the_server_looks() -> None:
    for server, restore in (("postgres", "restore-data"), ("postgres-keys", "restore-keys")):
        one, origin = services()[restore], services()[server]
        [script, backup, data] = one["entrypoint"]
        assert "command" not in one  # what is given after its name is the moment
        assert data == origin["environment"]["PGDATA"]
        own, others = ({v["target"]: v for v in each["volumes"]} for each in (one, origin))
        assert own[backup]["source"] == others[backup]["source"]
        assert own[backup]["read_only"] is True
        assert own["/var/lib/postgresql"] == others["/var/lib/postgresql"]
        assert f"/usr/local/bin/{script}" in own
        assert one["user"] == origin["user"]


def engine_of_compose() -> list[str]:
    """Return the command of Compose, by itself or as a part of Docker's; none where it is not."""
    if alone := shutil.which("docker-compose"):
        return [alone]
    docker = shutil.which("docker")
    if docker is None:
        return []
    asked = subprocess.run([docker, "compose", "version"], capture_output=True, check=False)
    return [docker, "compose"] if asked.returncode == 0 else []


OF_BOOKS = ["compose.yaml", "compose.books.yaml"]


@pytest.mark.parametrize(
    "names",
    [["compose.yaml"], OF_BOOKS, [*OF_BOOKS, "compose.elsewhere.yaml"], ["compose.server.yaml"]],
)
def test_engine_of_compose_takes_it(names: list[str], tmp_path: Path) -> None:
    compose = engine_of_compose()
    if not compose:
        pytest.skip("Compose is not installed, so it has not read the files")
    env = tmp_path / "env"
    text = (FOLDER / ".env.example").read_text(encoding="utf-8")
    if "compose.books.yaml" in names:
        text = text.replace("SALDO_LEDGER_BOOKS=\n", "SALDO_LEDGER_BOOKS=north\n")
    server = "DATABASE_HOST=db-north.example.org\nDATABASE_ADDRESS=127.0.0.1\n"
    env.write_text(f"{text}\n{server}", encoding="utf-8")
    files = [word for name in names for word in ("-f", str(FOLDER / name))]
    command = [*compose, *files, "--env-file", str(env), "--profile", "*"]
    done = subprocess.run([*command, "config", "-q"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
