"""The processes of a cluster: which there are, where they listen, and what each of them knows."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from deploy.cluster import haproxy, packages
from deploy.cluster.applications import REPLICATED, processes_of
from deploy.cluster.installation import NODES, ClusterInstallation
from deploy.cluster.network import APPLICATIONS, ETCD, HOST, POSTGRES, RABBITMQ, Kind
from deploy.cluster.rabbitmq import wait_to_join
from deploy.embedded import process
from deploy.embedded import rabbitmq as package
from deploy.embedded.plan import Plan, ProcessSpec
from deploy.embedded.processes import process_specs
from deploy.embedded.state import StateError
from deploy.embedded.surroundings import LOOPBACK
from shared.config import QUORUM, load_settings
from tests.nodes import ANY_PORTS

PORTS = dict.fromkeys((*ANY_PORTS, "patroni", "etcd", "etcd_peer", "balancer-1", "balancer-2"), 0)
READY_S = 60.0
Planned = Callable[[Kind], tuple[ClusterInstallation, dict[str, ProcessSpec]]]


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planned:
    """Return how to plan a cluster without the packages that it runs, and without making it."""
    for name in ("etcd", "haproxy", "patroni"):
        program = tmp_path / "packages" / name / name
        program.parent.mkdir(parents=True)
        program.with_name("python").touch(mode=0o755)
        program.touch(mode=0o755)
        monkeypatch.setattr(packages, name, lambda program=program: program)
    server = tmp_path / "packages" / "rabbitmq" / "sbin" / "rabbitmq-server"
    (server.parents[1] / "plugins").mkdir(parents=True)
    server.parent.mkdir()
    server.touch(mode=0o755)
    monkeypatch.setattr(package, "package_server", lambda: server)
    monkeypatch.setattr(haproxy, "check", lambda file, program: None)
    monkeypatch.setattr(ClusterInstallation, "_make", staticmethod(lambda network: None))

    def plan(kind: Kind) -> tuple[ClusterInstallation, dict[str, ProcessSpec]]:
        made = ClusterInstallation(tmp_path / kind, {}, kind="loopback", ports=PORTS)
        made.state.create()
        if kind == "namespaces":
            file = made.state.root / "network.json"
            file.write_text(json.dumps({"kind": kind, "prefix": "10.9.8", "tag": "abc"}))
        found = made._plan(None)
        assert found == made._plan(None), "a second `up` would start something anew"
        return made, {spec.name: spec for spec in found.processes}

    return plan


@pytest.fixture(params=["loopback", "namespaces"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_there_are_two_or_three_of_each_and_all_requirements(planned: Planned, kind: Kind) -> None:
    _, specs = planned(kind)
    assert specs.keys() > NODES
    for replicated in REPLICATED:
        assert replicated not in specs
        assert {f"{replicated}-1", f"{replicated}-2"} < specs.keys()
    for spec in specs.values():
        assert set(spec.requires) <= specs.keys(), spec.name
    # Nothing of Saldo starts before there are a database and a broker that outlive a node.
    order = {one.name: n for n, level in enumerate(_plan_of(specs).levels()) for one in level}
    for node in (*POSTGRES, *RABBITMQ, *ETCD):
        assert order[node] < order["migrate"] <= order["serve-1"]


def _plan_of(specs: dict[str, ProcessSpec]) -> Plan:
    return Plan(processes=tuple(specs.values()))


def test_processes_know_what_those_of_one_node_know(planned: Planned) -> None:
    made, specs = planned("loopback")
    overrides = {"SALDO_DATABASE_URL": "given", "SALDO_AMQP_URL": "given"}
    usual = process_specs(
        made.state, made.ports(), made.state.secrets(), made.environment, overrides
    )
    for alone in usual:
        names = [f"{alone.name}-{n}" for n in (1, 2)] if alone.name in REPLICATED else [alone.name]
        for name in names:
            assert specs[name].environ.keys() == alone.environ.keys(), name
            assert specs[name].once == alone.once


def test_processes_on_machines_reach_everything_past_their_own_loopback(planned: Planned) -> None:
    made, specs = planned("namespaces")
    network = made.network
    told = {"SALDO_URL", "SALDO_ACQUIRER_PAGES", "SALDO_ACQUIRER_KASSA_PAGES"}
    for machine in APPLICATIONS:
        for name in processes_of(machine):
            own = {key: text for key, text in specs[name].environ.items() if LOOPBACK in text}
            assert own.keys() <= told, name
            assert specs[name].argv[: len(network.within(machine))] == network.within(machine)
            for listens in ("SALDO_GATEWAY_LISTEN", "SALDO_MONITORING_LISTEN"):
                address = specs[name].environ.get(listens, network.address(machine))
                assert address.partition(":")[0] == network.address(machine)
    hosts = {
        urlsplit(text).hostname
        for key, text in specs["serve-1"].environ.items()
        if key.startswith(("SALDO_DATABASE_URL", "SALDO_AMQP_URL", "SALDO_KEYS_DATABASE_URL"))
    }
    assert hosts == {network.address(HOST)}


def test_payers_are_led_to_the_pages_of_banks_where_they_find_them(planned: Planned) -> None:
    made, specs = planned("namespaces")
    settings = load_settings(specs["gateway-2"].environ)
    sites = {site for one in settings.acquirers for site in one.sites}
    assert sites == {
        made.environment[f"SALDO_{name}_URL"] for name in ("ACQUIRER", "ACQUIRER_KASSA")
    }


def test_settings_for_people_are_those_of_the_host(planned: Planned, kind: Kind) -> None:
    made, _ = planned(kind)
    settings = load_settings(made.environment)
    assert settings.rpc_queues == QUORUM
    assert urlsplit(settings.url).hostname == LOOPBACK
    assert urlsplit(settings.amqp_admin_url).hostname == LOOPBACK
    assert urlsplit(settings.database_url).hostname == LOOPBACK
    assert {"SALDO_MONITORING_URL_WORK", "SALDO_MONITORING_URL_WORK_2"} < made.environment.keys()


def test_own_nodes_are_refused(tmp_path: Path) -> None:
    given = {"SALDO_DATABASE_URL": "postgresql://owner:secret@db/saldo"}
    with pytest.raises(StateError, match="unset SALDO_DATABASE_URL"):
        ClusterInstallation(tmp_path / "one", given, kind="loopback", ports=PORTS).up()


def test_patroni_replicates_synchronously_and_knows_every_etcd(
    planned: Planned, kind: Kind
) -> None:
    made, specs = planned(kind)
    network = made.network
    for name in POSTGRES:
        file = made.state.root / "postgres" / name / "patroni.json"
        settings = json.loads(file.read_text("ascii"))
        assert file.stat().st_mode & 0o077 == 0
        assert settings["name"] == name
        assert settings["bootstrap"]["dcs"]["synchronous_mode"] is True
        assert [one.partition(":")[0] for one in settings["etcd3"]["hosts"]] == [
            network.address(one) for one in ETCD
        ]
        assert settings["postgresql"]["listen"].startswith(f"{network.address(name)}:")
        allowed = {line.split()[3] for line in settings["postgresql"]["pg_hba"]}
        assert allowed == set(network.networks)
        assert all(line.endswith("scram-sha-256") for line in settings["postgresql"]["pg_hba"])
    assert set(specs["database"].requires) == set(POSTGRES)


def test_every_rabbitmq_knows_all_and_a_new_one_joins_the_one_before(
    planned: Planned, kind: Kind
) -> None:
    made, specs = planned(kind)
    names = {specs[name].environ["RABBITMQ_NODENAME"] for name in RABBITMQ}
    assert names == {f"{name}@{made.network.address(name)}" for name in RABBITMQ}
    for number, name in enumerate(RABBITMQ):
        text = (made.state.root / "rabbitmq" / name / "rabbitmq.conf").read_text("ascii")
        assert all(f" = {one}\n" in text for one in names)
        assert "pause_minority" in text
        assert f"listeners.tcp.1 = {made.network.address(name)}:" in text
        joined = [command[-1] for command in specs[name].before_start]
        before = RABBITMQ[number - 1 : number] if number else ()
        assert joined == [f"{made.network.address(one)}:{made.ports()['amqp']}" for one in before]
    mappers = {spec.name for spec in specs.values() if spec.name.startswith("epmd")}
    assert len(mappers) == (1 if kind == "loopback" else len(RABBITMQ))


def test_new_node_waits_for_the_other_and_one_with_data_does_not(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        address = f"{LOOPBACK}:{other.getsockname()[1]}"
        assert wait_to_join(tmp_path / "mnesia", address, 5)
    assert not wait_to_join(tmp_path / "mnesia", address, 0)
    (tmp_path / "mnesia" / "mq-2@127.1.2.3").mkdir(parents=True)
    assert wait_to_join(tmp_path / "mnesia", address, 0)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[ClusterInstallation]:
    """Return a cluster of which only what belongs to others runs."""
    made = ClusterInstallation(
        tmp_path / "small", {}, kind="loopback", ports=PORTS, owner=process.myself()
    )
    yield made
    made.reset()


def test_what_is_stopped_for_good_stays_so_until_it_is_started(
    planned: Planned, small: ClusterInstallation
) -> None:
    assert small.up(["mailcatcher", "ofd"], seconds=READY_S)
    before = small.identities()
    assert small.stop(["ofd"], kill=True) == ["ofd"]
    assert small.identities() == {"mailcatcher": before["mailcatcher"]}
    assert {name: state.is_up for name, state in small.status().items()} == {"mailcatcher": True}
    assert small.start(["ofd"], seconds=READY_S) == ["ofd"]
    assert small.identities()["mailcatcher"] == before["mailcatcher"]
    assert small.status()["ofd"].is_up
    with pytest.raises(StateError, match="there is no pg-9"):
        small.stop(["pg-9"])
    small.down()
    with pytest.raises(StateError, match="is down"):
        small.stop(["ofd"])


def test_machine_of_applications_stands_for_its_processes() -> None:
    assert processes_of("app-2") == {f"{name}-2" for name in REPLICATED}
    assert processes_of("pg-1") == {"pg-1"}
