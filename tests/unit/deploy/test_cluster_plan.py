"""The processes of a cluster: which there are, where they listen, and what each of them knows."""

from __future__ import annotations

import json
import socket
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest

from deploy.cluster import haproxy, owner, packages, patroni
from deploy.cluster.applications import REPLICATED, processes_of
from deploy.cluster.installation import FURTHER_PORTS, NODES, ClusterInstallation
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

PORTS = dict.fromkeys((*ANY_PORTS, *FURTHER_PORTS), 0)
READY_S = 60.0
ELECTION_S = 2.0
"""Two of the default timeouts of etcd, of which it draws one to two."""
DAY_S = 24 * 3600
Plans = tuple[ClusterInstallation, dict[str, ProcessSpec]]


class Planned(Protocol):
    def __call__(self, kind: Kind, overrides: Mapping[str, str] = ...) -> Plans: ...


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

    def plan(kind: Kind, overrides: Mapping[str, str] = MappingProxyType({})) -> Plans:
        asked: Kind | None = "loopback" if kind == "loopback" else None
        made = ClusterInstallation(tmp_path / kind, overrides, kind=asked, ports=PORTS)
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


@pytest.mark.parametrize(
    "given",
    [
        {"SALDO_DATABASE_URL": "postgresql://owner:secret@db/saldo"},
        {"SALDO_GATEWAY_LISTEN": "192.0.2.1:80"},
    ],
)
def test_own_nodes_are_refused(tmp_path: Path, given: dict[str, str]) -> None:
    with pytest.raises(StateError, match=f"unset {', '.join(given)}"):
        ClusterInstallation(tmp_path / "one", given, kind="loopback", ports=PORTS).up()


def test_machines_stay_what_they_are_until_the_reset(planned: Planned) -> None:
    made, _ = planned("loopback")
    other = ClusterInstallation(made.state.root, kind="namespaces", ports=PORTS)
    with pytest.raises(StateError, match="are loopback until its reset"):
        other.up()


def test_what_nobody_reaches_from_a_machine_is_refused_and_what_is_elsewhere_not_simulated(
    planned: Planned, tmp_path: Path
) -> None:
    bank = {"SALDO_ACQUIRER_URL": "https://bank.example/payment"}
    for given in (
        bank,
        {"SALDO_SMTP_URL": "smtp://mail.example:25"},
        {"SALDO_KEYS_DATABASE_URL": "postgresql://owner:secret@keys.example/keys"},
        {"SALDO_SMTP_URL": f"smtp://{LOOPBACK}:25"},
    ):
        with pytest.raises(StateError, match=f"unset {', '.join(given)}, or"):
            planned("namespaces", given)
        (tmp_path / "namespaces" / "overrides.json").unlink()
    planned("namespaces", {"SALDO_URL": "https://saldo.example", "SALDO_TIMEZONE": "Asia/Omsk"})
    _, specs = planned("loopback", bank)
    assert {"acquirer", "yookassa"}.isdisjoint(specs)
    assert specs["serve-2"].environ["SALDO_ACQUIRER_URL"] == bank["SALDO_ACQUIRER_URL"]


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
        certificate = Path(settings["etcd3"]["cert"])
        assert certificate.parent.stat().st_mode & 0o077 == 0
        for member in ETCD:
            assert {"--client-cert-auth", "--peer-client-cert-auth"} < set(specs[member].argv)
            assert str(certificate) in specs[member].argv
        # The device of the whole machine is not for one of its nodes.
        assert settings["watchdog"] == {"mode": "off"}
    assert set(specs["database"].requires) == set(POSTGRES)


class Database:
    """What a superuser finds: the roles and databases by their names."""

    def __init__(self, names: Collection[str]) -> None:
        self.names = set(names)
        self.done: list[str] = []

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None: ...

    def execute(self, query: str | bytes, values: tuple[str, ...] = ()) -> Database:
        self.found = values[0] if values and values[0] in self.names else None
        if not values:
            self.done.append(str(query))
        return self

    def fetchone(self) -> str | None:
        return self.found


@pytest.mark.parametrize(("has_owner", "code"), [(True, 0), (False, 1)])
def test_database_that_has_its_owner_waits_for_no_follower(
    planned: Planned, monkeypatch: pytest.MonkeyPatch, has_owner: bool, code: int
) -> None:
    made, _ = planned("loopback")
    database = Database({"saldo"} if has_owner else set())
    monkeypatch.setattr(owner, "connect", lambda *_: database)
    monkeypatch.setattr(owner, "WHOLE_S", 0)
    monkeypatch.setattr(
        patroni, "has_role", lambda rest, role: rest.startswith(first) and role == patroni.PRIMARY
    )
    first = f"{made.network.address(POSTGRES[0])}:"
    assert owner.main(str(made.state.root)) == code
    assert database.done == []


def test_patroni_has_time_for_an_election_and_to_take_a_node_back(planned: Planned) -> None:
    made, _ = planned("loopback")
    file = made.state.root / "postgres" / POSTGRES[0] / "patroni.json"
    dcs = json.loads(file.read_text("ascii"))["bootstrap"]["dcs"]
    assert dcs["loop_wait"] + 2 * dcs["retry_timeout"] <= dcs["ttl"], "Patroni would change them"
    assert dcs["retry_timeout"] / len(ETCD) > ELECTION_S, "a silent etcd costs a leader his lease"
    assert dcs["member_slots_ttl"] >= DAY_S
    assert dcs["postgresql"]["parameters"]["max_slot_wal_keep_size"] == "4GB"


