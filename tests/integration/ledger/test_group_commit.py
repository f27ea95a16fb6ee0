"""Group commit on a real PostgreSQL: shared transactions, separate outcomes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
from psycopg.types.json import Jsonb

from services.ledger.application import (
    OpenAccount,
    PaidLine,
    PostPayment,
    open_account,
    post_payment,
)
from services.ledger.corrections import Reject
from services.ledger.domain.events import ServiceAmount
from services.ledger.group_commit import ledger_group_commit
from services.ledger.replay.audit import audit
from shared import context
from shared.errors import Conflict, NotFound, Unavailable
from shared.eventstore import group_commit, postgres
from shared.eventstore.batch_decision import PendingCommand, Stage
from shared.eventstore.events import UnknownTopicError
from shared.eventstore.group_commit import GroupCommit
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database
from tests.waiting import eventually

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
    """Run all at once; return results and exceptions in order."""
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


def pay(group: GroupCommit, command: PostPayment, command_id: UUID | None = None) -> Any:
    with context.bind(command_id=command_id or uuid4(), actor="staff:cashier"):
        return group.execute(post_payment, command)


def balances(store: PostgresStore) -> dict[str, int]:
    rows = store.query(lambda session: session.read.balances(NUMBERS))
    return {row["number"]: row["principal"] for row in rows}


def test_many_callers_share_transactions_and_each_gets_its_result(store: PostgresStore) -> None:
    group, transactions = ledger_group_commit(store), counting(store)
    commands = [payment(NUMBERS[index % 10]) for index in range(200)]
    results = at_once([lambda c=c: pay(group, c) for c in commands])  # type: ignore[misc]
    assert [result["payment_id"] for result in results] == [str(c.payment_id) for c in commands]
    assert balances(store) == dict.fromkeys(NUMBERS, OWED - 20 * 100)
    assert len(transactions) < 100
    log = store.log_after(10, 1_000)
    assert len({event.command_id for event in log}) == len(log) == 200
    assert audit(store).differences == []


def test_a_refused_command_changes_nothing_and_harms_no_other(store: PostgresStore) -> None:
    group = ledger_group_commit(store)

    def half(session: Any, command: PostPayment) -> Any:
        post_payment(session, command)
        raise Conflict("no", "Refused after it had triggered an event.")

    def refused(command: PostPayment) -> Any:
        with context.bind(command_id=uuid4()):
            return group.execute(half, command)

    works: list[Callable[[], Any]] = []
    for index in range(60):
        command = payment(NUMBERS[0])
        works.append(
            (lambda c=command: refused(c)) if index % 3 == 0 else (lambda c=command: pay(group, c))
        )
    unknown = payment("999")
    works.append(lambda: pay(group, unknown))
    results = at_once(works)
    assert [type(result) for result in results[:60:3]] == [Conflict] * 20
    assert type(results[-1]) is NotFound
    assert sum(isinstance(result, dict) for result in results) == 40
    assert balances(store)[NUMBERS[0]] == OWED - 40 * 100
    assert audit(store).differences == []


def test_one_command_sent_many_times_at_once_is_done_once(store: PostgresStore) -> None:
    group, command, command_id = ledger_group_commit(store), payment(NUMBERS[0]), uuid4()
    results = at_once([lambda: pay(group, command, command_id) for _ in range(20)])
    assert results == [{"payment_id": str(command.payment_id), "posted": [NUMBERS[0]]}] * 20
    other = payment(NUMBERS[0])
    with pytest.raises(Conflict, match="another command"):
        pay(group, other, command_id)
    assert balances(store)[NUMBERS[0]] == OWED - 100


def test_one_payment_under_many_commands_is_posted_once(store: PostgresStore) -> None:
    group, payment_id = ledger_group_commit(store), uuid4()
    commands = [payment(NUMBERS[0], 100, payment_id) for _ in range(10)]
    results = at_once([lambda c=c: pay(group, c) for c in commands])  # type: ignore[misc]
    assert sorted(len(result["posted"]) for result in results) == [0] * 9 + [1]
    assert pay(group, payment(NUMBERS[0], 100, payment_id))["posted"] == []
    assert balances(store)[NUMBERS[0]] == OWED - 100


def test_one_payment_with_another_sum_is_a_conflict(store: PostgresStore) -> None:
    group, payment_id = ledger_group_commit(store), uuid4()
    pay(group, payment(NUMBERS[0], 100, payment_id))
    with pytest.raises(Conflict, match="another day or sum: 1,00"):
        pay(group, payment(NUMBERS[0], 101, payment_id))
    both = [payment(NUMBERS[1], amount, payment_id) for amount in (100, 101)]
    results = at_once([lambda c=c: pay(group, c) for c in both])  # type: ignore[misc]
    assert sorted(type(result).__name__ for result in results) == ["Conflict", "dict"]
    assert balances(store)[NUMBERS[0]] == OWED - 100


@pytest.mark.parametrize("committed", [True, False])
def test_a_crash_in_between_leaves_each_absent_or_done_once(
    store: PostgresStore, committed: bool
) -> None:
    """The shared transaction is lost before its commit, or its reply after it."""
    group, lost = ledger_group_commit(store), list[int]()
    append, give_connection = store.append_group, group._connections.of

    def die_before(connection: Any, *what: Any) -> bool:
        if not lost and not committed:
            lost.append(1)
            with psycopg.connect(store.pool.conninfo, autocommit=True) as killer:
                pid = connection.info.backend_pid
                killer.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
        return append(connection, *what)

    @contextmanager
    def die_after(stage: Stage) -> Iterator[Any]:
        with give_connection(stage) as connection:
            yield connection
        if stage is Stage.WRITE and not lost:
            lost.append(1)
            raise psycopg.OperationalError("the connection is lost after COMMIT")

    store.append_group = die_before  # type: ignore[method-assign]
    group._connections.of = die_after  # type: ignore[method-assign]
    commands = [payment(NUMBERS[index % 10]) for index in range(30)]
    results = at_once([lambda c=c: pay(group, c) for c in commands])  # type: ignore[misc]
    assert lost
    assert [result["payment_id"] for result in results] == [str(c.payment_id) for c in commands]
    assert balances(store) == dict.fromkeys(NUMBERS, OWED - 3 * 100)
    assert audit(store).differences == []


def test_a_group_overtaken_by_another_process_is_decided_again(store: PostgresStore) -> None:
    """Between the reading and the writing of a group, another process takes its versions."""
    group, append, taken = ledger_group_commit(store), store.append_group, list[Any]()

    def late(connection: Any, decided: Any, arms: Any) -> bool:
        if not taken:
            # As another process does: it was in turn between this group's reading and writing.
            overtake(decided[0])
        return append(connection, decided, arms)

    def overtake(entry: PendingCommand) -> None:
        [(aggregate, version, event)] = entry.events
        id_, topic, state = aggregate.id, event.topic, store.events.encode(event)
        # The first id of all: of one day's payments the last by id is noted in the row, too.
        paid = msgspec.json.decode(state) | {"payment_id": str(UUID(int=1))}
        overtaking = (id_, version, topic, msgspec.json.encode(paid))
        with store.transaction() as cursor:
            taken.extend(store.recorder.append(cursor, [overtaking], [entry.cause])[0])
            cursor.execute(
                "UPDATE balances SET version = version + 1, principal = principal - 100, "
                "open_items = json_build_object('0001-01', json_build_object("
                "'heating', principal - 100)) WHERE account_id = %s",
                (id_,),
            )
            cursor.execute(
                "INSERT INTO payment_postings VALUES (%s, %s, %s, 100, 0, %s)",
                (paid["payment_id"], paid["account"], taken[0], Jsonb(paid["allocation"])),
            )

    store.append_group = late  # type: ignore[method-assign]
    results = at_once([lambda: pay(group, payment(NUMBERS[0])) for _ in range(10)])
    assert taken
    assert all(result["posted"] == [NUMBERS[0]] for result in results)
    assert balances(store)[NUMBERS[0]] == OWED - 11 * 100
    assert audit(store).differences == []


def test_a_group_steps_back_with_a_log_that_was_ahead_of_the_clock(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, lock_tail = ledger_group_commit(store), store.recorder.lock_tail
    ahead = datetime(2030, 1, 1, tzinfo=UTC)
    with monkeypatch.context() as jump:
        jump.setattr(
            store.recorder,
            "lock_tail",
            lambda cursor, **options: lock_tail(cursor, **options)._replace(recorded_at=ahead),
        )
        with context.bind(command_id=uuid4()):
            store.execute(open_account, OpenAccount(number="02", payer_kind="household"))
    results = at_once([lambda: pay(group, payment(NUMBERS[0])) for _ in range(10)])
    assert all(result["posted"] == [NUMBERS[0]] for result in results)
    times = [logged.recorded_at for logged in store.log_after(10, 1_000)]
    assert times[0] == ahead
    assert max(times[1:]) < ahead
    assert times[1:] == sorted(times[1:])
    assert audit(store).differences == []


def test_a_group_of_a_process_whose_clock_is_days_ahead_records_nothing(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = ledger_group_commit(store)
    ahead = datetime.now(UTC) + timedelta(days=2)
    with monkeypatch.context() as patch:
        patch.setattr(postgres, "wall_time", lambda: ahead)
        results = at_once([lambda: pay(group, payment(NUMBERS[0])) for _ in range(10)])
    assert [type(result) for result in results] == [Unavailable] * 10
    assert balances(store)[NUMBERS[0]] == OWED
    assert pay(group, payment(NUMBERS[0]))["posted"] == [NUMBERS[0]]
    assert audit(store).differences == []


def test_a_group_whose_connections_died_just_now_is_done_once(store: PostgresStore) -> None:
    group = ledger_group_commit(store)
    pay(group, payment(NUMBERS[0]))
    with psycopg.connect(store.pool.conninfo, autocommit=True) as killer:
        killer.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE usename = current_user AND pid <> pg_backend_pid()"
        )
    results = at_once([lambda: pay(group, payment(NUMBERS[0])) for _ in range(10)])
    assert all(result["posted"] == [NUMBERS[0]] for result in results)
    assert balances(store)[NUMBERS[0]] == OWED - 11 * 100
    assert audit(store).differences == []


def test_a_fault_of_one_command_reaches_its_caller_alone(store: PostgresStore) -> None:
    group = ledger_group_commit(store)

    def faulty(session: Any, command: PostPayment) -> Any:
        post_payment(session, command)
        raise ZeroDivisionError

    def fail() -> Any:
        with context.bind(command_id=uuid4()):
            return group.execute(faulty, payment(NUMBERS[1]))

    works: list[Callable[[], Any]] = [
        fail if index % 4 == 0 else (lambda: pay(group, payment(NUMBERS[1]))) for index in range(40)
    ]
    results = at_once(works)
    assert [type(result) for result in results[::4]] == [ZeroDivisionError] * 10
    assert balances(store)[NUMBERS[1]] == OWED - 30 * 100
    assert audit(store).differences == []


def test_a_row_that_cannot_be_read_harms_no_caller_of_another(store: PostgresStore) -> None:
    """Not even the one who reads for all."""
    group = ledger_group_commit(store)
    with store.transaction() as cursor:
        cursor.execute(
            'UPDATE balances SET due_dates = \'{"0001-01":"damaged"}\' WHERE number = %s',
            (NUMBERS[1],),
        )
    works = [
        lambda n=NUMBERS[1] if index % 4 == 3 else NUMBERS[0]: pay(group, payment(n))  # type: ignore[misc]
        for index in range(40)
    ]
    results = at_once(works)
    assert [type(result) for result in results[3::4]] == [ValueError] * 10
    others = [result for index, result in enumerate(results) if index % 4 != 3]
    assert [result for result in others if not isinstance(result, dict)] == []
    assert balances(store)[NUMBERS[0]] == OWED - 30 * 100


def test_what_cannot_be_decided_again_harms_no_caller_who_is_done(store: PostgresStore) -> None:
    """An older process meets a payment of a newer version, where a neighbour was refused."""
    group = ledger_group_commit(store)

    def recall(*_: Any) -> None:
        raise UnknownTopicError("ledger.payment_posted.v9")

    group._policy.recall = recall  # type: ignore[method-assign]
    works = [
        lambda n="999" if index % 4 == 3 else NUMBERS[0]: pay(group, payment(n))  # type: ignore[misc]
        for index in range(40)
    ]
    results = at_once(works)
    assert [type(result) for result in results[3::4]] == [NotFound] * 10
    others = [result for index, result in enumerate(results) if index % 4 != 3]
    assert [result for result in others if not isinstance(result, dict)] == []
    assert balances(store)[NUMBERS[0]] == OWED - 30 * 100
    assert audit(store).differences == []


def test_a_caller_stopped_while_waiting_stops_no_other(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, hold, entered = ledger_group_commit(store), threading.Event(), threading.Event()
    results: dict[str, Any] = {}

    class Interrupted:
        """The lock of a caller that is killed at the moment when it is given a turn."""

        def __init__(self) -> None:
            self.lock = threading.Lock()
            self.lock.acquire()
            self.release = self.lock.release

        def acquire(self) -> None:
            self.lock.acquire()
            raise KeyboardInterrupt

    def slow(session: Any, command: PostPayment) -> Any:
        entered.set()
        hold.wait()
        return post_payment(session, command)

    def caller(name: str, handler: Any) -> threading.Thread:
        def run() -> None:
            try:
                with context.bind(command_id=uuid4()):
                    results[name] = group.execute(handler, payment(NUMBERS[2]))
            except KeyboardInterrupt:
                results[name] = "killed"

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    threads = [caller("slow", slow)]
    entered.wait()
    plain = group_commit.PendingCommand

    def killed(*parts: Any) -> PendingCommand:
        entry = plain(*parts)
        entry.wakeup = Interrupted()  # type: ignore[assignment]
        return entry

    monkeypatch.setattr(group_commit, "PendingCommand", killed)
    threads.append(caller("killed", post_payment))
    eventually(lambda: len(group._queue) == 1, "the second waits")
    monkeypatch.setattr(group_commit, "PendingCommand", plain)
    threads.append(caller("last", post_payment))
    eventually(lambda: len(group._queue) == 2, "the third waits behind it")
    hold.set()
    for thread in threads:
        thread.join()
    assert results["killed"] == "killed"
    assert results["slow"]["posted"] == results["last"]["posted"] == [NUMBERS[2]]
    assert pay(group, payment(NUMBERS[2]))["posted"] == [NUMBERS[2]]
    # The command of the one who was killed was in the queue: it is done, and once.
    assert balances(store)[NUMBERS[2]] == OWED - 4 * 100
    assert audit(store).differences == []


def test_a_command_without_group_commit_is_executed_by_the_store(
    store: PostgresStore,
) -> None:
    def ask(session: Any, command: Reject) -> str:
        return type(session).__name__

    with context.bind(command_id=uuid4()):
        command = Reject(proposal_id=uuid4(), reason="x")
        assert ledger_group_commit(store).execute(ask, command) == "PostgresSession"


def test_a_lone_command_is_carried_out_by_its_own_thread(store: PostgresStore) -> None:
    group, threads = ledger_group_commit(store), set()

    def noting(session: Any, command: PostPayment) -> Any:
        threads.add(threading.current_thread())
        return post_payment(session, command)

    for _ in range(5):
        with context.bind(command_id=uuid4()):
            group.execute(noting, payment(NUMBERS[0]))
    assert threads == {threading.current_thread()}


def test_group_commits_of_two_processes_lose_no_payment(database: Database) -> None:
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
    group_commits = (ledger_group_commit(first), ledger_group_commit(second))
    works: list[Callable[[], Any]] = [
        lambda index=index: pay(group_commits[index % 2], payment(NUMBERS[0]))
        for index in range(60)
    ]
    results = at_once(works)
    assert all(isinstance(result, dict) for result in results)
    row = first.query(lambda session: session.read.balance(NUMBERS[0]))
    assert row["principal"] == OWED - 60 * 100
    assert audit(first).differences == []


def counting(store: PostgresStore) -> list[int]:
    original, count = store.append_group, list[int]()

    def counted(*what: Any) -> bool:
        count.append(1)
        return original(*what)

    store.append_group = counted  # type: ignore[method-assign]
    return count
