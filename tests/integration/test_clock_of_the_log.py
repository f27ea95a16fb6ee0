"""A clock of the database that jumped leaves no wrong times behind, and is seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.ledger.application import OpenAccount, open_account
from services.ledger.domain import account_id
from services.ledger.domain.events import ChargeLine, ServiceAmount
from services.ledger.replay.log_checks import check_log
from services.ledger.reports.balances import balance
from shared.bus import progress
from shared.bus.progress import progress_of
from shared.errors import Unavailable
from shared.eventstore import postgres
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.recorder import Cause, Tail
from tests.conftest import Database
from tests.ledger_commands import PostCharges, post_charges

pytestmark = pytest.mark.nodes

HOUR = timedelta(hours=1)


@pytest.fixture
def store(database: Database) -> PostgresStore:
    return database.store("ledger")


def number(place: int) -> str:
    return f"01{place:08}"


def open_one(store: PostgresStore, place: int) -> None:
    opening = (ServiceAmount("heating", 450_000),)
    store.execute(
        open_account, OpenAccount(number=number(place), payer_kind="household", opening=opening)
    )


def append_at(store: PostgresStore, times: Sequence[datetime]) -> None:
    """Append an event at each of these times, as a clock that showed them would have it."""
    with store.transaction() as cursor:
        store.recorder.lock(cursor)
        position = len(recorded(store))
        for at in times:
            opened = store.recorder.history(cursor, account_id(number(1)))
            _, _, topic, state, *_ = next(opened)
            rows = [(uuid4(), 1, topic, state)]
            cause = Cause(uuid4(), "service:ledger", "")
            store.recorder.write(cursor, Tail(position, at), rows, [cause])
            position += 1


def recorded(store: PostgresStore) -> list[datetime]:
    return [logged.recorded_at for logged in store.log_after(0, 1000)]


def now(store: PostgresStore) -> datetime:
    with store.transaction() as cursor:
        at: datetime = cursor.execute("SELECT clock_timestamp() AS at").fetchone()["at"]
        return at


def steps(store: PostgresStore) -> list[int]:
    with store.transaction() as cursor:
        cursor.execute("SELECT position FROM clock_steps ORDER BY position")
        return [row["position"] for row in cursor.fetchall()]


def before(store: PostgresStore, instant: datetime) -> int:
    with store.transaction() as cursor:
        return store.recorder.position_before(cursor, instant)


def test_clock_that_jumped_ahead_and_back_leaves_the_log_right(store: PostgresStore) -> None:
    open_one(store, 1)
    began = now(store)
    append_at(store, [datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, 0, 1, tzinfo=UTC)])
    with store.transaction() as cursor:
        assert progress_of(cursor).clock_ahead > 24 * 3600
    for place in range(2, 5):
        open_one(store, place)
    ended = now(store)
    times = recorded(store)
    assert [at.year for at in times[1:3]] == [2030, 2030]
    assert all(began <= at <= ended for at in times[3:])
    assert times[3:] == sorted(times[3:])
    assert steps(store) == [4]
    with store.transaction() as cursor:
        assert progress_of(cursor).clock_ahead == 0
    with store.reading() as cursor:
        assert [*check_log(cursor)] == []


@pytest.mark.parametrize("minutes", [10, -10])
def test_worker_says_how_far_its_machines_clock_and_the_databases_are_apart(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    ahead = timedelta(minutes=minutes)
    with store.transaction() as cursor:
        assert abs(progress_of(cursor).clock_differs) < 60
    monkeypatch.setattr(progress, "wall_time", lambda: datetime.now(UTC) + ahead)
    with store.transaction() as cursor:
        assert abs(progress_of(cursor).clock_differs + ahead.total_seconds()) < 60


def test_reading_since_an_instant_misses_nothing_after_a_jump(store: PostgresStore) -> None:
    open_one(store, 1)
    append_at(store, [datetime(2030, 1, 1, tzinfo=UTC)] * 3)
    open_one(store, 2)
    middle = now(store)
    append_at(store, [datetime(2031, 1, 1, tzinfo=UTC)])
    open_one(store, 3)
    open_one(store, 4)
    first = recorded(store)[0]
    assert steps(store) == [5, 7]
    assert before(store, first) == 0
    assert before(store, middle) == 5
    assert before(store, now(store)) == 8
    assert before(store, datetime(2032, 1, 1, tzinfo=UTC)) == 8


def test_event_of_a_jump_counts_as_recorded_by_what_follows_it(store: PostgresStore) -> None:
    open_one(store, 1)
    append_at(store, [datetime(2030, 1, 1, tzinfo=UTC)])
    jumped = store.log_after(1, 1)[0].originator_id
    open_one(store, 2)
    later = recorded(store)[2]
    found = store.query(lambda session: session.history(UUID(str(jumped))))
    assert [one.recorded_at for one in found] == [later]
    assert recorded(store)[1].year == 2030  # what is sealed and published stays as it is


def test_process_whose_clock_is_days_ahead_records_nothing(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = datetime.now(UTC) + timedelta(days=2)
    with monkeypatch.context() as patch:
        patch.setattr(postgres, "wall_time", lambda: ahead)
        with pytest.raises(Unavailable, match="The clock of this process is ahead"):
            open_one(store, 1)
    assert recorded(store) == []
    open_one(store, 1)
    assert len(recorded(store)) == 1


def test_clock_that_is_behind_the_log_does_not_set_it_back(store: PostgresStore) -> None:
    """The log has been going on steadily until some hours from now: the clock cannot be right."""
    open_one(store, 1)
    began = now(store)
    append_at(store, [began + place * HOUR / 6 for place in range(1, 30)])
    last = recorded(store)[-1]
    open_one(store, 2)
    open_one(store, 3)
    assert recorded(store)[-2:] == [last, last]
    assert steps(store) == []
    with store.transaction() as cursor:
        assert progress_of(cursor).clock_ahead > 4 * 3600


def test_clock_set_back_by_seconds_makes_the_log_wait(store: PostgresStore) -> None:
    open_one(store, 1)
    append_at(store, [now(store) + timedelta(seconds=20)])
    open_one(store, 2)
    times = recorded(store)
    assert times == sorted(times)
    assert steps(store) == []


def test_balance_by_an_instant_has_what_was_posted_in_a_jump(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_one(store, 1)
    with monkeypatch.context() as jump:
        lock_tail = store.recorder.lock_tail
        ahead = datetime(2030, 1, 1, tzinfo=UTC)
        jump.setattr(
            store.recorder,
            "lock_tail",
            lambda cursor, **options: lock_tail(cursor, **options)._replace(recorded_at=ahead),
        )
        line = ChargeLine(service="heating", name="Heating", payable=100, charged=100)
        charges = PostCharges(
            number=number(1),
            period="2026-10",
            due_on=date(2026, 11, 10),
            effective_on=date(2026, 11, 1),
            lines=(line,),
        )
        store.execute(post_charges, charges)
    assert recorded(store)[-1] == ahead
    open_one(store, 2)
    as_of = now(store).isoformat()
    found = store.query(lambda session: balance(session, number(1), as_of, whole=True))
    assert found["principal"] == 450_100
