"""A log that its owner changed: the audit names the change, or the seal finds it."""

from __future__ import annotations

import json

import pytest

from services.ledger.domain import account_id
from tests.integration.ledger.small_company import NUMBERS, SmallCompany

pytestmark = pytest.mark.nodes

# Changes by the owner of the tables, with the triggers off.
TAMPERED = {
    "positions of the log": "DELETE FROM events WHERE notification_id = 30",
    "versions of a stream": "DELETE FROM events WHERE notification_id = 30",
    "time of position 31": (
        "UPDATE events SET recorded_at = recorded_at - interval '1 day' WHERE notification_id = 31"
    ),
    "event at position 30": "UPDATE events SET state = 'nonsense' WHERE notification_id = 30",
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_change_of_the_log_is_named(company: SmallCompany, what: str) -> None:
    company.as_owner(TAMPERED[what])
    assert what in company.audit_differences()


def test_the_end_of_the_log_is_missed(company: SmallCompany) -> None:
    company.as_owner(
        "DELETE FROM events WHERE notification_id > (SELECT max(notification_id) - 2 FROM events)"
    )
    assert any("version" in what or "read model" in what for what in company.audit_differences())


def test_swapped_events_are_named(company: SmallCompany) -> None:
    stream = f"originator_id = '{account_id(NUMBERS[0])}'"
    company.as_owner(
        f"UPDATE events SET originator_version = originator_version + 1000 "
        f"WHERE {stream} AND originator_version IN (2, 3)",
        f"UPDATE events SET originator_version = 1005 - originator_version "
        f"WHERE {stream} AND originator_version > 1000",
    )
    assert any(what.startswith("order of version 3") for what in company.audit_differences())


def test_a_command_that_points_elsewhere_is_named(company: SmallCompany) -> None:
    with company.database.owner("ledger") as owner:
        row = owner.execute("SELECT command_id FROM commands WHERE first_position = 30").fetchone()
    assert row is not None
    company.as_owner("UPDATE commands SET first_position = 31 WHERE first_position = 30")
    assert f"command {row[0]}" in company.audit_differences()


def test_a_payment_posted_twice_is_named(company: SmallCompany) -> None:
    payment_id = next(iter(company.payments))
    with company.database.owner("ledger") as owner:
        row = owner.execute(
            "SELECT originator_id, convert_from(state, 'UTF8') FROM events "
            "WHERE convert_from(state, 'UTF8') LIKE %s AND topic LIKE 'ledger.payment_posted%%'",
            (f"%{payment_id}%",),
        ).fetchone()
        assert row is not None
        last = owner.execute("SELECT max(notification_id) FROM events").fetchone()
    assert last is not None
    company.as_owner(
        "INSERT INTO events SELECT originator_id, (SELECT max(originator_version) + 1 FROM events "
        f"WHERE originator_id = '{row[0]}'), topic, state, {last[0] + 1}, recorded_at, "
        "command_id, actor, correlation_id, recorded_by FROM events "
        f"WHERE originator_id = '{row[0]}' AND convert_from(state, 'UTF8') LIKE '%{payment_id}%' "
        "LIMIT 1"
    )
    assert f"event at position {last[0] + 1}" in company.audit_differences()


def test_a_consistent_rewrite_is_found_by_the_seal(company: SmallCompany) -> None:
    company.seal()
    company.as_owner("UPDATE events SET actor = 'staff:nobody' WHERE notification_id = 30")
    result = company.run("audit", "--json")
    report = json.loads(result.stdout)
    assert report["differences"] == []
    assert result.exit_code == 1
    assert report["seal"]["findings"]
