"""The event store on a real PostgreSQL."""

from __future__ import annotations

import threading
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.application import Application, LocalNotificationLog
from eventsourcing.persistence import (
    IntegrityError,
    InternalError,
    NotSupportedError,
    StoredEvent,
)

from services.ledger.application import (
    OpenAccount,
    PaidLine,
    PostPayment,
    open_account,
    post_payment,
)
from services.ledger.domain import Account, account_id
from services.ledger.domain.events import AccountOpened, ChargeLine, ServiceAmount
from shared import context
from shared.errors import Conflict, Forbidden, Unavailable
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database, role_of
from tests.ledger_commands import PostCharges, post_charges

NUMBER = "0100000001"


def opened(store: PostgresStore, number: str = NUMBER) -> None:
    opening = (ServiceAmount("heating", 450_000),)
    store.execute(open_account, OpenAccount(number=number, payer_kind="household", opening=opening))


def payment(amount: int = 100) -> PostPayment:
    line = PaidLine(account=NUMBER, amount=amount, penalty=0)
    return PostPayment(payment_id=uuid4(), paid_on=date(2026, 11, 1), lines=(line,))


def positions(store: PostgresStore) -> list[int]:
    return [logged.id for logged in store.log_after(0, 10_000)]


def test_one_transaction_holds_events_read_model_and_command(database: Database) -> None:
    store = database.store("ledger")
    opened(store)
    with pytest.raises(Forbidden), context.bind(command_id=uuid4()):
        store.execute(_post_then_refuse, payment())
    assert positions(store) == [1]
    assert store.query(lambda session: session.read.balance(NUMBER))["version"] == 1
    with database.owner("ledger") as owner:
        assert owner.execute("SELECT count(*) FROM commands").fetchone() == (1,)


def _post_then_refuse(session: Any, command: PostPayment) -> None:
    post_payment(session, command)
    assert session.read.balance(NUMBER)["principal"] == 449_900  # its own write
    raise Forbidden("no", "A refusal after a write leaves nothing.")


def test_repeated_command_returns_the_first_result(database: Database) -> None:
    store = database.store("ledger")
    opened(store)
    command, command_id = payment(), uuid4()
    with context.bind(command_id=command_id):
        first = store.execute(post_payment, command)
        again = store.execute(post_payment, command)
        with pytest.raises(Conflict) as refused:
            store.execute(post_payment, payment())
    assert first == again == {"payment_id": str(command.payment_id), "posted": [NUMBER]}
    assert refused.value.code == "command_reused"
    assert positions(store) == [1, 2]


def test_event_keeps_its_command_id_and_actor(database: Database) -> None:
    store, command_id = database.store("ledger"), uuid4()
    with context.bind(actor="staff:ivanova", command_id=command_id, correlation_id="journey-1"):
        opened(store)
    logged = store.log_after(0, 10)[0]
    assert (logged.command_id, logged.actor, logged.correlation_id) == (
        command_id,
        "staff:ivanova",
        "journey-1",
    )


def test_commit_with_a_lost_reply_is_found_by_its_command_id(database: Database) -> None:
    """The connection dies after the COMMIT and before its reply."""
    store = database.store("ledger")
    opened(store)
    lost: list[int] = []
    original = store.command_transaction

    from contextlib import contextmanager

    @contextmanager
    def dying(*what: Any, **how: Any) -> Any:
        with original(*what, **how) as found:
            yield found
        if not lost:
            lost.append(1)
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    store.command_transaction = dying  # type: ignore[method-assign]
    command = payment()
    with context.bind(command_id=uuid4()):
        answer = store.execute(post_payment, command)
    assert lost
    assert answer["posted"] == [NUMBER]
    assert positions(store) == [1, 2]


def test_command_that_loses_its_version_at_the_commit_is_decided_again(database: Database) -> None:
    """Its events travel with the COMMIT: the conflict is known when both have failed."""
    store, other = database.store("ledger", pool_size=1), database.store("ledger")
    opened(store)
    overtaking: list[PostPayment] = []

    def overtaken(session: Any, command: PostPayment) -> Any:
        result = post_payment(session, command)
        if not overtaking:
            overtaking.append(payment())
            with context.bind(command_id=uuid4()):
                other.execute(post_payment, overtaking[0])
        return result

    for turn in range(3):
        overtaking.clear()
        command = payment()
        with context.bind(command_id=uuid4()):
            assert store.execute(overtaken, command)["posted"] == [NUMBER], turn
    assert positions(store) == [*range(1, 8)]


def test_unit_of_work_that_loses_its_version_at_the_commit_is_done_again(
    database: Database,
) -> None:
    """The same without a command that is kept, on the one connection that there is."""
    store, other = database.store("ledger", pool_size=1), database.store("ledger")
    opened(store)
    done: list[None] = []

    def overtaken(session: Any, command: PostPayment) -> Any:
        result = post_payment(session, command)
        if not done:
            with context.bind(command_id=uuid4()):
                other.execute(post_payment, payment())
        done.append(None)
        return result

    for turn in range(3):
        done.clear()
        assert store.transact(overtaken, payment())["posted"] == [NUMBER], turn
        assert len(done) == 2
    assert positions(store) == [*range(1, 8)]


