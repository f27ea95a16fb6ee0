"""The log sorted by streams: it is read once, and replayed as the log itself is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from psycopg import sql

from services.ledger.domain import account_id
from services.ledger.replay import sorted_log
from services.ledger.replay.audit import audit
from services.ledger.replay.parallel import (
    ALL_IDS,
    Range,
    conninfo_of,
    one_snapshot,
    opened_connection,
    quiet,
    stream_ranges,
)
from services.ledger.replay.rebuild import rebuild
from services.ledger.replay.sorted_log import SortedRange, sort_log
from services.ledger.replay.sql_balances import aggregate
from services.ledger.replay.streams import read_streams
from shared.database import Login
from shared.errors import Conflict
from tests.bench.company import Bench, populate, resident
from tests.conftest import Database
from tests.integration.ledger.small_company import NUMBERS, SmallCompany, pay

pytestmark = pytest.mark.nodes

RANGES = stream_ranges(8)
WINDOWS = 3
PLANNING = 40
"""At most so many blocks the planner looks at, for the first and the last value of a column."""


def streams(connection: Any, part: Range) -> list[tuple[UUID, Any]]:
    with one_snapshot(connection.cursor()):
        return list(read_streams(connection, part, quiet))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_audit_of_the_sorted_log_is_that_of_the_log(company: SmallCompany, workers: int) -> None:
    sorted_: list[int] = []
    clean = audit(company.store, workers=workers, sorting=sorted_.append)
    assert clean == audit(company.store)
    assert clean.differences == []
    assert sum(sorted_) == clean.events == company.store.recorder.max_notification_id()

    company.as_owner(
        "UPDATE balances SET principal = principal + 1",
        "ALTER TABLE events DISABLE TRIGGER events_append_only",
        "UPDATE events SET topic = 'ledger.unknown.v1' WHERE notification_id = 3",
        "UPDATE events SET originator_version = 100 WHERE notification_id = 9",
    )
    found = audit(company.store, workers=workers, sorting=quiet)
    assert len(found.differences) > len(NUMBERS)
    in_any_order = {(one.account, one.what, one.replayed, one.found) for one in found.differences}
    assert in_any_order == {
        (one.account, one.what, one.replayed, one.found) for one in audit(company.store).differences
    }


def test_the_sums_in_sql_are_those_of_the_log(company: SmallCompany) -> None:
    with opened_connection(conninfo_of(company.store)) as connection:
        cursor, in_log = connection.cursor(), {}
        reading = sort_log(connection, RANGES, quiet)
        for part in RANGES:
            in_log |= aggregate(cursor, reading(part))
        assert in_log == aggregate(cursor)
        assert len(in_log) >= len(NUMBERS)


@pytest.mark.parametrize("few_since", [0, 10_000])
def test_a_sorted_range_has_the_events_appended_after_the_sorting(
    company: SmallCompany, monkeypatch: pytest.MonkeyPatch, few_since: int
) -> None:
    monkeypatch.setattr(sorted_log, "FEW_SINCE", few_since)
    id_ = account_id(NUMBERS[0])
    [part] = [part for part in RANGES if part.first <= id_ <= part.last]
    with opened_connection(conninfo_of(company.store)) as connection:
        reading = sort_log(connection, RANGES, quiet)
        before = streams(connection, reading(part))
        for day in range(1, 4):
            pay(company, NUMBERS[0], date(2026, 7, day), 100)
        found = reading(part)
        assert isinstance(found, SortedRange)
        sorted_later = found.through == company.store.recorder.max_notification_id()
        assert sorted_later == (few_since == 0)
        after = streams(connection, found)
        assert after == streams(connection, part)
        assert len(dict(after)[id_]) == len(dict(before)[id_]) + 3


def test_a_full_server_still_gives_every_event_appended_after_the_sorting(
    company: SmallCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorted_log, "FEW_SINCE", 0)
    with opened_connection(conninfo_of(company.store)) as connection:
        reading = sort_log(connection, RANGES, quiet)
        pay(company, NUMBERS[0], date(2026, 7, 1), 100)
        monkeypatch.setattr(sorted_log, "_SORT", "DO $$ BEGIN RAISE disk_full; END $$")
        found = [one for part in RANGES for one in streams(connection, reading(part))]
        assert found == streams(connection, ALL_IDS)


def test_a_rebuild_of_the_sorted_log_keeps_what_is_paid_meanwhile(company: SmallCompany) -> None:
    company.as_owner("UPDATE balances SET principal = 7", "DELETE FROM payment_postings")
    days = iter(range(1, 28))

    def pay_one() -> None:
        pay(company, NUMBERS[0], date(2026, 7, next(days)), 100)

    found = rebuild(company.store, workers=2, sorting=quiet, before_slice=pay_one)
    assert found.wrong["balances"] >= len(NUMBERS)
    assert next(days) > 1, "somebody has paid"
    assert company.audit_differences() == set()


def test_ranges_of_another_share_are_read_from_the_log(company: SmallCompany) -> None:
    with opened_connection(conninfo_of(company.store)) as connection:
        own = RANGES[:4]
        reading = sort_log(connection, own, quiet)
        assert [isinstance(reading(part), SortedRange) for part in RANGES] == [True] * 4 + [
            False
        ] * 4
        found = [one for part in RANGES for one in streams(connection, reading(part))]
        assert found == streams(connection, ALL_IDS)


def test_each_block_of_the_log_is_fetched_once_to_be_sorted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = database.store("ledger")
    events = populate(Bench(database.settings, store), resident(12), 200)
    monkeypatch.setattr(sorted_log, "WINDOW", events // WINDOWS + 1)
    with opened_connection(conninfo_of(store)) as connection, connection.transaction():
        before = blocks_fetched(connection)
        reading = sort_log(connection, stream_ranges(8), quiet)
        read = sum(
            len(entries)
            for part in stream_ranges(8)
            for _, entries in read_streams(connection, reading(part), quiet)
        )
        fetched = blocks_fetched(connection) - before
        [row] = connection.execute(
            "SELECT pg_relation_size('events') / current_setting('block_size')::int AS blocks"
        ).fetchall()
    assert read == events
    # A block where two windows meet is in both; the planner looks at the end of the log.
    assert fetched <= row["blocks"] + WINDOWS + PLANNING < events / 2


def blocks_fetched(connection: Any) -> int:
    [row] = connection.execute(
        "SELECT pg_stat_get_xact_blocks_fetched('events'::regclass) AS blocks"
    ).fetchall()
    return int(row["blocks"])


def test_a_login_that_only_reads_sorts_too(company: SmallCompany) -> None:
    url = company.database.settings.database_url_of("ledger")
    reader = company.database.unconfirmed_store("ledger", login=Login(url, read_only=True))
    assert audit(reader, workers=1, sorting=quiet) == audit(company.store)


@pytest.fixture
def on_database(database: Database) -> Iterator[Callable[[str], None]]:
    """Change something of the database; afterwards it is as it was, for the next test."""
    name = database.store("ledger").query(lambda session: session.cursor.connection.info.dbname)

    def change(statement: str) -> None:
        with database.owner("ledger") as owner:
            owner.execute(sql.SQL(statement).format(sql.Identifier(name)))  # type: ignore[arg-type]

    yield change
    change("GRANT TEMPORARY ON DATABASE {} TO PUBLIC")


def test_where_no_temporary_table_can_be_made_the_sorting_says_so(
    database: Database, on_database: Callable[[str], None]
) -> None:
    on_database("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC")
    store = database.store("ledger")
    with pytest.raises(Conflict) as refused:
        audit(store, sorting=quiet)
    assert refused.value.code == "log_cannot_be_sorted"
    assert audit(store).differences == []


def test_where_there_is_no_room_the_sorting_says_so_whoever_sorts(
    company: SmallCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = "DO $$ BEGIN RAISE disk_full; END $$"
    monkeypatch.setattr(sorted_log, "_TABLE", (full,))
    with pytest.raises(Conflict) as refused:
        audit(company.store, workers=1, sorting=quiet)
    assert refused.value.code == "no_room_to_sort_log"


def test_a_stream_that_the_sorting_loses_is_missed(
    company: SmallCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = account_id(NUMBERS[0])
    without = sorted_log._SORT.replace("WHERE originator_id BETWEEN",
        f"WHERE originator_id <> '{lost}' AND originator_id BETWEEN")  # fmt: skip
    assert str(lost) in without
    monkeypatch.setattr(sorted_log, "_SORT", without)
    differences = audit(company.store, workers=1, sorting=quiet).differences
    assert "events of the log" in {found.what for found in differences}


def test_staff_are_told_that_a_large_log_had_better_be_sorted(
    company: SmallCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "--sort-log" not in company.run("audit").stderr
    monkeypatch.setattr(
        sorted_log, "_MEMORY", "SELECT 9_400_000_000 AS log, 3_000_000_000 AS cache"
    )
    told = company.run("audit")
    assert "The log has 9.4 GB and the server counts on 3.0 GB of memory" in told.stderr
    assert "with --sort-log" in told.stderr
    sorted_ = company.run("audit", "--sort-log")
    assert "with --sort-log" not in sorted_.stderr
    assert "sorting the log" in sorted_.stderr
    assert sorted_.stdout.rpartition(";")[0] == told.stdout.rpartition(";")[0]
    company.as_owner("UPDATE balances SET principal = 7")
    assert company.run_json("replay", "--all", "--sort-log")["wrong"]["balances"] >= len(NUMBERS)
    assert company.audit_differences() == set()
