"""What a caller was refused with holds for every execution of the same call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from services.ledger.application import PostPayment, post_payment
from shared import context
from shared.context import RequestContext
from shared.errors import Conflict, ServiceError, Unavailable
from shared.eventstore import refusals
from shared.eventstore.asked import Asked
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database
from tests.integration.test_eventstore import NUMBER, opened, payment, positions
from tests.waiting import PATIENCE_S, eventually

Handler = Callable[[Any, PostPayment], dict[str, Any]]


def call(command_id: UUID, asked_at: float | None = None) -> AbstractContextManager[RequestContext]:
    """Bind the context of a call that reached the gateway ten seconds ago, or at another time."""
    asked_at = time.time() - 10 if asked_at is None else asked_at
    return context.bind(command_id=command_id, asked_at=asked_at)


@wraps(post_payment)
def refusing(session: Any, command: PostPayment) -> dict[str, Any]:
    raise Conflict("not_now", "The state does not allow it now.", left=3)


def kept(database: Database) -> int:
    with database.owner("ledger") as owner:
        row = owner.execute("SELECT count(*) FROM refusals").fetchone()
    assert row is not None
    return int(row[0])


def refused_with(work: Callable[[], Any]) -> ServiceError:
    with pytest.raises(ServiceError) as refusal:
        work()
    return refusal.value


@pytest.fixture
def store(database: Database) -> PostgresStore:
    store = database.store("ledger")
    opened(store)
    return store


def test_execution_of_a_call_that_was_refused_is_refused_whatever_has_changed(
    store: PostgresStore,
) -> None:
    command, command_id = payment(), uuid4()
    for handler in (refusing, post_payment):
        with call(command_id):
            refusal = refused_with(lambda handler=handler: store.execute(handler, command))
        assert isinstance(refusal, Conflict)
        assert (refusal.code, refusal.params) == ("not_now", {"left": 3})
    assert positions(store) == [1]


def test_command_that_is_sent_again_after_its_refusal_is_decided_anew(
    store: PostgresStore,
) -> None:
    command, command_id = payment(), uuid4()
    with call(command_id), pytest.raises(Conflict):
        store.execute(refusing, command)
    with call(command_id, time.time()):
        assert store.execute(post_payment, command)["posted"] == [NUMBER]
    with call(command_id):
        assert store.execute(post_payment, command)["posted"] == [NUMBER]
    assert positions(store) == [1, 2]


def test_second_refusal_holds_for_what_was_asked_after_the_first(store: PostgresStore) -> None:
    command, command_id = payment(), uuid4()
    with call(command_id), pytest.raises(Conflict):
        store.execute(refusing, command)
    with call(command_id, time.time()) as second:
        assert refused_with(lambda: store.execute(refusing, command)).code == "not_now"
    with call(command_id, second.asked_at):
        assert refused_with(lambda: store.execute(post_payment, command)).code == "not_now"


def test_refusal_of_one_command_is_none_of_another_under_its_id(store: PostgresStore) -> None:
    command_id = uuid4()
    with call(command_id):
        assert refused_with(lambda: store.execute(refusing, payment())).code == "not_now"
        assert store.execute(post_payment, payment())["posted"] == [NUMBER]


def test_job_that_was_refused_is_decided_anew(database: Database, store: PostgresStore) -> None:
    command = payment()
    with context.bind(command_id=uuid4()):
        assert refused_with(lambda: store.execute(refusing, command)).code == "not_now"
        assert store.execute(post_payment, command)["posted"] == [NUMBER]
    assert kept(database) == 0


def test_refusal_that_is_not_the_last_word_is_not_kept(
    database: Database, store: PostgresStore
) -> None:
    command = payment()
    with call(uuid4()):
        with pytest.raises(Conflict):
            store.execute(refusing, command, final=False)
        assert kept(database) == 0
        said = refused_with(
            lambda: store.refuse(post_payment, command, Conflict("in_the_end", "No."))
        )
        assert said.code == "in_the_end"
        again = refused_with(lambda: store.execute(post_payment, command, final=False))
    assert again.code == "in_the_end"


def test_outage_is_no_refusal(database: Database, store: PostgresStore) -> None:
    command = payment()

    @wraps(post_payment)
    def failing(session: Any, command: PostPayment) -> dict[str, Any]:
        raise Unavailable("no_answer", "Nobody answers; send it again.")

    with call(uuid4()):
        assert refused_with(lambda: store.execute(failing, command)).code == "no_answer"
        assert store.execute(post_payment, command)["posted"] == [NUMBER]
    assert kept(database) == 0


def test_refusal_that_cannot_be_kept_is_told_as_an_unknown_outcome(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(refusals, "keep", broken)
    with call(uuid4()), pytest.raises(Unavailable) as unknown:
        store.execute(refusing, payment())
    assert unknown.value.code == "database_unavailable"


def test_old_refusals_go_with_the_next_one(database: Database, store: PostgresStore) -> None:
    for _ in range(3):
        with call(uuid4()), pytest.raises(Conflict):
            store.execute(refusing, payment())
    with database.owner("ledger") as owner:
        owner.execute("UPDATE refusals SET refused_at = refused_at - interval '30 minutes'")
        owner.commit()
    with call(uuid4()), pytest.raises(Conflict):
        store.execute(refusing, payment())
    assert kept(database) == 1


def test_call_of_a_caller_whose_clock_is_behind_is_held_back_for_a_time(
    database: Database, store: PostgresStore
) -> None:
    command, command_id, hours_ago = payment(), uuid4(), time.time() - 7_200
    with call(command_id, hours_ago):
        with pytest.raises(Conflict):
            store.execute(refusing, command)
        assert refused_with(lambda: store.execute(post_payment, command)).code == "not_now"
        with database.owner("ledger") as owner:
            owner.execute("UPDATE refusals SET refused_at = refused_at - interval '11 minutes'")
            owner.commit()
        assert store.execute(post_payment, command)["posted"] == [NUMBER]


def test_execution_that_was_being_decided_when_its_call_was_refused_is_refused(
    store: PostgresStore,
) -> None:
    command, command_id, times = payment(), uuid4(), []

    @wraps(post_payment)
    def overtaken(session: Any, command: PostPayment) -> dict[str, Any]:
        if not times:
            times.append(1)
            with call(command_id), pytest.raises(Conflict):
                store.execute(refusing, command)
        return post_payment(session, command)

    with call(command_id):
        refusal = refused_with(lambda: store.execute(overtaken, command))
    assert refusal.code == "not_now"
    assert positions(store) == [1]


def test_caller_is_told_the_result_of_an_execution_that_was_being_committed(
    database: Database, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It found no refusal a moment ago: whoever refuses waits for its commit."""
    command, command_id = payment(), uuid4()
    checked, goes_on, results = threading.Event(), threading.Event(), dict[str, Any]()
    check = refusals.check

    def checking(cursor: Any, asked: Asked) -> None:
        check(cursor, asked)
        cursor.connection.execute("SELECT 1").fetchone()  # so the pipeline has come so far
        checked.set()
        assert goes_on.wait(PATIENCE_S)

    def run(name: str, handler: Handler) -> threading.Thread:
        def execute() -> None:
            with call(command_id):
                results[name] = store.execute(handler, command)

        thread = threading.Thread(target=execute, daemon=True)
        thread.start()
        return thread

    monkeypatch.setattr(refusals, "check", checking)
    accepted = run("accepted", post_payment)
    assert checked.wait(PATIENCE_S)
    refused = run("refused", refusing)
    _until_waiting(database)
    assert not results
    goes_on.set()
    for thread in (accepted, refused):
        thread.join(PATIENCE_S)
    assert results["refused"] == results["accepted"]
    assert results["accepted"]["posted"] == [NUMBER]
    assert positions(store) == [1, 2]


def _until_waiting(database: Database) -> None:
    """Return when a session waits for the lock of a command."""
    with database.owner("ledger") as owner:
        owner.autocommit = True
        eventually(
            lambda: owner.execute(
                "SELECT FROM pg_stat_activity WHERE datname = current_database() "
                "AND wait_event = 'advisory'"
            ).fetchall(),
            "whoever refuses waits for the commit",
        )
