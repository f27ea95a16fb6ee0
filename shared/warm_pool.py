"""A pool of connections to PostgreSQL that keeps few of them, and those warm."""

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

    def _shrink_pool(self) -> None:
        """Close all connections that nobody has needed since the last look.

        psycopg_pool's own closes one of them each time: after a rush ten pools would take ten
        minutes, and the server holds 2 to 5 MB for each connection.
        """
        with self._lock:
            unused = max(0, min(self._nconns_min, len(self._pool), self._nconns - self._min_size))
            closing = [self._pool.popleft() for _ in range(unused)]
            self._nconns -= unused
            self._nconns_min = len(self._pool)
        for connection in closing:
            self._close_connection(connection)
