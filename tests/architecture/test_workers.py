"""Test runs: every worker obeys pyproject.toml, shares the nodes, and has a virtual host alone."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import pairwise

import pytest

from shared.config import SERVICES
from tests import workers
from tests.conftest import role_of
from tests.nodes import Nodes, given_brokers
from tests.workers import (
    NoNodesError,
    SharedNodes,
    borrow_nodes,
    number_of_workers,
)

FIRST, SECOND = "amqp://u:p@broker/", "amqp://u:p@broker/second"


@pytest.fixture
def done() -> list[str]:
    return []


@pytest.fixture
def shared(done: list[str]) -> Iterator[SharedNodes]:
    """Nodes with two virtual hosts, acquired when the first worker asks."""

    def acquire() -> Nodes:
        done.append("started")
        hosts = [FIRST, SECOND].__getitem__
        owner, stop = "postgresql://owner@there/db", lambda: done.append("ended")
        return Nodes(owner, FIRST, "http://u:p@broker:15672", "x", stop, hosts)

    made = SharedNodes(acquire)
    yield made
    if "ended" not in done:
        made.stop()


def test_a_warning_is_an_error() -> None:
    with pytest.raises(UserWarning):
        warnings.warn("in a worker, too", UserWarning, stacklevel=1)


def test_the_test_process_is_not_patched(request: pytest.FixtureRequest) -> None:
    assert not request.config.pluginmanager.hasplugin("pytest_nameko")


def test_workers_share_the_nodes_and_no_virtual_host(shared: SharedNodes, done: list[str]) -> None:
    assert done == [], "a run of unit tests starts no node"
    first, second = borrow_nodes(shared.address), borrow_nodes(shared.address)
    assert first.database_url == second.database_url == "postgresql://owner@there/db"
    assert (first.amqp_url, second.amqp_url) == (FIRST, SECOND)
    for nodes in (first, second):
        nodes.stop()
    assert done == ["started"], "a worker that ends stops nothing"
    shared.stop()
    assert done == ["started", "ended"]


def test_a_worker_without_a_virtual_host_fails(shared: SharedNodes) -> None:
    for _ in range(2):
        borrow_nodes(shared.address)
    with pytest.raises(NoNodesError, match="IndexError"):
        borrow_nodes(shared.address)


def test_nodes_that_do_not_start_fail_the_worker() -> None:
    def acquire() -> Nodes:
        raise RuntimeError("no RabbitMQ here")

    shared = SharedNodes(acquire)
    for _ in range(2):
        with pytest.raises(NoNodesError, match="no RabbitMQ here"):
            borrow_nodes(shared.address)
    shared.stop()


def test_given_nodes_serve_as_many_workers_as_they_have_virtual_hosts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda _: set(range(3)))
    monkeypatch.setenv("SALDO_TEST_DATABASE_URL", "postgresql://owner@there/db")
    monkeypatch.setenv("SALDO_TEST_AMQP_URL", FIRST)
    assert number_of_workers() == 1
    assert "workers: 1 instead of 3" in capsys.readouterr().out
    monkeypatch.setenv("SALDO_TEST_AMQP_URL", f"{FIRST} {SECOND} {FIRST}third")
    assert given_brokers() == [FIRST, SECOND, f"{FIRST}third"]
    assert number_of_workers() == 3
    assert capsys.readouterr().out == ""
    monkeypatch.delenv("SALDO_TEST_DATABASE_URL")
    assert number_of_workers() == 3


def test_slow_files_start_first_and_files_stay_together(request: pytest.FixtureRequest) -> None:
    files = [item.path for item in request.session.items]
    slow = {item.path for item in request.session.items if item.get_closest_marker("slow")}
    places = [path in slow for path in files]
    assert places == sorted(places, reverse=True)
    changes = [path for path, next_path in pairwise(files) if path != next_path]
    assert len(changes) == len(set(files)) - 1


def test_roles_belong_to_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Roles are the server's, not a database's: one test locks its ledger's role out."""
    roles = set()
    for worker in ("gw0", "gw1"):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
        roles |= {role_of(service) for service in SERVICES}
    assert len(roles) == 2 * len(SERVICES)
