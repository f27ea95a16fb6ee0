"""Ports, secrets, and which settings count as overrides."""

from __future__ import annotations

import json
import shlex
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deploy.cluster.applications import cluster_settings
from deploy.cluster.installation import DEFAULT_PORTS as CLUSTER_PORTS
from deploy.cluster.network import Network
from deploy.embedded.environment import (
    apply_overrides,
    as_shell,
    broker_urls,
    generate_settings,
    overrides_from,
    role_urls,
)
from deploy.embedded.keys import make_keys
from deploy.embedded.processes import process_specs
from deploy.embedded.state import DEFAULT_PORTS, StateDir, StateError, is_free
from shared.config import GATEWAY, SEALER, SERVICES, load_settings


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    made = StateDir(tmp_path / ".saldo")
    made.create()
    return made


def _settings(state: StateDir) -> dict[str, str]:
    make_keys(state, "")
    return generate_settings(state, DEFAULT_PORTS, state.secrets())


def test_secrets_are_generated_once_and_private(state: StateDir) -> None:
    secrets = state.secrets()
    assert state.secrets() == secrets
    assert len(set(secrets.values())) == len(secrets)
    assert all(len(bytes.fromhex(secret)) == 32 for secret in secrets.values())
    assert (state.root / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_busy_port_is_replaced_only_while_nothing_runs(state: StateDir) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        first = state.ports({"gateway": port}, renew=False)
        assert first["gateway"] != port
        assert is_free(first["gateway"])
        (state.root / "ports.json").write_text(json.dumps({"gateway": port}), encoding="ascii")
        assert state.ports({"gateway": port}, renew=False) == {"gateway": port}
        assert state.ports({"gateway": port}, renew=True)["gateway"] != port


def test_ports_are_kept(state: StateDir) -> None:
    ports = state.ports(dict.fromkeys(DEFAULT_PORTS, 0), renew=True)
    assert len(set(ports.values())) == len(DEFAULT_PORTS)
    assert state.ports(DEFAULT_PORTS, renew=False) == ports


def test_generated_settings_are_those_that_services_read(state: StateDir) -> None:
    settings = load_settings(_settings(state))
    for service in SERVICES:
        url = urlsplit(settings.database_url_of(service))
        assert url.username == f"saldo_{service}"
        assert url.port == DEFAULT_PORTS["postgres"]


def test_installation_has_two_acquirers(state: StateDir) -> None:
    main, kassa = load_settings(_settings(state)).acquirers
    assert (main.name, main.protocol, main.url) == ("main", "rbs", "http://127.0.0.1:18090")
    assert (kassa.name, kassa.protocol, kassa.url) == (
        "kassa",
        "yookassa",
        "http://127.0.0.1:18091",
    )
    assert kassa.networks == ("127.0.0.0/8",)
    assert len({main.password, main.secret, kassa.password}) == 3


def test_acquirer_of_the_operators_own_takes_the_place_of_the_simulated_ones(
    state: StateDir,
) -> None:
    own = {"SALDO_ACQUIRER_URL": "https://bank.example", "SALDO_ACQUIRER_PASSWORD": "own"}
    settings = apply_overrides(_settings(state), own, state.secrets())
    assert [one.url for one in load_settings(settings).acquirers] == ["https://bank.example"]
    specs = process_specs(state, DEFAULT_PORTS, state.secrets(), settings, own)
    assert not {"acquirer", "yookassa"} & {spec.name for spec in specs}
    two = {**own, "SALDO_ACQUIRERS": "main=rbs,kassa=yookassa"}
    settings = apply_overrides(_settings(state), two, state.secrets())
    specs = process_specs(state, DEFAULT_PORTS, state.secrets(), settings, two)
    assert {"acquirer", "yookassa"} & {spec.name for spec in specs} == {"yookassa"}


def test_installation_from_before_gets_the_second_acquirer(state: StateDir) -> None:
    """Its ports and secrets stay as they were."""
    ports, secrets = dict(DEFAULT_PORTS), state.secrets()
    ports.pop("yookassa")
    secrets.pop("acquirer_kassa")
    (state.root / "ports.json").write_text(json.dumps(ports), encoding="ascii")
    (state.root / "secrets.json").write_text(json.dumps(secrets), encoding="ascii")
    now = state.ports(DEFAULT_PORTS, renew=False)
    assert {name: port for name, port in now.items() if name != "yookassa"} == ports
    assert now["yookassa"]
    assert {k: v for k, v in state.secrets().items() if k != "acquirer_kassa"} == secrets
    assert len(state.secrets()["acquirer_kassa"]) == 64


def test_each_role_has_its_own_password() -> None:
    urls = role_urls("postgresql://boss:secret@db.example:6432/billing?sslmode=require", "key")
    passwords = {urlsplit(url).password for url in urls.values()}
    assert len(passwords) == len(urls) == len({*SERVICES, SEALER})
    assert "secret" not in "".join(urls.values())
    assert urls["SALDO_DATABASE_URL_LEDGER"].endswith("@db.example:6432/billing?sslmode=require")


def test_database_url_in_another_form_is_refused() -> None:
    with pytest.raises(StateError, match="must look like"):
        role_urls("host=db dbname=billing", "key")


def test_overridden_owner_url_changes_the_urls_of_the_roles(state: StateDir) -> None:
    overrides = {"SALDO_DATABASE_URL": "postgresql://boss:x@db:5432/billing"}
    settings = apply_overrides(_settings(state), overrides, state.secrets())
    assert "@db:5432/billing" in settings["SALDO_DATABASE_URL_LEDGER"]
    own = overrides | {"SALDO_DATABASE_URL_LEDGER": "postgresql://mine:x@db/billing"}
    settings = apply_overrides(_settings(state), own, state.secrets())
    assert settings["SALDO_DATABASE_URL_LEDGER"] == own["SALDO_DATABASE_URL_LEDGER"]


def test_keys_have_a_database_of_their_own(state: StateDir) -> None:
    settings = load_settings(_settings(state))
    for service in SERVICES:
        data = urlsplit(settings.database_url_of(service))
        keys = urlsplit(settings.keys_database_url_of(service))
        assert (keys.netloc, keys.path) == (data.netloc, "/saldo_keys")


def test_keys_follow_an_overridden_owner_or_lie_elsewhere(state: StateDir) -> None:
    data = {"SALDO_DATABASE_URL": "postgresql://boss:x@db:5432/billing"}
    settings = apply_overrides(_settings(state), data, state.secrets())
    assert settings["SALDO_KEYS_DATABASE_URL"] == "postgresql://boss:x@db:5432/billing_keys"
    assert "@db:5432/billing_keys" in settings["SALDO_KEYS_DATABASE_URL_IDENTITY"]
    apart = data | {"SALDO_KEYS_DATABASE_URL": "postgresql://keeper:x@vault:5432/keys"}
    settings = apply_overrides(_settings(state), apart, state.secrets())
    assert "@vault:5432/keys" in settings["SALDO_KEYS_DATABASE_URL_IDENTITY"]
    assert "@vault:5432/keys" in settings["SALDO_STAFF_KEYS_DATABASE_URL"]


def test_each_principal_of_the_broker_has_its_own_password(state: StateDir) -> None:
    settings = load_settings(_settings(state))
    urls = [urlsplit(settings.amqp_url_of(name)) for name in (*SERVICES, GATEWAY)]
    assert [url.username for url in urls] == [*SERVICES, GATEWAY]
    assert len({url.password for url in urls}) == len(urls)
    assert {url.port for url in urls} == {DEFAULT_PORTS["amqp"]}
    administrator = urlsplit(settings.amqp_admin_url)
    assert administrator.port == DEFAULT_PORTS["amqp_management"]
    assert administrator.password == urlsplit(settings.amqp_url).password
    assert administrator.password not in {url.password for url in urls}


def test_a_given_broker_needs_its_management_api(state: StateDir) -> None:
    given = {"SALDO_AMQP_URL": "amqp://boss:x@bus.example:5671/billing"}
    with pytest.raises(StateError, match="set SALDO_AMQP_ADMIN_URL"):
        apply_overrides(_settings(state), given, state.secrets())
    given["SALDO_AMQP_ADMIN_URL"] = "https://boss:x@bus.example:15671"
    settings = apply_overrides(_settings(state), given, state.secrets())
    ledger = urlsplit(settings["SALDO_AMQP_URL_LEDGER"])
    assert (ledger.username, ledger.hostname, ledger.path) == ("ledger", "bus.example", "/billing")
    own = given | {"SALDO_AMQP_URL_LEDGER": "amqp://ledger:mine@bus.example/billing"}
    settings = apply_overrides(_settings(state), own, state.secrets())
    assert settings["SALDO_AMQP_URL_LEDGER"] == own["SALDO_AMQP_URL_LEDGER"]


def test_broker_url_in_another_form_is_refused() -> None:
    with pytest.raises(StateError, match="must look like"):
        broker_urls("bus.example:5672", "key")


def test_sourced_settings_are_no_overrides(state: StateDir) -> None:
    settings = _settings(state)
    assert overrides_from(settings, settings) == {}
    sourced = {**settings, "SALDO_LOG_LEVEL": "DEBUG"}
    assert overrides_from(sourced, settings) == {"SALDO_LOG_LEVEL": "DEBUG"}
    fresh = {"SALDO_AMQP_URL": "amqp://bus", "SALDO_TEST_AMQP_URL": "amqp://t", "HOME": "/"}
    assert overrides_from(fresh, settings) == {"SALDO_AMQP_URL": "amqp://bus"}


def test_settings_of_a_cluster_or_of_other_books_are_no_overrides(
    state: StateDir, tmp_path: Path
) -> None:
    settings = _settings(state)
    network = Network(kind="namespaces", prefix="10.9.8", tag="abc")
    of_cluster = settings | cluster_settings(network, CLUSTER_PORTS)
    assert of_cluster.keys() - settings.keys()
    assert overrides_from(of_cluster, settings) == {}
    other = StateDir(tmp_path / "other")
    other.create()
    given = {"SALDO_LEDGER_BOOKS": "north"}
    of_other = apply_overrides(_settings(other), given, other.secrets())
    assert "SALDO_DATABASE_URL_LEDGER_NORTH" in of_other
    other.env.write_text(as_shell(of_other), encoding="utf-8")
    assert overrides_from(of_other, settings) == {}
    changed = of_other | {"SALDO_LEDGER_BOOKS": "south"}
    assert overrides_from(changed, settings) == {"SALDO_LEDGER_BOOKS": "south"}


def test_overrides_are_kept(state: StateDir) -> None:
    state.overrides({"SALDO_AMQP_URL": "amqp://bus"})
    assert state.overrides({"SALDO_TIMEZONE": "Asia/Omsk"}) == {
        "SALDO_AMQP_URL": "amqp://bus",
        "SALDO_TIMEZONE": "Asia/Omsk",
    }


def test_shell_reads_back_quoted_settings() -> None:
    text = as_shell({"SALDO_MAIL_FROM": "Saldo <no-reply@x> $HOME 'q'"})
    assert shlex.split(text)[1:] == ["SALDO_MAIL_FROM=Saldo <no-reply@x> $HOME 'q'"]


def test_concurrent_up_is_excluded(state: StateDir) -> None:
    with state.lock(), pytest.raises(StateError, match="wait"), state.lock():
        pass


def test_folder_of_somebody_else_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    with pytest.raises(StateError, match="by hand"):
        StateDir(tmp_path).delete()
    assert (tmp_path / "letters").exists()
