"""An audit of a log of any size: in slices and ranges, each with a short snapshot."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from services.ledger.replay import audit as auditor
from services.ledger.replay import log_checks, parallel, streams
from services.ledger.replay.audit import audit
from services.ledger.replay.log_checks import check_log
from services.ledger.replay.parallel import block_ranges, conninfo_of, opened_connection
from services.ledger.seal.inspection import inspect_seal
from shared.eventstore.postgres_session import PostgresSession
from tests.integration.ledger.sealed_ledger import KEYS
from tests.integration.ledger.small_company import NUMBERS, SmallCompany, pay

pytestmark = pytest.mark.nodes

# By the begin of its transaction: who else works in this server may hold all at one xmin.
_SNAPSHOTS = (
    "SELECT xact_start::text AS snapshot FROM pg_stat_activity "
    "WHERE datname = current_database() AND application_name = 'saldo-ledger' "
    "AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL"
)


def snapshots(company: SmallCompany) -> set[str]:
    """Return the snapshots that connections of the ledger hold now."""
    with company.database.owner("ledger") as owner:
        return {snapshot for (snapshot,) in owner.execute(_SNAPSHOTS).fetchall()}


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "EVENTS_IN_A_RANGE", 10)
    monkeypatch.setattr(log_checks, "AT_ONCE", 7)
    monkeypatch.setattr(parallel, "BLOCKS_IN_A_RANGE", 1)


@pytest.mark.usefixtures("small_slices")
def test_no_snapshot_is_older_than_a_range(company: SmallCompany) -> None:
    read: Counter[str] = Counter()

    def progress(count: int) -> None:
        [snapshot] = snapshots(company)
        read[snapshot] += count
        pay(company, NUMBERS[0], company.store.clock.today(), 1_00)

    report = audit(company.store, progress)
    assert report.differences == []
    largest = company.store.query(_longest_stream)
    assert len(read) > len(NUMBERS) / 2, "a snapshot for each range that has streams"
    assert max(read.values()) < 4 * largest, "some streams at a time, not the whole log"
    assert sum(read.values()) == report.events


def _longest_stream(session: PostgresSession) -> int:
    row = session.cursor.execute(
        "SELECT max(count) AS longest FROM (SELECT count(*) FROM events GROUP BY originator_id) "
        "AS streams"
    ).fetchone()
    return int(row["longest"])


@pytest.mark.usefixtures("small_slices")
def test_the_log_is_checked_without_a_snapshot_of_its_own(company: SmallCompany) -> None:
    company.as_owner("DELETE FROM events WHERE notification_id IN (20, 40, 60)")
    with opened_connection(conninfo_of(company.store)) as connection:
        found = 0
        for difference in check_log(connection.cursor()):
            assert snapshots(company) == set()
            found += difference.what == "positions of the log"
    assert found == 3


@pytest.mark.usefixtures("small_slices")
def test_the_seal_is_inspected_without_a_snapshot_of_its_own(company: SmallCompany) -> None:
    company.seal()
    held: list[set[str]] = []
    with company.store.reading() as cursor:
        report = inspect_seal(
            cursor, KEYS.trusted, progress=lambda _: held.append(snapshots(company))
        )
    assert (report.findings, report.events) == ([], company.store.recorder.max_notification_id())
    assert held
    assert set().union(*held) == set()


@pytest.mark.usefixtures("small_slices")
@pytest.mark.parametrize("position", range(28, 36))
def test_a_gap_at_any_place_of_a_slice_is_found_once(company: SmallCompany, position: int) -> None:
    company.as_owner(f"DELETE FROM events WHERE notification_id = {position}")
    gaps = [found for found in _log_differences(company) if found[0] == "positions of the log"]
    assert gaps == [("positions of the log", str(position), str(position + 1))]


@pytest.mark.usefixtures("small_slices")
def test_a_time_that_goes_back_at_any_place_of_a_slice_is_found(company: SmallCompany) -> None:
    company.as_owner(
        "UPDATE events SET recorded_at = recorded_at - interval '1 day' "
        "WHERE notification_id BETWEEN 28 AND 35"
    )
    assert [what for what, *_ in _log_differences(company)] == ["time of position 28"]


@pytest.mark.usefixtures("small_slices")
def test_each_wrong_command_and_posting_is_found_once(company: SmallCompany) -> None:
    with company.database.owner("ledger") as owner:
        rows = owner.execute("SELECT command_id FROM commands WHERE first_position > 0").fetchall()
    company.as_owner(
        "UPDATE commands SET first_position = first_position + 1, last_position = last_position + 1"
        " WHERE first_position > 0",
        "UPDATE payment_postings SET position = 1",
    )
    for table in ("commands", "payment_postings"):
        with opened_connection(conninfo_of(company.store)) as connection:
            ranges = len(list(block_ranges(connection.cursor(), table)))
        assert ranges > 1, table
    found = Counter(what for what, *_ in _log_differences(company))
    assert {what for what in found if what.startswith("command ")} == {
        f"command {id_}" for (id_,) in rows
    }
    assert found.pop("payment postings") == len(company.payments)
    assert set(found.values()) == {1}


def test_of_too_many_differences_the_rest_is_counted(
    company: SmallCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditor, "LISTED", 3)
    company.as_owner("UPDATE balances SET advance = advance + 1")
    report = audit(company.store)
    assert len(report.differences) == 3
    assert len(report.differences) + report.unlisted == len(NUMBERS)
    result = company.run("audit")
    assert result.exit_code == 1
    assert f"not listed: {len(NUMBERS) - 3}\n" in result.stdout
    assert f"differences: {len(NUMBERS)};" in result.stdout


def _log_differences(company: SmallCompany) -> list[Any]:
    with opened_connection(conninfo_of(company.store)) as connection:
        return [(d.what, d.replayed, d.found) for d in check_log(connection.cursor())]
