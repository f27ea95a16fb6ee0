"""A pooled connection is checked by the BEGIN of the transaction that it is taken for."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

from services.ledger.application import PaidLine, PostPayment, post_payment
from shared import context
from shared.database import in_transaction, snapshot_cursor
from tests.conftest import Database, role_of
from tests.integration.bus_ends import NUMBER, open_one, pay

pytestmark = pytest.mark.nodes


@pytest.fixture
def pool(database: Database) -> ConnectionPool[Any]:
    found: ConnectionPool[Any] = database.store("ledger").pool
    return found


def end_all(database: Database) -> None:
    with database.owner("ledger") as owner:
        owner.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s",
            (role_of("ledger"),),
        )


def pid(cursor: Any) -> int:
    row = cursor.execute("SELECT pg_backend_pid() AS pid").fetchone()
    return int(row["pid"])


def test_connection_that_has_died_in_the_pool_costs_no_command(
    database: Database, pool: ConnectionPool[Any]
) -> None:
    with in_transaction(pool) as connection:
        dead = pid(connection)
    end_all(database)
    with in_transaction(pool) as connection:
        assert pid(connection) != dead
    end_all(database)
    with snapshot_cursor(pool) as cursor:
        assert pid(cursor) != dead


def test_look_is_one_statement_and_costs_no_outage_when_the_pool_is_dead(
    database: Database,
) -> None:
    store = database.store("ledger")
    assert store.look(lambda session: pid(session.cursor)) > 0
    end_all(database)
    assert store.look(lambda session: pid(session.cursor)) > 0
    with in_transaction(store.pool) as connection:
        assert connection.info.transaction_status == TransactionStatus.INTRANS


def test_mode_of_a_transaction_is_its_own(pool: ConnectionPool[Any]) -> None:
    with snapshot_cursor(pool) as cursor:
        mode = cursor.execute("SHOW transaction_isolation").fetchone()
        assert mode["transaction_isolation"] == "repeatable read"
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            cursor.execute("DELETE FROM positions")
    with in_transaction(pool) as connection:
        mode = connection.execute("SHOW transaction_isolation").fetchone()
        assert mode["transaction_isolation"] == "read committed"
        connection.execute("DELETE FROM positions")


def test_error_in_a_transaction_rolls_it_back(pool: ConnectionPool[Any]) -> None:
    with pytest.raises(RuntimeError):
        fail_after_an_insert(pool)
    with in_transaction(pool) as connection:
        assert connection.execute("SELECT FROM positions").fetchone() is None


def fail_after_an_insert(pool: ConnectionPool[Any]) -> None:
    with in_transaction(pool) as connection:
        connection.execute("INSERT INTO positions (upstream, position) VALUES ('payments', 1)")
        raise RuntimeError


def test_command_that_is_overtaken_is_decided_again_and_leaves_its_connection_clean(
    database: Database,
) -> None:
    """Its events and rows go together: the answer about the version comes after all of them."""
    ledger, other = database.store("ledger"), database.store("ledger")
    open_one(ledger)
    attempts: list[dict[str, Any]] = []

    def overtaken(session: Any, command: PostPayment) -> Any:
        result = post_payment(session, command)
        if not attempts:
            pay(other, 1)
        attempts.append(result)
        return result

    line = PaidLine(account=NUMBER, amount=100, penalty=0)
    command = PostPayment(payment_id=uuid4(), paid_on=date(2026, 11, 1), lines=(line,))
    with context.bind(command_id=uuid4()):
        ledger.execute(overtaken, command)
    assert len(attempts) == 2
    assert [row.id for row in ledger.log_after(0, 10)] == [1, 2, 3]
    [posted] = ledger.query(
        lambda session: session.cursor.execute("SELECT count(*) FROM payment_postings").fetchall()
    )
    assert posted["count"] == 2
    for _ in range(ledger.pool.max_size):
        with ledger.pool.connection() as connection:
            assert connection.info.transaction_status == TransactionStatus.IDLE
            assert not connection.autocommit
