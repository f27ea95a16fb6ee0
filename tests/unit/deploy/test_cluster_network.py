"""The machines of a cluster: their addresses, and the namespaces where these can be made."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Network, ip_address
from pathlib import Path

import pytest

from deploy.cluster import namespaces, network
from deploy.cluster.installation import ClusterInstallation
from deploy.cluster.namespaces import NamespaceError
from deploy.cluster.network import HOST, MACHINES, Network, choose, known_networks, load, save
from deploy.embedded.state import StateError

LONGEST_INTERFACE = 15
ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0
docker0\t0007370A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Network]:
    """Make the namespaces of a cluster, and remove them."""
    found = choose(tmp_path, "namespaces")
    try:
        namespaces.create(found)
        namespaces.check(found)
    except NamespaceError as failure:
        namespaces.remove(found)
        pytest.skip(str(failure))
    yield found
    namespaces.remove(found)


def test_network_of_a_folder_is_always_the_same_and_never_that_of_another(tmp_path: Path) -> None:
    one = choose(tmp_path / "one", "loopback")
    assert choose(tmp_path / "one", "loopback") == one
    assert choose(tmp_path / "two", "loopback").tag != one.tag
    save(tmp_path / "network.json", one)
    assert load(tmp_path / "network.json") == one
    assert load(tmp_path / "nothing.json") is None


@pytest.mark.parametrize("kind", ["loopback", "namespaces"])
def test_every_machine_has_an_address_and_names_that_the_kernel_takes(
    tmp_path: Path, kind: network.Kind
) -> None:
    found = choose(tmp_path, kind)
    addresses = [ip_address(found.address(machine)) for machine in MACHINES]
    assert len(set(addresses)) == len(MACHINES)
    own = [IPv4Network(one) for one in found.networks]
    assert all(any(address in one for one in own) for address in addresses)
    assert all(address.is_loopback == (kind == "loopback") for address in addresses)
    names = [found.bridge, *map(found.cable, MACHINES)]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= LONGEST_INTERFACE


def test_process_of_the_host_starts_as_it_is(tmp_path: Path) -> None:
    assert choose(tmp_path, "namespaces").within(HOST) == ()
    assert choose(tmp_path, "loopback").within("app-1") == ()
    assert choose(tmp_path, "namespaces").within("app-1")[-1] == "--"


def test_network_that_the_machine_knows_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert known_networks(ROUTES) == [IPv4Network("10.55.7.0/24")]
    usual = choose(tmp_path, "namespaces")
    first, second, third = (int(one) for one in usual.prefix.split("."))
    line = f"br\t00{third:02X}{second:02X}{first:02X}\t0\t1\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    file = tmp_path / "route"
    file.write_text(ROUTES + line, encoding="ascii")
    monkeypatch.setattr(network, "_ROUTES", file)
    assert usual.subnet in {str(one) for one in known_networks(file.read_text("ascii"))}
    assert choose(tmp_path, "namespaces").prefix != usual.prefix


def test_first_start_that_was_cut_short_costs_nobody_the_namespaces(
    made: Network, tmp_path: Path
) -> None:
    # Its bridge is there, but in no file: its subnet is taken now.
    installation = ClusterInstallation(tmp_path)
    installation.state.create()
    assert not (tmp_path / "network.json").exists()
    again = installation._network()
    try:
        assert again == made
        assert not installation.why_loopback
        (tmp_path / "network.json").unlink()
    finally:
        installation.reset()
    assert not Path("/sys/class/net", made.bridge).exists()


def test_machines_that_do_not_reach_each_other_any_more_are_named(
    made: Network, tmp_path: Path
) -> None:
    installation = ClusterInstallation(tmp_path)
    installation.state.create()
    save(tmp_path / "network.json", made)
    assert installation._network() == made
    first = next(name for name in MACHINES if name != HOST)
    namespaces.plug(made, first, out=True)
    for _ in range(2):
        with pytest.raises(StateError, match=f"{first} does not reach"):
            installation._network()


def test_namespaces_are_made_once_and_removed_whole(made: Network) -> None:
    assert not namespaces.create(made), "something was missing"
    inside = subprocess.run(
        [*made.within("pg-1"), "ip", "-brief", "address", "show", "eth0"],
        capture_output=True, text=True, check=True, timeout=20,
    )  # fmt: skip
    assert made.address("pg-1") in inside.stdout
    first = next(name for name in MACHINES if name != HOST)
    namespaces.plug(made, first, out=True)
    with pytest.raises(NamespaceError, match=f"{first} does not reach"):
        namespaces.check(made)
    namespaces.plug(made, first)
    namespaces.check(made)
    with pytest.raises(NamespaceError, match="no cable"):
        namespaces.plug(made, HOST, out=True)
    namespaces.remove(made)
    assert not Path("/sys/class/net", made.bridge).exists()
    assert not any(Path("/sys/class/net", made.cable(one)).exists() for one in MACHINES)
    assert not any(Path("/run/netns", made.namespace(one)).exists() for one in MACHINES)
    namespaces.remove(made)
