"""Every kind of connection tells the server to notice a client that has vanished."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any, TypeAlias

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from shared.bus import liveness
from shared.config import SEALER
from shared.database import (
    BoundedConnection,
    Login,
    connect_as_owner,
    connection_info,
    open_pool,
)
from tests.conftest import Database
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

SHOWN = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "client_connection_check_interval": "5s",
}
Connect: TypeAlias = Callable[[Database], Any]


def store(database: Database) -> Any:
    return database.store("ledger").pool.connection()


def data_keys(database: Database) -> Any:
    return database.store("ledger").data_keys.pool.connection()


def leadership(database: Database) -> Any:
    url = database.settings.database_url_of("ledger")
    return BoundedConnection.connect(connection_info(url, "ledger", statement_timeout_ms=0))


def sealer(database: Database) -> Any:
    url = database.settings.database_url_of(SEALER)
    return psycopg.connect(connection_info(url, "ledger", statement_timeout_ms=0))


def migrations(database: Database) -> Any:
    return connect_as_owner(database.settings.database_url)


@contextmanager
def terminal(database: Database) -> Iterator[Any]:
    login = Login(database.settings.staff_database_url, read_only=True)
    with closing(open_pool(login, "ledger", size=1)) as pool, pool.connection() as connection:
        yield connection


@pytest.mark.parametrize(
    "connect",
    [store, data_keys, leadership, sealer, migrations, terminal],
    ids=lambda kind: kind.__name__,
)
def test_server_notices_a_vanished_client_of_this_connection(
    database: Database, connect: Connect
) -> None:
    with connect(database) as connection, connection.cursor() as cursor:
        for name, expected in SHOWN.items():
            assert shown(cursor, name) == expected


def test_service_may_not_leave_a_transaction_open_for_long(database: Database) -> None:
    with store(database) as connection, connection.cursor() as cursor:
        assert shown(cursor, "idle_in_transaction_session_timeout") == "30s"
    with terminal(database) as connection, connection.cursor() as cursor:
        assert shown(cursor, "idle_in_transaction_session_timeout") == "10min"


def test_statement_without_a_reply_is_given_up(database: Database) -> None:
    """As on a frozen machine; here it is the statement that ignores its own time limit."""
    info = connection_info(
        database.settings.database_url_of("ledger"), "ledger", statement_timeout_ms=1_000
    )
    with BoundedConnection.connect(info, autocommit=True) as connection:
        assert connection.patience_s == 6.0
        connection.patience_s = 0.5
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT pg_sleep(20)")
        assert connection.closed


def test_pool_replaces_a_connection_that_was_given_up(database: Database) -> None:
    pool: ConnectionPool[Any] = database.store("ledger").pool
    with pytest.raises(psycopg.OperationalError):
        sleep_in(pool)
    eventually(lambda: answers(pool), "the pool has another connection")


def sleep_in(pool: ConnectionPool[Any]) -> None:
    with pool.connection() as connection:
        connection.patience_s = 0.5
        connection.execute("SELECT pg_sleep(20)")


def answers(pool: ConnectionPool[Any]) -> bool:
    with pool.connection() as connection:
        return connection.execute("SELECT 1").fetchone() is not None


def shown(cursor: Any, name: str) -> str:
    row = cursor.execute(f"SHOW {name}").fetchone()
    return str(row[name] if isinstance(row, dict) else row[0])


def test_beat_of_a_leader_never_comes_between_the_parts_of_a_pipeline(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """psycopg sent it by the rules of a pipeline that had just ended: the connection was lost."""
    close, beats = psycopg.Pipeline.__exit__, list[threading.Thread]()
    url = database.settings.database_url_of("ledger")
    with BoundedConnection.connect(url, autocommit=True, row_factory=dict_row) as connection:

        def close_and_beat(pipeline: psycopg.Pipeline, *error: Any) -> None:
            close(pipeline, *error)
            connection.used_at = float("-inf")
            beat = threading.Thread(target=liveness._beat, args=(connection, ended), daemon=True)
            beat.start()
            beat.join(0.2)
            beats.append(beat)

        ended = threading.Event()
        monkeypatch.setattr(psycopg.Pipeline, "__exit__", close_and_beat)
        with connection.cursor() as cursor:
            with connection.pipeline():
                cursor.execute("SELECT 10 AS number")
            assert cursor.fetchone() == {"number": 10}
        assert connection.execute("SELECT 20 AS number").fetchone() == {"number": 20}
        ended.set()
        [beat] = beats
        beat.join(10)
        assert not beat.is_alive()


def test_idle_connections_are_returned(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.database.IDLE_CONNECTION_S", 0.2)
    url = database.settings.database_url_of("ledger")
    for kept in (0, 1):
        with closing(open_pool(url, "ledger", size=4, kept=kept)) as pool:
            with pool.connection(), pool.connection(), pool.connection():
                # It makes one more at times, for somebody who is served by another meanwhile.
                assert pool.get_stats()["pool_size"] in (3, 4)
            eventually(
                lambda pool=pool, kept=kept: pool.get_stats()["pool_size"] == kept,
                f"{kept} connections left",
            )
            with pool.connection() as connection:
                assert connection.execute("SELECT 1").fetchone()


def test_connections_of_a_rush_are_returned_together(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one of them each time that the pool looks."""
    looks_s = 1.0
    monkeypatch.setattr("shared.database.IDLE_CONNECTION_S", looks_s)
    url = database.settings.database_url_of("ledger")
    with closing(open_pool(url, "ledger", size=8)) as pool:
        with ExitStack() as rush:
            for _ in range(8):
                rush.enter_context(pool.connection())
        seen = set[int]()

        def left() -> int:
            seen.add(size := pool.get_stats()["pool_size"])
            return size

        eventually(lambda: left() == 1, "one connection left")
        assert len(seen) < 4, "each look closes one"
        with pool.connection() as connection:
            assert connection.execute("SELECT 1").fetchone()


def test_the_connection_that_was_used_last_is_given_out(database: Database) -> None:
    with closing(open_pool(database.settings.database_url_of("ledger"), "ledger", size=3)) as pool:
        taken = [pool.getconn() for _ in range(3)]
        order = [taken[1], taken[2], taken[0]]
        for connection in order:
            pool.putconn(connection)
        for _ in range(3):
            with pool.connection() as connection:
                assert connection is order[-1]
        assert [pool.getconn() for _ in range(3)] == order[::-1]
        for connection in taken:
            pool.putconn(connection)
