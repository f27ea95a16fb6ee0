"""A process that is stopped while it holds the turn to append blocks the others for seconds."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from deploy.embedded.surroundings import REPOSITORY
from services.ledger.application import (
    OpenAccount,
    PaidLine,
    PostPayment,
    open_account,
    post_payment,
)
from services.ledger.domain.events import ServiceAmount
from shared import context
from shared.database_errors import Failure, failure_of
from shared.errors import Unavailable
from shared.eventstore.append_lock import hold_log_for
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database

pytestmark = pytest.mark.nodes

NUMBER = "0100000001"
AGAIN_WITHIN_S = 5.0
"""Within this after the stop others append again."""


@pytest.fixture
def store(database: Database) -> PostgresStore:
    opened = database.store("ledger")
    opening = (ServiceAmount("heating", 450_000),)
    opened.execute(
        open_account, OpenAccount(number=NUMBER, payer_kind="household", opening=opening)
    )
    return opened


@pytest.fixture
def appender(database: Database, store: PostgresStore) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.stopping_appender"],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def payment() -> PostPayment:
    line = PaidLine(account=NUMBER, amount=100, penalty=0)
    return PostPayment(payment_id=uuid4(), paid_on=date(2026, 11, 1), lines=(line,))


def append_again_and_again(store: PostgresStore) -> float:
    """Repeat a payment until it is posted, as a client does; return the seconds that it took."""
    began = time.monotonic()
    with context.bind(command_id=uuid4()):
        command = payment()
        while True:
            try:
                store.execute(post_payment, command)
            except Unavailable:
                assert time.monotonic() - began < 60
            else:
                return time.monotonic() - began


def test_stopped_process_gives_up_its_turn_and_learns_it(
    database: Database, store: PostgresStore, appender: subprocess.Popen[str]
) -> None:
    assert appender.stdin is not None
    assert appender.stdout is not None
    command_id = uuid4()
    given = {
        "urls": database.settings.database_urls,
        "account": NUMBER,
        "command_id": str(command_id),
        "payment_id": str(uuid4()),
    }
    appender.stdin.write(json.dumps(given) + "\n")
    appender.stdin.flush()
    assert appender.stdout.readline() == "holding\n"
    appender.send_signal(signal.SIGSTOP)
    assert append_again_and_again(store) < AGAIN_WITHIN_S
    appender.stdin.write("\n")
    appender.stdin.flush()
    appender.send_signal(signal.SIGCONT)
    done = json.loads(next(line for line in appender.stdout if line.startswith("{")))
    assert done["attempts"] == 2
    assert done["result"]["posted"] == [NUMBER]
    assert causes(store).count(command_id) == 1


def causes(store: PostgresStore) -> list[UUID]:
    return [logged.command_id for logged in store.log_after(0, 1000)]


def test_group_that_is_stopped_between_lock_and_commit_gives_up_its_turn(
    store: PostgresStore,
) -> None:
    """What it has sent without the end of the pipeline leaves the server waiting, not idle."""
    with store.pool.connection() as connection, connection.cursor() as cursor:
        connection.autocommit = True
        taken: list[float] = []
        with pytest.raises(psycopg.Error) as ended, connection.pipeline():
            stop_in_a_pipeline(cursor, store, taken)
        assert failure_of(ended.value) is Failure.UNAVAILABLE
    assert taken[0] < AGAIN_WITHIN_S


def stop_in_a_pipeline(cursor: Any, store: PostgresStore, taken: list[float]) -> None:
    store.recorder.group_append.lock(cursor)
    connection = cursor.connection
    connection.execute("SELECT 1")
    connection.pgconn.send_flush_request()
    connection.pgconn.flush()
    taken.append(append_again_and_again(store))
    connection.execute("SELECT 1")


def test_a_job_that_says_so_holds_its_turn_longer(store: PostgresStore) -> None:
    with store.transaction() as cursor:
        hold_log_for(cursor, "60s")
        store.recorder.lock(cursor)
        assert shown(cursor) == ["1min", "1min"]
    with store.transaction() as cursor:
        assert shown(cursor) == ["30s", "0"]
        store.recorder.lock_tail(cursor)
        assert shown(cursor) == ["4s", "30s"]


def shown(cursor: Any) -> list[str]:
    names = ("idle_in_transaction_session_timeout", "transaction_timeout")
    return [next(iter(cursor.execute(f"SHOW {name}").fetchone().values())) for name in names]
