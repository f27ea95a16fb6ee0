"""Group commit on a real PostgreSQL: shared transactions, separate outcomes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from services.ledger.application import (
    OpenAccount,
    PaidLine,
    PostPayment,
    open_account,
    post_payment,
)
from services.ledger.audit import audit
from services.ledger.desk import posting_desk
from services.ledger.events import ServiceAmount
from shared import context
from shared.errors import Conflict, NotFound
from shared.eventstore.deciding import Stage
from shared.eventstore.grouping import GroupCommit
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.recorder import Tail
from tests.conftest import Database

NUMBERS = [f"01000000{index:02}" for index in range(1, 11)]
OWED = 1_000_000


@pytest.fixture
def store(database: Database) -> PostgresStore:
    made = database.store("ledger", pool_size=4)
    for number in NUMBERS:
        opening = (ServiceAmount("heating", OWED),)
        with context.bind(command_id=uuid4()):
            made.execute(
                open_account, OpenAccount(number=number, payer_kind="household", opening=opening)
            )
    return made


def payment(number: str, amount: int = 100, payment_id: UUID | None = None) -> PostPayment:
    line = PaidLine(account=number, amount=amount, penalty=0)
    return PostPayment(payment_id=payment_id or uuid4(), paid_on=date(2026, 11, 1), lines=(line,))


def at_once(works: list[Callable[[], Any]]) -> list[Any]:
    """Run all at once; answer results and exceptions in order."""
    results: list[Any] = [None] * len(works)
    ready = threading.Barrier(len(works))

    def run(index: int) -> None:
        ready.wait()
        try:
            results[index] = works[index]()
        except Exception as error:  # noqa: BLE001 - handed to the test
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def pay(desk: GroupCommit, command: PostPayment, command_id: UUID | None = None) -> Any:
    with context.bind(command_id=command_id or uuid4(), actor="staff:desk"):
        return desk.execute(post_payment, command)


def balances(store: PostgresStore) -> dict[str, int]:
    rows = store.query(lambda session: session.read.balances(NUMBERS))
    return {row["number"]: row["principal"] for row in rows}


def test_many_callers_share_transactions_and_each_gets_its_answer(store: PostgresStore) -> None:
    desk, transactions = posting_desk(store), counting(store)
    commands = [payment(NUMBERS[index % 10]) for index in range(200)]
    results = at_once([lambda c=c: pay(desk, c) for c in commands])  # type: ignore[misc]
    assert [result["payment_id"] for result in results] == [str(c.payment_id) for c in commands]
    assert balances(store) == dict.fromkeys(NUMBERS, OWED - 20 * 100)
    assert len(transactions) < 100
    log = store.log_after(10, 1_000)
    assert len({event.command_id for event in log}) == len(log) == 200
    assert audit(store).differences == []


def test_a_refused_command_leaves_nothing_and_harms_nobody(store: PostgresStore) -> None:
    desk = posting_desk(store)

    def half(session: Any, command: PostPayment) -> Any:
        post_payment(session, command)
        raise Conflict("no", "Refused after it had let an event happen.")

    def refused(command: PostPayment) -> Any:
        with context.bind(command_id=uuid4()):
            return desk.execute(half, command)

    works: list[Callable[[], Any]] = []
    for index in range(60):
        command = payment(NUMBERS[0])
        works.append(
            (lambda c=command: refused(c)) if index % 3 == 0 else (lambda c=command: pay(desk, c))
        )
    unknown = payment("999")
    works.append(lambda: pay(desk, unknown))
    results = at_once(works)
    assert [type(result) for result in results[:60:3]] == [Conflict] * 20
    assert type(results[-1]) is NotFound
    assert sum(isinstance(result, dict) for result in results) == 40
    assert balances(store)[NUMBERS[0]] == OWED - 40 * 100
    assert audit(store).differences == []


def test_one_command_sent_many_times_at_once_is_done_once(store: PostgresStore) -> None:
    desk, command, command_id = posting_desk(store), payment(NUMBERS[0]), uuid4()
    results = at_once([lambda: pay(desk, command, command_id) for _ in range(20)])
    assert results == [{"payment_id": str(command.payment_id), "posted": [NUMBERS[0]]}] * 20
    other = payment(NUMBERS[0])
    with pytest.raises(Conflict, match="another command"):
        pay(desk, other, command_id)
    assert balances(store)[NUMBERS[0]] == OWED - 100


def test_one_payment_under_many_commands_is_posted_once(store: PostgresStore) -> None:
    desk, payment_id = posting_desk(store), uuid4()
    commands = [payment(NUMBERS[0], 100, payment_id) for _ in range(10)]
    results = at_once([lambda c=c: pay(desk, c) for c in commands])  # type: ignore[misc]
    assert sorted(len(result["posted"]) for result in results) == [0] * 9 + [1]
    assert pay(desk, payment(NUMBERS[0], 100, payment_id))["posted"] == []
    assert balances(store)[NUMBERS[0]] == OWED - 100


@pytest.mark.parametrize("committed", [True, False])
def test_a_crash_in_between_leaves_each_absent_or_done_once(
    store: PostgresStore, committed: bool
) -> None:
    """The shared transaction is lost before its commit, or its answer after it."""
    desk, lost = posting_desk(store), list[int]()
    keep, give_connection = store.keep_commands, desk._connection

    def die_before(cursor: Any, rows: Any) -> None:
        if not lost and not committed:
            lost.append(1)
            with psycopg.connect(store.pool.conninfo, autocommit=True) as killer:
                pid = cursor.connection.info.backend_pid
                killer.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
        keep(cursor, rows)

    @contextmanager
    def die_after(stage: Stage) -> Iterator[Any]:
        with give_connection(stage) as connection:
            yield connection
        if stage is Stage.WRITE and not lost:
            lost.append(1)
            raise psycopg.OperationalError("the connection is lost after COMMIT")

    store.keep_commands = die_before  # type: ignore[method-assign]
    desk._connection = die_after  # type: ignore[method-assign]
    commands = [payment(NUMBERS[index % 10]) for index in range(30)]
    results = at_once([lambda c=c: pay(desk, c) for c in commands])  # type: ignore[misc]
    assert lost
    assert [result["payment_id"] for result in results] == [str(c.payment_id) for c in commands]
    assert balances(store) == dict.fromkeys(NUMBERS, OWED - 3 * 100)
    assert audit(store).differences == []


def test_a_lone_command_is_carried_out_by_its_own_thread(store: PostgresStore) -> None:
    desk, threads = posting_desk(store), set()

    def noting(session: Any, command: PostPayment) -> Any:
        threads.add(threading.current_thread())
        return post_payment(session, command)

    for _ in range(5):
        with context.bind(command_id=uuid4()):
            desk.execute(noting, payment(NUMBERS[0]))
    assert threads == {threading.current_thread()}


def test_two_processes_worth_of_desks_do_not_lose_each_other_s_work(database: Database) -> None:
    first, second = database.store("ledger"), database.store("ledger")
    with context.bind(command_id=uuid4()):
        first.execute(
            open_account,
            OpenAccount(
                number=NUMBERS[0],
                payer_kind="household",
                opening=(ServiceAmount("heating", OWED),),
            ),
        )
    desks = (posting_desk(first), posting_desk(second))
    works: list[Callable[[], Any]] = [
        lambda index=index: pay(desks[index % 2], payment(NUMBERS[0])) for index in range(60)
    ]
    results = at_once(works)
    assert all(isinstance(result, dict) for result in results)
    row = first.query(lambda session: session.read.balance(NUMBERS[0]))
    assert row["principal"] == OWED - 60 * 100
    assert audit(first).differences == []


def counting(store: PostgresStore) -> list[int]:
    original, count = store.recorder.turn, list[int]()

    def counted(cursor: Any, *, begin: bool = False) -> Tail:
        count.append(1)
        return original(cursor, begin=begin)

    store.recorder.turn = counted  # type: ignore[method-assign]
    return count
