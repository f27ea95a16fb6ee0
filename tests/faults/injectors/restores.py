"""Restores from backup: what was acknowledged since is gone from PostgreSQL, or from RabbitMQ.

A backup is what a snapshot of the disk is: the node stands still while its folder is copied, and
recovers from the copy as after a crash.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from random import Random
from typing import Any

from deploy.embedded.books import books_in, seal_process
from deploy.embedded.plan import ProcessSpec, read_plan
from deploy.embedded.readiness import is_ready
from tests.faults.faults import House, fault
from tests.faults.injectors.errors import TroubleError
from tests.faults.injectors.processes import standing_still
from tests.waiting import eventually

_SERVICES = ("gateway", "work", "serve", "seal")
_ONCE = ("broker", "staff", "subscribers")
_START_S = 90.0
_ONCE_S = 120.0


@fault
class RestoreDatabase:
    """PostgreSQL goes back to a backup of some seconds ago, with or without a stop of services."""

    name = "restore_database"
    lasts = (5.0, 40.0)
    alone = True

    def is_possible(self, house: House) -> bool:
        return "postgres" in house.identities()

    def inject(self, house: House, random: Random) -> str:
        stops = random.choice((True, False))
        instant = back_up(house, "postgres", "data")
        house.notes[self.name] = (instant, stops)
        return f"a backup of PostgreSQL, to be restored {'with' if stops else 'without'} a stop"

    def heal(self, house: House) -> None:
        noted: Any = house.notes.get(self.name)
        if noted is None:
            return
        instant, stops = noted
        if has_backup(house, "postgres", "data"):
            sealers = map(seal_process, books_in(house.environment))
            services = (*_SERVICES, *sealers) if stops else ()
            with house.kept_down(*services, "postgres"):
                put_back(house, "postgres", "data")
            house.lost_since(instant)
        wait_for_node(house, "postgres")
        del house.notes[self.name]


@fault
class RestoreBroker:
    """RabbitMQ goes back to a copy of some seconds ago: what was read comes again."""

    name = "restore_broker"
    lasts = (5.0, 40.0)
    alone = True

    def is_possible(self, house: House) -> bool:
        return "rabbitmq" in house.identities()

    def inject(self, house: House, random: Random) -> str:
        instant = back_up(house, "rabbitmq", "mnesia")
        house.notes[self.name] = instant
        return "a copy of RabbitMQ, to be put back"

    def heal(self, house: House) -> None:
        if self.name not in house.notes:
            return
        if has_backup(house, "rabbitmq", "mnesia"):
            with house.kept_down("rabbitmq"):
                put_back(house, "rabbitmq", "mnesia")
        wait_for_node(house, "rabbitmq")
        del house.notes[self.name]


@fault
class EmptyBroker:
    """RabbitMQ loses its folder: messages, queues, users; its administrator makes them again."""

    name = "empty_broker"
    lasts = (1.0, 15.0)
    alone = True

    def is_possible(self, house: House) -> bool:
        return "rabbitmq" in house.identities()

    def inject(self, house: House, random: Random) -> str:
        house.notes[self.name] = True
        with house.kept_down("rabbitmq"):
            shutil.rmtree(house.folder / "rabbitmq" / "mnesia")
        return "empty the folder of RabbitMQ"

    def heal(self, house: House) -> None:
        if self.name not in house.notes:
            return
        wait_for_node(house, "rabbitmq")
        for name in _ONCE:
            run_once(house, name)
        del house.notes[self.name]


def back_up(house: House, node: str, folder: str) -> float:
    """Copy a node's folder at one instant (Unix time), which is returned."""
    source = house.folder / node / folder
    backup = _backup(source)
    shutil.rmtree(backup, ignore_errors=True)
    with standing_still(house, node):
        instant = time.time()
        _copy(source, backup)
    return instant


def has_backup(house: House, node: str, folder: str) -> bool:
    """Return whether a backup has been made and not been put back yet."""
    return _backup(house.folder / node / folder).is_dir()


def put_back(house: House, node: str, folder: str) -> None:
    """Put the copy in the place of a node's folder; the node is down."""
    target = house.folder / node / folder
    backup = _backup(target)
    if not backup.is_dir():
        raise TroubleError(f"there is no backup of {node}")
    shutil.rmtree(target)
    backup.rename(target)
    # The copy is of a running server, and its pid may be another process by now.
    (target / "postmaster.pid").unlink(missing_ok=True)


def wait_for_node(house: House, name: str, seconds: float = _START_S) -> None:
    """Wait until a node responds, past all proxies."""
    eventually(lambda: responds(house, name), f"{name} responds", seconds)


def responds(house: House, name: str) -> bool:
    """Return whether a node responds now, past all proxies."""
    ready = described(house, name).ready
    assert ready is not None
    return is_ready(ready)


def run_once(house: House, name: str) -> None:
    """Run a process again that an installation runs once."""
    spec = described(house, name)
    done = subprocess.run(
        spec.argv, env=spec.environ, cwd=spec.cwd, capture_output=True, check=False,
        timeout=_ONCE_S,
    )  # fmt: skip
    if done.returncode != 0:
        raise TroubleError(f"{name} has ended with {done.returncode}")


def described(house: House, name: str) -> ProcessSpec:
    """Return the description of a process of the house."""
    plan = read_plan(house.installation.state.plan)
    assert plan is not None
    return next(spec for spec in plan.processes if spec.name == name)


def _backup(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.backup")


def _copy(source: Path, target: Path) -> None:
    """Copy a folder with owners and times, as `cp -a` alone does it."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True, timeout=_ONCE_S)
