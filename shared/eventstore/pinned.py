"""Connections that a group commit holds for as long as it has work, a stage each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

from shared.eventstore.batch_decision import Stage


class HeldConnections:
    """Connections of a pool in autocommit mode, one for each stage.

    To take one out of the pool costs a message to the server, to see whether it still lives:
    under load a stage keeps the one that it has. A broken one goes back at once, and is replaced.
    """

    def __init__(self, pool: ConnectionPool[Any]) -> None:
        self._pool = pool
        self._held: dict[Stage, Any] = {}

    @contextmanager
    def of(self, stage: Stage) -> Iterator[Any]:
        """Return the connection of a stage; only the leader of the stage may ask."""
        connection = self._held.pop(stage, None)
        if connection is None:
            connection = self._pool.getconn()
            connection.autocommit = True
        try:
            yield connection
        except BaseException:
            self._put(connection)
            raise
        self._held[stage] = connection

    def pass_on(self, giver: Stage, taker: Stage) -> None:
        """Let a stage have the connection of another that has no work, where it has none."""
        if taker not in self._held and giver in self._held:
            self._held[taker] = self._held.pop(giver)

    def give_back(self, stage: Stage) -> None:
        """Give the connection of a stage back to the pool."""
        connection = self._held.pop(stage, None)
        if connection is not None:
            self._put(connection)

    def _put(self, connection: Any) -> None:
        try:
            connection.rollback()
            connection.autocommit = False
        except psycopg.Error:
            connection.close()  # the pool makes another one
        self._pool.putconn(connection)