def test_unit_of_work_whose_rows_are_refused_leaves_nothing_behind(database: Database) -> None:
    """Its COMMIT is sent behind what the server refuses, and is skipped with the rest."""
    store = database.store("ledger", pool_size=1)
    opened(store)
    with store.pool.connection() as connection:
        alive = connection.info.backend_pid
    with database.owner("ledger") as owner:
        owner.execute(f"REVOKE UPDATE, INSERT ON balances FROM {role_of('ledger')}")
    for _ in range(3):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            store.transact(post_payment, payment())
        with store.pool.connection() as connection:
            assert connection.info.backend_pid == alive
            assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert positions(store) == [1]


def test_unavailable_database_is_a_typed_error_within_bounds(database: Database) -> None:
    store = database.store("ledger")
    assert positions(store) == []  # so that the pool has a connection to be cut
    with database.owner("ledger") as owner:
        owner.execute(f"ALTER ROLE {role_of('ledger')} NOLOGIN")
        owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s",
            (role_of("ledger"),),
        )
        try:
            with pytest.raises(Unavailable) as error:
                opened(store)
        finally:
            owner.execute(f"ALTER ROLE {role_of('ledger')} LOGIN")
    assert error.value.code == "database_unavailable"
    opened(store)
    assert positions(store) == [1]


