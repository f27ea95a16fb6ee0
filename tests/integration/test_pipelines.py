"""Pipelines on a real PostgreSQL: what a caller learns of a statement that failed in one."""

from __future__ import annotations

import select
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from services.ledger.application import OpenAccount, open_account
from shared import context
from shared.database import in_transaction, open_pool
from tests.conftest import Database, role_of

pytestmark = pytest.mark.nodes

ANSWERED_WITHIN_S = 5.0


def test_the_first_error_is_raised_and_not_what_followed_from_it(database: Database) -> None:
    """The COMMIT is sent when the error is there already: the server skips it."""
    url = database.settings.database_url_of("ledger")
    with open_pool(url, "ledger", size=1) as pool:
        for turn in range(3):
            with pytest.raises(psycopg.errors.DivisionByZero):
                fail_in_a_pipeline(pool)
            with pool.connection() as connection:
                assert connection.execute("SELECT 1 AS one").fetchone() == {"one": 1}, turn


def fail_in_a_pipeline(pool: Any) -> None:
    together = ExitStack()
    with in_transaction(pool, None, together) as connection:
        together.enter_context(connection.pipeline())
        connection.execute("SELECT 1 / 0")
        readable, _, _ = select.select([connection.fileno()], [], [], ANSWERED_WITHIN_S)
        assert readable


def test_a_look_that_is_refused_says_why_and_keeps_its_connection(database: Database) -> None:
    """It goes with the BEGIN that tells whether a connection is alive: this one is."""
    store = database.store("ledger", pool_size=1)
    with store.pool.connection() as connection:
        alive = connection.info.backend_pid
    with database.owner("ledger") as owner:
        owner.execute(f"REVOKE SELECT ON commands FROM {role_of('ledger')}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege), context.bind(command_id=uuid4()):
        store.execute(open_account, OpenAccount(number="0100000001", payer_kind="household"))
    with store.pool.connection() as connection:
        assert connection.info.backend_pid == alive
