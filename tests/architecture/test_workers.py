"""Test runs: every worker obeys pyproject.toml, shares the nodes, and has a virtual host alone."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.config import SERVICES
from tests import workers
from tests.conftest import role_of
from tests.nodes import Nodes, given_brokers
from tests.workers import (
    WITH_NODES,
    NoNodesError,
    Scheduling,
    SharedNodes,
    borrow_nodes,
    is_light,
    number_of_workers,
)

ROOT = Path(__file__).resolve().parents[2]
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


def test_only_what_needs_no_node_is_left_to_the_light_worker(
    request: pytest.FixtureRequest,
) -> None:
    def name(path: Path) -> str:
        return path.relative_to(request.config.rootpath).as_posix()

    items = request.session.items
    with_nodes = {
        name(item.path)
        for item in items
        if item.get_closest_marker("nodes") or "nodes" in getattr(item, "fixturenames", ())
    }
    assert [file for file in with_nodes if is_light(file)] == []
    assert is_light(name(request.path))


def test_each_exception_among_the_folders_of_the_light_worker_needs_nodes() -> None:
    for file in WITH_NODES:
        assert "pytest.mark.nodes" in (ROOT / file).read_text(encoding="utf-8")


class Worker:
    """As much of a worker as its scheduler knows."""

    def __init__(self, name: str, files: list[str]) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.files = files
        self.shutting_down = False
        self.got: list[str] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.got += [self.files[index] for index in indices]

    def shutdown(self) -> None:
        self.shutting_down = True


class Run:
    """A run of files of three tests each, on two workers and a light one."""

    def __init__(self, *files: str, helps: bool = True) -> None:
        self.tests = [f"tests/{file}.py::test_{n}" for file in files for n in range(3)]
        config: Any = SimpleNamespace(
            option=SimpleNamespace(loadscopereorder=False), getvalue=lambda _: ["popen"] * 3
        )
        self.scheduling = Scheduling(config, None, "gw2", helps=helps)
        self.workers = [Worker(f"gw{n}", self.tests) for n in range(3)]
        for worker in self.workers:
            self.scheduling.add_node(cast("Any", worker))
            self.scheduling.add_node_collection(cast("Any", worker), self.tests)
        self.scheduling.schedule()

    def let(self, worker: Worker, until: int = 1_000) -> None:
        """Let a worker run what it gets until it has got so many files, or gets nothing more."""
        for test in worker.got:  # it grows meanwhile
            if len(self.files(worker)) >= until:
                return
            self.scheduling.mark_test_complete(cast("Any", worker), self.tests.index(test))

    def files(self, worker: Worker) -> list[str]:
        """Return the files that a worker has got, in this order."""
        return [test.removeprefix("tests/").partition(".")[0] for test in worker.got[::3]]


def test_the_light_worker_takes_the_last_files_that_need_no_node() -> None:
    run = Run(
        "browser/a", "unit/b", "contract/test_access_matrix", "integration/c", "integration/d",
        "architecture/e", "unit/f", "unit/g",
    )  # fmt: skip
    one, other, light = run.workers
    run.let(light)
    assert run.files(light) == ["unit/g", "unit/f", "architecture/e"]
    run.let(one)
    assert run.files(one) == [
        "browser/a", "contract/test_access_matrix", "integration/c", "integration/d",
    ]  # fmt: skip
    run.let(other)
    assert run.files(other) == ["unit/b"]
    assert run.files(light) == ["unit/g", "unit/f", "architecture/e"]
    assert run.scheduling.tests_finished


@pytest.mark.parametrize("helps", [True, False])
def test_the_light_worker_helps_those_who_wait_once_nobody_does_anything_else(helps: bool) -> None:
    files = [f"integration/{name}" for name in "defghij"]
    run = Run("browser/a", "browser/b", "faults/c", *files, "unit/k", helps=helps)
    one, other, light = run.workers
    run.let(light)
    assert run.files(light) == ["unit/k"]
    run.let(other, until=2)
    assert run.files(other) == ["faults/c", "integration/d"]
    assert run.files(light) == ["unit/k"], "who is in a browser is left alone"
    run.let(one, until=3)
    assert run.files(one) == ["browser/a", "browser/b", "integration/e"]
    run.let(light)
    helped = ["j", "i", "h", "g", "f"] if helps else []
    assert run.files(light) == ["unit/k", *(f"integration/{name}" for name in helped)]


def test_workers_stay_in_a_folder_and_share_one_at_the_end() -> None:
    run = Run(
        "browser/a", "browser/b", "e2e/c", "faults/d", "browser/e", "e2e/f", "faults/g",
        "integration/h", "integration/i", "integration/j", "unit/k",
    )  # fmt: skip
    one, other, light = run.workers
    assert (run.files(one), run.files(other), run.files(light)) == (
        ["browser/a"], ["e2e/c"], ["unit/k"],
    )  # fmt: skip
    run.let(other)
    assert run.files(other) == [
        "e2e/c", "e2e/f", "faults/d", "faults/g", "integration/h", "integration/i",
        "integration/j", "browser/b", "browser/e",
    ]  # fmt: skip
    run.let(one)
    assert run.files(one) == ["browser/a"]
    assert one.shutting_down


def test_roles_belong_to_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Roles are the server's, not a database's: one test locks its ledger's role out."""
    roles = set()
    for worker in ("gw0", "gw1"):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
        roles |= {role_of(service) for service in SERVICES}
    assert len(roles) == 2 * len(SERVICES)
