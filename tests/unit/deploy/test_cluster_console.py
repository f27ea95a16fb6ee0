"""What the status of a cluster says of the processes of a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.cluster import namespaces
from deploy.cluster.console import _running, postgres_roles, without_role
from deploy.cluster.network import Network
from deploy.embedded.plan import ProcessState


def test_process_that_waits_for_a_database_is_not_called_down() -> None:
    ready, starting = (
        ProcessState(state="ready", pid=1),
        ProcessState(state="starting", pid=2),
    )
    gone = ProcessState(state="down")
    assert _running({"gateway": ready, "work": starting}) == "gateway, work (not ready)"
    assert _running({"gateway": gone, "work": starting}) == "work (not ready)"
    assert _running({"gateway": gone}) == "down"
    assert _running({}) == "down"


def test_leader_without_a_synchronous_follower_is_said_to_be_alone() -> None:
    whole = postgres_roles({"pg-1": "sync", "pg-2": "primary"})
    assert whole == {"pg-1": "follows synchronously", "pg-2": "leads"}
    for said in ({"pg-2": "primary"}, {"pg-1": "replica", "pg-2": "primary"}):
        assert "on one machine" in postgres_roles(said)["pg-2"]
    assert postgres_roles({"pg-1": "replica"}) == {"pg-1": "follows"}


def test_node_that_runs_and_does_not_serve_is_not_called_down() -> None:
    assert without_role(ProcessState(state="starting", pid=3)) == "runs, but is not ready"
    assert without_role(ProcessState(state="down")) == "down"
    assert without_role(None) == "down"


@pytest.mark.parametrize(("flags", "is_out"), [("0x1303", False), ("0x1302", True), ("", False)])
def test_machine_is_cut_off_whose_cable_is_down(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flags: str, is_out: bool
) -> None:
    network = Network(kind="namespaces", prefix="10.1.2", tag="abcdef")
    if flags:
        (tmp_path / network.cable("pg-1")).mkdir()
        (tmp_path / network.cable("pg-1") / "flags").write_text(f"{flags}\n")
    monkeypatch.setattr(namespaces, "_INTERFACES", tmp_path)
    assert namespaces.is_out(network, "pg-1") is is_out
    assert not namespaces.is_out(network, "host")
