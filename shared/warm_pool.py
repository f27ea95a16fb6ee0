"""A pool of connections to PostgreSQL that keeps few of them warm."""

from __future__ import annotations

from typing import Any

from psycopg_pool import ConnectionPool


class WarmPool(ConnectionPool[Any]):
    """A pool that gives out the connection that was returned last.

    psycopg_pool's own gives out the one that has waited longest, so all of them are used in turn,
    each with a server process whose plans and caches have gone cold.
    """

    def _get_ready_connection(self, timeout: float | None) -> Any:
        self._pool.rotate(1)  # those that nobody needs stay in front, to be closed
        return super()._get_ready_connection(timeout)
