"""A version is appended only after its predecessor, on every way into the log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent

from services.ledger.application import (
    OpenAccount,
    PaidLine,
    PostPayment,
    open_account,
    post_payment,
)
from services.ledger.domain import Account, account_id
from services.ledger.domain.events import ServiceAmount
from services.ledger.group_commit import ledger_group_commit
from services.ledger.replay.audit import audit
from shared import context
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.recorder import Cause, EventRow
from tests.conftest import Database

NUMBER = "0100000001"
ID = account_id(NUMBER)
CAUSE = Cause(UUID(int=1), "staff:ivanova", "")
REFUSED = (psycopg.errors.ForeignKeyViolation, IntegrityError)
HOLE = pytest.raises(REFUSED, match="has no predecessor")
LATE = pytest.raises(REFUSED, match="comes after version 1")
RAW = (
    "INSERT INTO events (originator_id, originator_version, topic, state, notification_id, "
    "recorded_at, command_id, actor, correlation_id) "
    "SELECT %s, v, 'forged', '', n + (SELECT max(notification_id) FROM ledger.events), now(), "
    "gen_random_uuid(), 'service:ledger', '' "
    "FROM unnest(%s::bigint[]) WITH ORDINALITY AS wanted(v, n)"
)
PREDECESSOR = (
    "INSERT INTO pg_temp.events SELECT %s, 6, topic, state, notification_id, recorded_at, "
    "command_id, actor, correlation_id FROM ledger.events"
)


@pytest.fixture
def store(database: Database) -> PostgresStore:
    made = database.store("ledger")
    opening = (ServiceAmount("heating", 1_000_000),)
    made.execute(open_account, OpenAccount(number=NUMBER, payer_kind="household", opening=opening))
    return made


def rows(*versions: int, stream: UUID = ID) -> list[EventRow]:
    return [(stream, version, "ledger.payment_posted.v1", b"{}") for version in versions]


def append(store: PostgresStore, wanted: list[EventRow]) -> None:
    with store.transaction() as cursor:
        store.recorder.append(cursor, wanted, [CAUSE] * len(wanted))


def write(store: PostgresStore, wanted: list[EventRow]) -> None:
    with store.transaction() as cursor:
        tail = store.recorder.lock_tail(cursor)
        with cursor.connection.pipeline():
            store.recorder.write(cursor, tail, wanted, [CAUSE] * len(wanted))


def copy(store: PostgresStore, wanted: list[EventRow]) -> None:
    with store.session(CAUSE) as session:
        session.copy_states(wanted)


def insert(store: PostgresStore, wanted: list[EventRow]) -> None:
    store.recorder.insert_events([StoredEvent(*row) for row in wanted])


def raw(store: PostgresStore, wanted: list[EventRow]) -> None:
    with store.transaction() as cursor:
        cursor.execute(RAW, (wanted[0][0], [version for _, version, _, _ in wanted]))


ways = pytest.mark.parametrize("way", [append, write, copy, insert, raw])
Way = Callable[[PostgresStore, list[EventRow]], None]


@ways
@pytest.mark.parametrize("versions", [(7,), (3,), (2, 4), (2, 3, 5)])
def test_hole_in_a_stream_is_refused(
    store: PostgresStore, way: Way, versions: tuple[int, ...]
) -> None:
    with HOLE:
        way(store, rows(*versions))
    assert versions_of(store) == [1]


@ways
def test_stream_begins_with_its_first_version(store: PostgresStore, way: Way) -> None:
    with HOLE:
        way(store, rows(2, stream=uuid4()))


@ways
def test_successive_versions_are_appended(store: PostgresStore, way: Way) -> None:
    way(store, rows(2, 3, 4))
    way(store, rows(1, 2, stream=uuid4()))
    assert versions_of(store) == [1, 2, 3, 4]


@ways
def test_stream_may_begin_with_version_0(store: PostgresStore, way: Way) -> None:
    stream = uuid4()
    way(store, rows(0, 1, stream=stream))
    way(store, rows(2, stream=stream))
    with HOLE:
        way(store, rows(4, stream=stream))
    assert versions_of(store, stream) == [0, 1, 2]


@ways
def test_version_0_never_comes_after_version_1(store: PostgresStore, way: Way) -> None:
    with LATE:
        way(store, rows(0))
    stream = uuid4()
    with LATE:
        way(store, rows(1, 0, stream=stream))
    assert versions_of(store) == [1]
    assert versions_of(store, stream) == []


def test_negative_version_is_refused(store: PostgresStore) -> None:
    with pytest.raises(IntegrityError, match="events_version_not_negative"):
        insert(store, rows(-1, stream=uuid4()))


def test_audit_finds_an_account_that_begins_with_version_0(store: PostgresStore) -> None:
    insert(store, rows(0, stream=account_id("0100000002")))
    assert "versions of a stream" in {found.what for found in audit(store).differences}


def test_row_ahead_of_its_stream_leaves_no_hole_by_group_commit(
    database: Database, store: PostgresStore
) -> None:
    with database.owner("ledger") as owner:
        owner.execute("UPDATE balances SET version = version + 5")
    group = ledger_group_commit(store)
    for _ in range(2):
        line = PaidLine(account=NUMBER, amount=100, penalty=0)
        command = PostPayment(payment_id=uuid4(), paid_on=date(2026, 11, 1), lines=(line,))
        with context.bind(command_id=uuid4(), actor="staff:cashier"):
            assert group.execute(post_payment, command)["posted"] == [NUMBER]
    assert versions_of(store) == [1, 2, 3]
    assert audit(store).differences == []


def test_aggregate_ahead_of_its_stream_is_not_appended(store: PostgresStore) -> None:
    with HOLE, store.session(CAUSE) as session:
        account = session.load(Account, ID)
        account.version += 5
        account.post_payment(uuid4(), date(2026, 11, 1), 100, 0)
    assert versions_of(store) == [1]


def test_temporary_table_does_not_stand_for_the_log(
    database: Database, store: PostgresStore
) -> None:
    url = database.settings.database_url_of("ledger")
    with psycopg.connect(url, options="-c search_path=pg_temp,ledger") as runtime:
        runtime.execute("CREATE TEMP TABLE events (LIKE ledger.events INCLUDING DEFAULTS)")
        runtime.execute(PREDECESSOR, (ID,))
        with HOLE:
            runtime.execute(RAW.replace("INTO events", "INTO ledger.events"), (ID, [7]))


@pytest.mark.parametrize("known", [False, True])
def test_look_up_never_reads_the_whole_log(
    database: Database, store: PostgresStore, known: bool
) -> None:
    """The plan is made once for a session: here while the log is a page long, and known to be."""
    if known:
        with database.owner("ledger") as owner:
            owner.execute("ANALYZE events")
    with store.transaction() as cursor:
        before = scans(cursor)
        for version in range(2, 5):
            tail = store.recorder.lock_tail(cursor)
            store.recorder.write(cursor, tail, rows(version), [CAUSE])
        for _ in range(3):
            tail = store.recorder.lock_tail(cursor)
            store.recorder.write(cursor, tail, rows(0, stream=uuid4()), [CAUSE])
        assert scans(cursor) == before


def scans(cursor: Any) -> int:
    """Return how often this session has read the whole log.

    PostgreSQL's counters of a transaction begin with what the session has not reported yet.
    """
    row = cursor.execute(
        "SELECT seq_scan FROM pg_stat_xact_user_tables "
        "WHERE schemaname = 'ledger' AND relname = 'events'"
    ).fetchone()
    return int(row["seq_scan"])


def versions_of(store: PostgresStore, stream: UUID = ID) -> list[int]:
    return [event.originator_version for event in store.recorder.select_events(stream)]