def test_node_whose_settings_have_changed_is_started_anew(
    planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, before = planned("loopback")
    monkeypatch.setattr(patroni, "TTL_S", patroni.TTL_S + 1)
    _, after = planned("loopback")
    assert {name for name in before if before[name] != after[name]} == set(POSTGRES)


def test_etcd_keeps_the_port_by_which_its_members_know_each_other(
    planned: Planned, kind: Kind
) -> None:
    made, _ = planned(kind)
    before = made.ports()
    taken = ((LOOPBACK, before[name]) for name in ("etcd_peer", "gateway"))
    with socket.create_server(next(taken)), socket.create_server(next(taken)):
        planned(kind)
    assert made.ports()["etcd_peer"] == before["etcd_peer"]
    assert made.ports()["gateway"] != before["gateway"]


def test_further_book_has_its_processes_wherever_they_run(planned: Planned, kind: Kind) -> None:
    made, specs = planned(kind, {"SALDO_LEDGER_BOOKS": "north"})
    assert "seal_north" in specs
    assert not specs["seal_north"].once
    proxy = LOOPBACK if kind == "loopback" else made.network.address(HOST)
    for name in ("serve-1", "serve-2", "work-1", "work-2"):
        environ = specs[name].environ
        assert "ledger_north" in specs[name].argv
        for variable in ("DATABASE_URL", "KEYS_DATABASE_URL", "AMQP_URL"):
            url = urlsplit(environ[f"SALDO_{variable}_LEDGER_NORTH"])
            assert url.hostname == proxy, (name, variable)
        assert "SALDO_LEDGER_NORTH_SEAL_KEY" not in environ
    assert "SALDO_LEDGER_NORTH_SEAL_KEY" in specs["seal_north"].environ


def test_rabbitmq_is_mended_on_its_own_machine(planned: Planned, kind: Kind) -> None:
    made, specs = planned(kind)
    for name in RABBITMQ:
        within = made.network.within(name)
        assert specs[name].argv[: len(within)] == within
        assert specs[name].mended_by[: len(within)] == within
        # By its tools, with the name that the node has.
        assert any(word.endswith("rabbitmqctl") for word in specs[name].mended_by)
        assert specs[name].environ["RABBITMQ_USE_LONGNAME"] == "true"


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
    # A mapper that they share refuses a port twice.
    between = {specs[name].environ["RABBITMQ_DIST_PORT"] for name in RABBITMQ}
    assert len(between) == len(RABBITMQ)
    mappers = {spec.name for spec in specs.values() if spec.name.startswith("epmd")}
    assert len(mappers) == (1 if kind == "loopback" else len(RABBITMQ))


def test_new_node_waits_for_the_other_and_one_with_data_does_not(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        address = f"{LOOPBACK}:{other.getsockname()[1]}"
        assert wait_to_join(tmp_path / "mnesia", address, 5)
    assert not wait_to_join(tmp_path / "mnesia", address, 0)
    own = tmp_path / "mnesia" / "mq-2@127.1.2.3"
    own.mkdir(parents=True)
    assert not wait_to_join(tmp_path / "mnesia", address, 0), "its first start was cut short"
    alone = "'mq-2@127.1.2.3'"
    (own / "cluster_nodes.config").write_text(f"{{[{alone}],[{alone}]}}.\n", encoding="ascii")
    assert not wait_to_join(tmp_path / "mnesia", address, 0), "it would found a cluster of its own"
    both = f"{alone},'mq-1@127.1.2.2'"
    (own / "cluster_nodes.config").write_text(f"{{[{both}],[{alone}]}}.\n", encoding="ascii")
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
    assert small.stop(["mq-1"]) == [], "it is stopped already"
    assert small.start(["ofd"], seconds=READY_S) == ["ofd"]
    assert small.identities()["mailcatcher"] == before["mailcatcher"]
    assert small.status()["ofd"].is_up
    with pytest.raises(StateError, match="there is no pg-9"):
        small.stop(["pg-9"])
    small.down()
    with pytest.raises(StateError, match="is down"):
        small.stop(["ofd"])


def test_patroni_is_installed_anew_where_the_checkout_has_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[Path] = []
    monkeypatch.setattr(packages, "_install_patroni", lambda: installed.append(packages.FOLDER))
    for name in ("one", "one", "two"):
        folder = tmp_path / name / "patroni"
        monkeypatch.setattr(packages, "FOLDER", folder)
        monkeypatch.setattr(packages, "_STAMP", folder / "installed-from")
        if not folder.exists():
            folder.mkdir(parents=True)
            # What is moved, or copied, brings its stamp.
            for stamp in tmp_path.glob("one/patroni/installed-from"):
                (folder / "installed-from").write_bytes(stamp.read_bytes())
        assert packages.patroni() == folder / "bin" / "patroni"
    assert installed == [tmp_path / name / "patroni" for name in ("one", "two")]


def test_machine_of_applications_stands_for_its_processes() -> None:
    assert processes_of("app-2") == {f"{name}-2" for name in REPLICATED}
    assert processes_of("pg-1") == {"pg-1"}
