"""Test workers side by side (pytest-xdist): one set of nodes, and a virtual host for each worker.

The controller, which runs no test, starts the nodes when the first worker asks for them, and stops
them at the end. If the controller is killed, the embedded nodes end with it.

Tests with nodes wait a third of their time, for processes that start and for time limits that they
try. More of them at once would starve each other, so `-n auto` adds a light worker instead: it runs
the files that need no node, at a lower priority, on what the others leave idle, and helps them at
the end.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from itertools import chain
from multiprocessing.connection import Client, Listener
from threading import Thread
from typing import Any, TypeAlias

import pytest
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

from tests.nodes import Nodes, acquire_nodes, given_brokers

MOST_WORKERS = 5
"""Of `-n auto`: a few files take most of the time, and more workers would wait for those."""

LIGHT_FOLDERS = ("architecture", "contract", "security", "unit")
WITH_NODES = {"tests/contract/test_access_matrix.py", "tests/security/test_hostile_actors.py"}
"""Files of those folders that need nodes all the same."""
LIGHT_NICE = 5
HELPED = "integration"
"""The last and largest folder with nodes, and the one whose tests wait most."""

Address: TypeAlias = tuple[str, str]
"""A local socket and the key to it, as text that the controller may hand to its workers."""


class NoNodesError(Exception):
    """The controller could not start the nodes, or has no virtual host left; the text says why."""


def number_of_workers() -> int:
    """Return how many workers suit this machine and the nodes, beside the light one."""
    suitable = min(len(os.sched_getaffinity(0)), MOST_WORKERS)
    brokers = given_brokers()
    if not brokers or len(brokers) >= suitable:
        return suitable
    print(  # noqa: T201 - that it takes longer is to be seen
        f"workers: {len(brokers)} instead of {suitable}, because SALDO_TEST_AMQP_URL names no more "
        "virtual hosts (separated by spaces)"
    )
    return len(brokers)


def has_nodes_for(workers: int) -> bool:
    """Return whether there is a virtual host for each of so many workers."""
    brokers = given_brokers()
    return not brokers or len(brokers) >= workers


def folder_of(file: str) -> str:
    """Return the folder of tests that a file, named from the root, belongs to."""
    return file.split("/")[1]


def is_light(file: str) -> bool:
    """Return whether a file, named from the root, needs no node."""
    return folder_of(file) in LIGHT_FOLDERS and file not in WITH_NODES


class Scheduling(LoadFileScheduling):
    """Gives each worker the next file of the folder that it is in, or of one that nobody is in.

    So an installation that the files of a folder share starts once, and those who need a whole
    processor run beside those who wait. The light worker gets the last file that needs no node.
    Once all the others wait in the same folder, it helps them, if there are nodes for it.
    """

    def __init__(self, config: pytest.Config, log: Any, light: str, *, helps: bool) -> None:
        super().__init__(config, log)
        self._light = light
        self._helps = helps
        self._folders: dict[str, str] = {}
        """In which folder each of the others is."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        name = node.gateway.id
        file = self._light_file() if name == self._light else self._next_of(name)
        if file is None:
            return  # it ends with the run
        self.workqueue.move_to_end(file, last=False)
        super()._assign_work_unit(node)
        if name != self._light:
            for light in (one for one in self.nodes if one.gateway.id == self._light):
                if self.workqueue:
                    self._reschedule(light)

    def _light_file(self) -> str | None:
        help_in = HELPED if self._helps and set(self._folders.values()) == {HELPED} else ""
        return next(
            chain(
                filter(is_light, reversed(self.workqueue)),
                (file for file in reversed(self.workqueue) if folder_of(file) == help_in),
            ),
            None,
        )

    def _next_of(self, name: str) -> str:
        taken = {folder for other, folder in self._folders.items() if other != name}
        own = (file for file in self.workqueue if folder_of(file) == self._folders.get(name))
        free = (file for file in self.workqueue if folder_of(file) not in taken)
        found = next(chain(own, free, self.workqueue))
        self._folders[name] = folder_of(found)
        return found


class SharedNodes:
    """The controller's side: answers each worker with a database URL and a virtual host."""

    def __init__(self, acquire: Callable[[], Nodes] = lambda: acquire_nodes(durable=False)) -> None:
        key = secrets.token_hex(32)
        self._listener = Listener(family="AF_UNIX", authkey=bytes.fromhex(key))
        self.address: Address = (str(self._listener.address), key)
        self._acquire = acquire
        self._nodes: Nodes | None = None
        self._lent = 0
        self._thread = Thread(target=self._serve, name="shared nodes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the nodes, after the answer that is being given."""
        _ask(self.address, "stop")
        self._thread.join()
        self._listener.close()
        if self._nodes is not None:
            self._nodes.stop()

    def _serve(self) -> None:
        while True:
            with self._listener.accept() as connection:
                if connection.recv() == "stop":
                    connection.send(None)
                    return
                try:
                    connection.send(self._lend())
                except Exception as error:  # noqa: BLE001 - whatever it is, the worker reports it
                    connection.send(f"{type(error).__name__}: {error}")

    def _lend(self) -> tuple[str, str, str, str]:
        if self._nodes is None:
            self._nodes = self._acquire()
        url = self._nodes.virtual_host(self._lent)
        self._lent += 1
        return self._nodes.database_url, url, self._nodes.amqp_admin_url, self._nodes.origin


def borrow_nodes(address: Address) -> Nodes:
    """Ask the controller for the nodes; the virtual host is this worker's own."""
    answer = _ask(address, "nodes")
    if isinstance(answer, str):
        raise NoNodesError(answer)
    database_url, amqp_url, admin_url, origin = answer
    return Nodes(database_url, amqp_url, admin_url, origin, lambda: None, [amqp_url].__getitem__)


def _ask(address: Address, what: str) -> Any:
    path, key = address
    with Client(path, family="AF_UNIX", authkey=bytes.fromhex(key)) as connection:
        connection.send(what)
        return connection.recv()
