"""A superuser changes the log with triggers off and rebuilds the read model; staff still find it.

The commands ``audit`` and ``verify`` must exit with 1 and name the place.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.integration.ledger.small_company import (
    NUMBERS,
    SmallCompany,
    pay,
)

pytestmark = pytest.mark.nodes

TABLES = ("events", "commands", "checkpoints", "tiles")
SEALED_LAST = 3

# The last two payments of an account, newest first.
PAYMENTS = """
SELECT notification_id, originator_id, originator_version FROM events
 WHERE topic LIKE 'ledger.payment_posted%' AND originator_id = (
       SELECT originator_id FROM events WHERE topic LIKE 'ledger.payment_posted%'
        GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 1)
 ORDER BY 1 DESC LIMIT 2
"""


@pytest.fixture
def company(company: SmallCompany) -> SmallCompany:
    """A company that was sealed, got three more payments, and was sealed again."""
    company.seal()
    for number in NUMBERS[:SEALED_LAST]:
        pay(company, number, date(2026, 6, 1), 100_00)
    company.seal()
    return company


def tamper(company: SmallCompany, *statements: str) -> None:
    with company.database.owner("ledger") as owner, owner.transaction():
        for table in TABLES:
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            owner.execute(statement)
        for table in TABLES:
            owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def rebuild(company: SmallCompany) -> None:
    """Rebuild the read model from the changed log, as a tamperer would."""
    assert company.run("replay", "--all").exit_code == 0


def found(company: SmallCompany, *options: str) -> tuple[list[Any], set[tuple[str, int | None]]]:
    """Return the differences of audit, and the seal findings of audit and verify."""
    audit = company.run("audit", "--json", *options)
    verify = company.run("verify", "--json", *options)
    assert audit.exit_code == verify.exit_code == 1, audit.output + verify.output
    report = json.loads(audit.stdout)
    seal = {(finding["kind"], finding["first"]) for finding in report["seal"]["findings"]}
    assert seal == {
        (finding["kind"], finding["first"]) for finding in json.loads(verify.stdout)["findings"]
    }
    for command in ("audit", "verify"):
        shown = company.run(command, *options)
        assert (shown.exit_code, bool(shown.stdout.strip())) == (1, True)
    return report["differences"], seal


def payments(company: SmallCompany) -> list[tuple[int, Any, int]]:
    with company.database.owner("ledger") as owner:
        return owner.execute(PAYMENTS).fetchall()


def last_position(company: SmallCompany) -> int:
    return company.store.recorder.max_notification_id() or 0


def test_untouched_log_is_clean(company: SmallCompany) -> None:
    for command in ("audit", "verify"):
        assert company.run(command).exit_code == 0


def test_edited_row_is_named(company: SmallCompany) -> None:
    position = payments(company)[0][0]
    tamper(
        company,
        "UPDATE events SET state = convert_to(replace(convert_from(state, 'UTF8'), "
        f"'\"effective_on\":\"2026', '\"effective_on\":\"2025'), 'UTF8') "
        f"WHERE notification_id = {position}",
    )
    rebuild(company)
    differences, seal = found(company)
    assert differences == [], "the change is consistent: only the seal shows it"
    assert ("edited", position) in seal


def test_deleted_row_is_named_even_when_the_gap_is_closed(company: SmallCompany) -> None:
    position, stream, version = payments(company)[1]
    tamper(
        company,
        f"DELETE FROM events WHERE notification_id = {position}",
        f"DELETE FROM commands WHERE first_position = {position}",
        # Through unused versions, because the unique index is checked row by row.
        "UPDATE events SET originator_version = originator_version + 1000000 "
        f"WHERE originator_id = '{stream}' AND originator_version > {version}",
        "UPDATE events SET originator_version = originator_version - 1000001 "
        f"WHERE originator_id = '{stream}' AND originator_version > 1000000",
        "DROP INDEX events_notification_id",
        "UPDATE events SET notification_id = notification_id - 1 "
        f"WHERE notification_id > {position}",
        "CREATE UNIQUE INDEX events_notification_id ON events (notification_id)",
        "UPDATE commands SET first_position = first_position - 1, "
        f"last_position = last_position - 1 WHERE first_position > {position}",
        f"UPDATE payment_postings SET position = position - 1 WHERE position > {position}",
    )
    assert company.run("replay", "--all").exit_code in (0, 1)
    _, seal = found(company)
    assert "deleted" in {kind for kind, _ in seal}
    assert min(at for kind, at in seal if kind != "checkpoint_mismatch" and at) == position


def test_swapped_positions_are_named(company: SmallCompany) -> None:
    (one, _, _), (other, _, _) = payments(company)
    tamper(
        company,
        f"UPDATE events SET notification_id = 1000000 WHERE notification_id = {one}",
        f"UPDATE events SET notification_id = {one} WHERE notification_id = {other}",
        f"UPDATE events SET notification_id = {other} WHERE notification_id = 1000000",
    )
    differences, seal = found(company)
    assert any("position" in found["what"] or "order" in found["what"] for found in differences)
    assert {kind for kind, _ in seal} >= {"moved"}


def test_swapped_versions_are_named(company: SmallCompany) -> None:
    (one, stream, later), (other, _, earlier) = payments(company)
    where = f"WHERE originator_id = '{stream}' AND originator_version"
    tamper(
        company,
        f"UPDATE events SET originator_version = 1000000 {where} = {later}",
        f"UPDATE events SET originator_version = {later} {where} = {earlier}",
        f"UPDATE events SET originator_version = {earlier} {where} = 1000000",
    )
    differences, seal = found(company)
    assert any(found["what"].startswith("order of version") for found in differences)
    assert {("edited", one), ("edited", other)} <= seal


def truncate(company: SmallCompany, after: int) -> None:
    tamper(
        company,
        f"DELETE FROM events WHERE notification_id > {after}",
        f"DELETE FROM commands WHERE last_position > {after}",
        f"DELETE FROM payment_postings WHERE position > {after}",
    )
    rebuild(company)


def test_truncated_end_is_named(company: SmallCompany) -> None:
    end = last_position(company)
    truncate(company, end - 2)
    _, seal = found(company)
    assert ("truncated", end - 1) in seal


def test_truncation_with_checkpoints_is_named_by_an_outside_checkpoint(
    company: SmallCompany, tmp_path: Path
) -> None:
    kept = tmp_path / "checkpoint.txt"
    kept.write_text(company.seal(), encoding="utf-8")
    end = last_position(company)
    before = end - SEALED_LAST
    truncate(company, before)
    tamper(
        company,
        f"DELETE FROM checkpoints WHERE size > {before}",
        f"DELETE FROM tiles WHERE level = 0 AND start >= {before}",
    )
    assert [company.run(command).exit_code for command in ("audit", "verify")] == [0, 0], (
        "undetectable from the database alone"
    )
    _, seal = found(company, "--against", str(kept))
    assert ("truncated", before + 1) in seal
