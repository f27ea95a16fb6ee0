"""Processes that die, and processes that stand still."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, cast

import psycopg

from deploy.embedded import process
from deploy.embedded.books import books_in, seal_process
from tests.faults.faults import House, fault
from tests.faults.process_tree import is_stopped
from tests.waiting import eventually

_OURS = ("serve", "work", "gateway", "seal")
"""Those of an installation whose ledger has one book; further ones have sealers of their own."""
_NODES = ("postgres", "rabbitmq")
_OUTSIDE = ("acquirer", "yookassa", "ofd", "mailcatcher")

_CONNECT_S = 5
_BACKENDS = """
SELECT pid FROM pg_stat_activity
WHERE backend_type = 'client backend' AND usename LIKE 'saldo\\_%' ORDER BY pid
"""


@fault
class Kill:
    """A process is killed with -9, and starts again by itself."""

    name = "kill"
    lasts = (0.5, 3.0)
    alone = False

    def is_possible(self, house: House) -> bool:
        return True

    def inject(self, house: House, random: Random) -> str:
        running = house.identities()
        ours = _ours(house)
        drawn = random.choice((*ours * 3, *_NODES * 2, *_OUTSIDE))
        victim = drawn if drawn in running else random.choice(ours)
        house.restart(victim)
        return f"kill -9 {victim}"

    def heal(self, house: House) -> None:
        """It restarts by itself."""


@fault
class Pause:
    """A process stands still for a while (SIGSTOP), with all the locks that it holds."""

    name = "pause"
    lasts = (2.0, 20.0)
    alone = False

    def is_possible(self, house: House) -> bool:
        return True

    def inject(self, house: House, random: Random) -> str:
        victim = random.choice((*_ours(house) * 2, *_OUTSIDE))
        stopped = _stop(house, self.name, _of(house, victim))
        return f"pause {victim}" if stopped else f"pause {victim}: it does not run now"

    def heal(self, house: House) -> None:
        _go_on(house, self.name)


@fault
class PauseBackends:
    """Some server processes of PostgreSQL stand still, with their locks and their turns."""

    name = "pause_backends"
    lasts = (2.0, 20.0)
    alone = False

    def is_possible(self, house: House) -> bool:
        return "postgres" in house.identities()

    def inject(self, house: House, random: Random) -> str:
        with psycopg.connect(
            house.environment["SALDO_DATABASE_URL"], connect_timeout=_CONNECT_S
        ) as connection:
            pids = [pid for (pid,) in connection.execute(_BACKENDS)]
        chosen = random.sample(pids, min(len(pids), random.randint(1, 4)))
        stopped = _stop(house, self.name, filter(None, map(process.identity_of, chosen)))
        return f"pause {len(stopped)} of {len(pids)} backends of PostgreSQL"

    def heal(self, house: House) -> None:
        _go_on(house, self.name)


@fault
class PauseNode:
    """PostgreSQL with all its processes, or RabbitMQ, stands still: connections stay open."""

    name = "pause_node"
    lasts = (2.0, 20.0)
    alone = False

    def is_possible(self, house: House) -> bool:
        return bool(house.identities().keys() & set(_NODES))

    def inject(self, house: House, random: Random) -> str:
        victim = random.choice([name for name in _NODES if name in house.identities()])
        stopped = _stop_whole(house, self.name, victim)
        return f"pause {victim}, {len(stopped)} processes"

    def heal(self, house: House) -> None:
        _go_on(house, self.name)


def _ours(house: House) -> tuple[str, ...]:
    """Return the processes of the product."""
    return (*_OURS, *map(seal_process, books_in(house.environment)))


@contextmanager
def standing_still(house: House, node: str) -> Iterator[None]:
    """Let a node stand still with all its processes for the length of a block."""
    name = f"{node} stands still"
    try:
        stopped = _stop_whole(house, name, node)
        eventually(lambda: all(map(is_stopped, stopped)), name)
        yield
    finally:
        _go_on(house, name)


def _stop_whole(house: House, name: str, node: str) -> list[process.Identity]:
    """Stop a node: first its first process, so that it starts no other, then those below it."""
    leaders = list(_of(house, node))
    stopped = _stop(house, name, leaders)
    for leader in leaders:
        stopped += _stop(house, name, process.descendants(leader))
    return stopped


def _of(house: House, name: str) -> Iterable[process.Identity]:
    identity = house.identities().get(name)
    return () if identity is None else (identity,)


def _stop(
    house: House, name: str, identities: Iterable[process.Identity]
) -> list[process.Identity]:
    """Stop processes; note them first, so that whatever is stopped is continued."""
    noted = cast("list[process.Identity]", house.notes.setdefault(name, []))
    stopped = []
    for identity in identities:
        noted.append(identity)
        if process.send(identity, signal.SIGSTOP):
            stopped.append(identity)
    return stopped


def _go_on(house: House, name: str) -> None:
    noted: Any = house.notes.pop(name, [])
    for identity in reversed(noted):
        process.send(identity, signal.SIGCONT)