def test_concurrent_commands_take_positions_without_gaps(database: Database) -> None:
    store = database.store("ledger", pool_size=8)
    opened(store)

    def pay() -> None:
        for _ in range(10):
            with context.bind(command_id=uuid4()):
                store.execute(post_payment, payment(1))

    threads = [threading.Thread(target=pay) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log = store.log_after(0, 1_000)
    assert [logged.id for logged in log] == list(range(1, 62))
    assert [logged.originator_version for logged in log] == list(range(1, 62))
    times = [logged.recorded_at for logged in log]
    assert times == sorted(times)
    assert store.query(lambda session: session.read.balance(NUMBER))["principal"] == 449_940


def test_reader_never_skips_a_position_that_commits_later(database: Database) -> None:
    """A fast writer must not overtake a slow one that came first in the log."""
    store = database.store("ledger")
    opened(store)
    opened(store, "0100000002")
    with store.session() as slow:
        slow.load(Account, account_id(NUMBER)).post_payment(uuid4(), date(2026, 11, 1), 1, 0)
        slow.flush()
        done = threading.Event()

        def quick() -> None:
            line = PaidLine(account="0100000002", amount=1, penalty=0)
            with context.bind(command_id=uuid4()):
                store.execute(
                    post_payment,
                    PostPayment(payment_id=uuid4(), paid_on=date(2026, 11, 1), lines=(line,)),
                )
            done.set()

        other = threading.Thread(target=quick)
        other.start()
        assert not done.wait(0.3)
        assert positions(store) == [1, 2]
    other.join()
    assert positions(store) == [1, 2, 3, 4]


@pytest.mark.parametrize("table", ["events", "commands"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET recorded_at = now()",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "ALTER TABLE {} DISABLE TRIGGER ALL",
        "DROP TABLE {}",
        "MERGE INTO {0} AS t USING {0} AS s ON t.topic = s.topic WHEN MATCHED THEN DELETE",
        "INSERT INTO {0} TABLE {0} ON CONFLICT (command_id) DO UPDATE SET recorded_at = now()",
    ],
)
def test_runtime_role_cannot_change_the_log(database: Database, table: str, statement: str) -> None:
    store = database.store("ledger")
    opened(store)
    url = database.settings.database_url_of("ledger")
    with psycopg.connect(url, options="-c search_path=ledger") as runtime:
        with pytest.raises(psycopg.Error) as refused:
            runtime.execute(statement.format(table))  # type: ignore[call-overload]
        # No right; or, before rights are checked, no such index or column.
        assert refused.value.sqlstate in ("42501", "42P10", "42703")
    assert positions(store) == [1]


def test_services_append_where_nobody_may_call_functions_by_default(database: Database) -> None:
    """Hardened servers take from PUBLIC what PostgreSQL gives to it."""
    store = database.store("ledger")
    with database.owner("ledger") as owner:
        owner.execute("REVOKE EXECUTE ON FUNCTION append_turn FROM PUBLIC")
    opened(store)
    store.transact(post_payment, payment())
    assert positions(store) == [1, 2]


def test_owner_cannot_change_an_event_by_mistake(database: Database) -> None:
    opened(database.store("ledger"))
    with database.owner("ledger") as owner:
        for statement in ("UPDATE events SET topic = ''", "DELETE FROM events", "TRUNCATE events"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                owner.execute(statement)


def test_role_sees_only_its_own_schema(database: Database) -> None:
    url = database.settings.database_url_of("payments")
    with (
        psycopg.connect(url) as runtime,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        runtime.execute("SELECT * FROM ledger.events")


def test_bulk_and_single_appends_share_one_log(database: Database) -> None:
    store = database.store("ledger")
    opened(store)
    line = ChargeLine(service="heating", name="Отопление", charged=100, payable=100)
    with store.session() as session:
        account = session.load(Account, account_id(NUMBER))
        account.post_charges("2026-10", date(2026, 11, 1), date(2026, 11, 15), (line,))
        events = account.take_pending()
        first, last = session.copy_states(
            (account.id, version, event.topic, store.events.encode(event))
            for version, event in enumerate(events, start=2)
        )
        session.read.write_balances([account])
    assert (first, last) == (2, 2)
    with context.bind(command_id=uuid4()):
        store.execute(post_payment, payment(450_100))
    log = store.log_after(0, 10)
    assert [(e.id, e.originator_version) for e in log] == [(1, 1), (2, 2), (3, 3)]
    assert log[1].recorded_at >= log[0].recorded_at
    bill = store.recorded(log[1]).event
    assert bill.lines == (line,)  # type: ignore[attr-defined]
    row = store.query(lambda session: session.read.balance(NUMBER))
    assert (row["principal"], row["version"]) == (0, 3)


def test_failed_bulk_append_leaves_nothing_behind(database: Database) -> None:
    store = database.store("ledger")
    opened(store)

    def rows() -> Any:
        account = Account(account_id(NUMBER))
        account.open(NUMBER, "household", date(2026, 11, 1))
        [event] = account.take_pending()
        state = store.events.encode(event)
        yield uuid4(), 1, event.topic, state
        yield account_id(NUMBER), 1, event.topic, state  # this version is taken

    with pytest.raises(psycopg.errors.UniqueViolation), store.session() as session:
        session.copy_states(rows())
    assert positions(store) == [1]


def test_library_reads_our_log(database: Database) -> None:
    """The recorder implements the library's ApplicationRecorder."""
    store = database.store("ledger")
    opened(store)
    opened(store, "0100000002")
    log = LocalNotificationLog(store.recorder, section_size=10)
    section = log["1,10"]
    assert [item.id for item in section.items] == [1, 2]
    assert store.recorder.max_notification_id() == 2
    assert [e.originator_version for e in store.recorder.select_events(account_id(NUMBER))] == [1]
    assert store.recorder.select_events(UUID(int=1)) == []
    assert [n.id for n in store.recorder.select_notifications(1, 5, inclusive_of_start=False)] == [
        2
    ]


def test_application_of_the_library_reads_a_stream_and_appends_nothing(database: Database) -> None:
    store = database.store("ledger")
    opened(store)
    env = {
        "PERSISTENCE_MODULE": "shared.eventstore.library",
        "EVENT_TYPES_TOPIC": "services.ledger.domain:EVENTS",
        "SALDO_DATABASE_URL_LEDGER": database.settings.database_url_of("ledger"),
    }

    class Ledger(Application[UUID]):
        """Called as the service."""

    with Ledger(env) as ledger:
        [event] = ledger.events.get(account_id(NUMBER))
        assert isinstance(event, AccountOpened)
        assert (event.account, event.originator_version) == (NUMBER, 1)  # type: ignore[attr-defined]
        with pytest.raises(NotSupportedError):
            ledger.save(event)
        with pytest.raises(InternalError, match="read-only transaction"):
            ledger.recorder.insert_events([StoredEvent(uuid4(), 1, "topic", b"{}")])
    assert positions(store) == [1]


def test_library_is_told_of_a_conflict_by_its_own_error(database: Database) -> None:
    store = database.store("ledger")
    opened(store)
    for version in (1, 3):
        with pytest.raises(IntegrityError):
            store.recorder.insert_events(
                [StoredEvent(account_id(NUMBER), version, "ledger.account_opened.v1", b"{}")]
            )
    assert positions(store) == [1]


def test_contended_stream_is_decided_again(database: Database) -> None:
    store = database.store("ledger")
    opened(store)
    bill = PostCharges(
        number=NUMBER,
        period="2026-10",
        effective_on=date(2026, 11, 1),
        due_on=date(2026, 11, 15),
        lines=(ChargeLine(service="heating", name="Отопление", charged=100, payable=100),),
    )
    results: list[Any] = []

    def post() -> None:
        with context.bind(command_id=uuid4()):
            try:
                results.append(store.execute(post_charges, bill))
            except Conflict as refused:
                results.append(refused.code)

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, results))[:3] == ["period_charged"] * 3
    assert positions(store) == [1, 2]


def test_personal_data_is_sealed_and_can_be_destroyed(database: Database) -> None:
    store, subject = database.store("identity"), uuid4()
    with store.session() as session:
        sealed = session.vault.seal(subject, "Иванова Мария", "name")
    with store.session() as session:
        assert session.vault.reveal(subject, sealed, "name") == "Иванова Мария"
        assert "Иванова" not in sealed
        session.vault.destroy(subject)
        assert session.vault.reveal(subject, sealed, "name") is None
