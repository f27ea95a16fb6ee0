"""Commands meet a PostgreSQL that stops, refuses to write, has no connection or no room left.

Each is answered Unavailable, never as a defect, and after the outage the same command id finds what
was done. The server is a real one of this file.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from services.discovery import open_store
from services.ledger.application import (
    OpenAccount,
    PaidLine,
    PostPayment,
    open_account,
    post_payment,
)
from services.ledger.domain.events import ServiceAmount
from services.ledger.group_commit import ledger_group_commit
from shared import context
from shared.config import Settings
from shared.errors import Unavailable
from shared.eventstore.postgres import PostgresStore
from tests.faults.private_postgres import PrivatePostgres
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

NUMBER = "0100000001"
DEADLINE_S = 15.0
"""Within this a command has its answer, whatever the server does."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivatePostgres]:
    made = PrivatePostgres(tmp_path_factory.mktemp("outages"))
    made.start()
    made.migrate(made.settings(), ["ledger"])
    yield made
    made.stop()


@pytest.fixture
def settings(server: PrivatePostgres) -> Settings:
    return server.settings()


@pytest.fixture
def store(server: PrivatePostgres, settings: Settings) -> Iterator[PostgresStore]:
    opened = open_store("ledger", settings, pool_size=4)
    with context.bind(command_id=UUID(int=1)):
        opened.execute(
            open_account,
            OpenAccount(
                number=NUMBER,
                payer_kind="household",
                opening=(ServiceAmount("heating", 450_000_00),),
            ),
        )
    yield opened
    opened.close()


def payment() -> PostPayment:
    line = PaidLine(account=NUMBER, amount=100, penalty=0)
    return PostPayment(payment_id=uuid4(), paid_on=date(2026, 11, 1), lines=(line,))


Execute = Callable[..., Any]


@pytest.fixture(params=["alone", "in a group"])
def execute(request: pytest.FixtureRequest, store: PostgresStore) -> Execute:
    """How a command is executed: by the store, or by the group commit."""
    return store.execute if request.param == "alone" else ledger_group_commit(store).execute


def pay(execute: Execute, command: PostPayment, command_id: UUID) -> Any:
    with context.bind(command_id=command_id):
        return execute(post_payment, command)


def is_refused(execute: Execute) -> str:
    """Return the code with which a new command is refused, within its deadline."""
    began = time.monotonic()
    with pytest.raises(Unavailable) as refused:
        pay(execute, payment(), uuid4())
    assert time.monotonic() - began < DEADLINE_S
    return refused.value.code


def times_recorded(store: PostgresStore, command_id: UUID) -> int:
    with store.transaction() as cursor:
        cursor.execute("SELECT count(*) AS n FROM events WHERE command_id = %s", (command_id,))
        return int(cursor.fetchone()["n"])


def test_server_that_stops_under_load_is_unavailable_and_nothing_is_done_twice(
    server: PrivatePostgres, store: PostgresStore, execute: Execute
) -> None:
    done: dict[UUID, PostPayment] = {}
    unknown: dict[UUID, PostPayment] = {}
    others: list[BaseException] = []
    ends = threading.Event()

    def client() -> None:
        while not ends.is_set():
            command, command_id = payment(), uuid4()
            try:
                pay(execute, command, command_id)
            except Unavailable:
                unknown[command_id] = command
            except BaseException as error:  # noqa: BLE001 - the test names it
                others.append(error)
            else:
                done[command_id] = command

    clients = [threading.Thread(target=client, daemon=True) for _ in range(6)]
    for thread in clients:
        thread.start()
    eventually(lambda: len(done) > 30, "payments are posted")
    server.stop()
    eventually(lambda: len(unknown) > 2 or others, "commands are refused")
    server.start()
    posted = len(done)
    eventually(lambda: len(done) > posted + 30 or others, "payments are posted again")
    ends.set()
    for thread in clients:
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
    assert others == []
    for command_id, command in unknown.items():
        pay(execute, command, command_id)
    for command_id in [*done, *unknown]:
        assert times_recorded(store, command_id) == 1


def test_no_command_fails_once_the_server_answers_again(
    server: PrivatePostgres,
    store: PostgresStore,
    execute: Execute,
    record_property: Callable[[str, object], None],
) -> None:
    for _ in range(5):
        pay(execute, payment(), uuid4())
    server.stop(signal.SIGQUIT)  # at once, as in a crash
    is_refused(execute)
    server.start()
    began = time.monotonic()
    for _ in range(5):
        pay(execute, payment(), uuid4())
    seconds = time.monotonic() - began
    record_property("measured", f"first five commands after a restart: {seconds:.2f} s")


def test_server_that_is_read_only_is_unavailable(
    server: PrivatePostgres, store: PostgresStore, execute: Execute
) -> None:
    pay(execute, payment(), uuid4())
    _set(server, "default_transaction_read_only", "on")
    try:
        eventually(lambda: _shows(store, "transaction_read_only") == "on", "it is read-only")
        assert is_refused(execute) == "database_unavailable"
        assert store.query(lambda session: session.read.balance(NUMBER)) is not None
    finally:
        _set(server, "default_transaction_read_only", "off")
    eventually(lambda: _shows(store, "transaction_read_only") == "off", "it is written to again")
    pay(execute, payment(), uuid4())


def test_server_without_a_free_connection_is_unavailable(
    server: PrivatePostgres, store: PostgresStore, settings: Settings
) -> None:
    role = "saldo_ledger"
    with psycopg.connect(server.url, autocommit=True) as owner:
        owner.execute(f"ALTER ROLE {role} CONNECTION LIMIT 0")
        try:
            late = open_store("ledger", settings, pool_size=2)
            assert is_refused(late.execute) == "database_unavailable"
            with pytest.raises(Unavailable):
                late.query(lambda session: session.read.balance(NUMBER))
            late.close()
        finally:
            owner.execute(f"ALTER ROLE {role} CONNECTION LIMIT -1")


def test_paused_server_holds_no_caller_for_ever(
    server: PrivatePostgres, store: PostgresStore, execute: Execute
) -> None:
    command, command_id = payment(), uuid4()
    pay(execute, payment(), uuid4())
    answers: list[BaseException | None] = []

    def client() -> None:
        try:
            pay(execute, command, command_id)
        except BaseException as error:  # noqa: BLE001 - the test names it
            answers.append(error)
        else:
            answers.append(None)

    with server.paused():
        waiting = threading.Thread(target=client, daemon=True)
        waiting.start()
        waiting.join(60)
        assert not waiting.is_alive()
    assert [type(answer) for answer in answers] == [Unavailable]
    eventually(server.answers, "it goes on")
    pay(execute, command, command_id)
    assert times_recorded(store, command_id) == 1


def _set(server: PrivatePostgres, name: str, value: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as owner:
        owner.execute("SET transaction_read_only = off")
        owner.execute(f"ALTER ROLE saldo_ledger SET {name} = {value}")
        owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'saldo_ledger'"
        )


def _shows(store: PostgresStore, name: str) -> str:
    """Return a setting of the server; "" while the pool replaces its connections."""
    try:
        with store.transaction() as cursor:
            return str(cursor.execute(f"SHOW {name}").fetchone()[name])
    except psycopg.OperationalError:
        return ""
