"""A superuser changes the log, triggers off, and puts the read model right: staff still find it.

What he does is tried through the commands that staff have, ``audit`` and ``verify``; their exit
code is 1, and they name the place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from shared.config import Settings
from tests.integration.ledger.small_company import (
    NUMBERS,
    Settled,
    Template,
    Town,
    copied_town,
    pay,
    settled_town,
)

pytestmark = pytest.mark.nodes

TABLES = ("events", "commands", "checkpoints", "tiles")
SEALED_LAST = 3

# The place of the last payment of an account that has two of them, and of the one before.
PAYMENTS = """
SELECT notification_id, originator_id, originator_version FROM events
 WHERE topic LIKE 'ledger.payment_posted%' AND originator_id = (
       SELECT originator_id FROM events WHERE topic LIKE 'ledger.payment_posted%'
        GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 1)
 ORDER BY 1 DESC LIMIT 2
"""


@pytest.fixture(scope="module")
def settled(base_settings: Settings, template: Template) -> Iterator[Settled]:
    with settled_town(base_settings, template) as made:
        yield made


@pytest.fixture
def town(base_settings: Settings, settled: Settled) -> Iterator[Town]:
    """A town that was sealed, had three more payments, and was sealed again."""
    with copied_town(base_settings, settled) as made:
        made.asks("checkpoint")
        for number in NUMBERS[:SEALED_LAST]:
            pay(made, number, date(2026, 6, 1), 100_00)
        made.asks("checkpoint")
        yield made


def tamper(town: Town, *statements: str) -> None:
    with town.database.owner("ledger") as owner, owner.transaction():
        for table in TABLES:
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            owner.execute(statement)
        for table in TABLES:
            owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def put_right(town: Town) -> None:
    """Make the read model what the changed log says, as he who changed it would."""
    assert town.run("replay", "--all").exit_code == 0


def found(town: Town, *options: str) -> tuple[list[Any], set[tuple[str, int | None]]]:
    """What audit finds in the log and its balances, and what both find in the seal."""
    audit = town.run("audit", "--json", *options)
    verify = town.run("verify", "--json", *options)
    assert audit.exit_code == verify.exit_code == 1, audit.output + verify.output
    report = json.loads(audit.stdout)
    seal = {(finding["kind"], finding["first"]) for finding in report["seal"]["findings"]}
    assert seal == {
        (finding["kind"], finding["first"]) for finding in json.loads(verify.stdout)["findings"]
    }
    for command in ("audit", "verify"):
        told = town.run(command, *options)
        assert (told.exit_code, bool(told.stdout.strip())) == (1, True)
    return report["differences"], seal


def payments(town: Town) -> list[tuple[int, Any, int]]:
    with town.database.owner("ledger") as owner:
        return owner.execute(PAYMENTS).fetchall()


def last_position(town: Town) -> int:
    return town.store.recorder.max_notification_id() or 0


def test_an_untouched_log_is_clean(town: Town) -> None:
    for command in ("audit", "verify"):
        assert town.run(command).exit_code == 0


def test_an_edited_row_is_named(town: Town) -> None:
    position = payments(town)[0][0]
    tamper(
        town,
        "UPDATE events SET state = convert_to(replace(convert_from(state, 'UTF8'), "
        f"'\"effective_on\":\"2026', '\"effective_on\":\"2025'), 'UTF8') "
        f"WHERE notification_id = {position}",
    )
    put_right(town)
    differences, seal = found(town)
    assert differences == [], "the change is consistent: only the seal knows"
    assert ("edited", position) in seal


def test_a_deleted_row_is_named_also_when_the_gap_is_closed(town: Town) -> None:
    position, stream, version = payments(town)[1]
    tamper(
        town,
        f"DELETE FROM events WHERE notification_id = {position}",
        f"DELETE FROM commands WHERE first_position = {position}",
        # By way of versions that are free: each row is checked as it comes, in any order.
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
    assert town.run("replay", "--all").exit_code in (0, 1)
    _, seal = found(town)
    assert "deleted" in {kind for kind, _ in seal}
    assert min(at for kind, at in seal if kind != "checkpoint_mismatch" and at) == position


def test_positions_that_changed_places_are_named(town: Town) -> None:
    (one, _, _), (other, _, _) = payments(town)
    tamper(
        town,
        f"UPDATE events SET notification_id = 1000000 WHERE notification_id = {one}",
        f"UPDATE events SET notification_id = {one} WHERE notification_id = {other}",
        f"UPDATE events SET notification_id = {other} WHERE notification_id = 1000000",
    )
    differences, seal = found(town)
    assert any("position" in found["what"] or "order" in found["what"] for found in differences)
    assert {kind for kind, _ in seal} >= {"moved"}


def test_versions_that_changed_places_are_named(town: Town) -> None:
    (one, stream, later), (other, _, earlier) = payments(town)
    where = f"WHERE originator_id = '{stream}' AND originator_version"
    tamper(
        town,
        f"UPDATE events SET originator_version = 1000000 {where} = {later}",
        f"UPDATE events SET originator_version = {later} {where} = {earlier}",
        f"UPDATE events SET originator_version = {earlier} {where} = 1000000",
    )
    differences, seal = found(town)
    assert any(found["what"].startswith("order of version") for found in differences)
    assert {("edited", one), ("edited", other)} <= seal


def cut_off(town: Town, after: int) -> None:
    tamper(
        town,
        f"DELETE FROM events WHERE notification_id > {after}",
        f"DELETE FROM commands WHERE last_position > {after}",
        f"DELETE FROM payment_postings WHERE position > {after}",
    )
    put_right(town)


def test_a_cut_off_end_is_named(town: Town) -> None:
    end = last_position(town)
    cut_off(town, end - 2)
    _, seal = found(town)
    assert ("truncated", end - 1) in seal


def test_an_end_cut_off_with_its_checkpoints_is_named_by_one_kept_elsewhere(
    town: Town, tmp_path: Path
) -> None:
    kept = tmp_path / "checkpoint.txt"
    kept.write_text(town.asks("checkpoint")["checkpoint"], encoding="utf-8")
    end = last_position(town)
    before = end - SEALED_LAST
    cut_off(town, before)
    tamper(
        town,
        f"DELETE FROM checkpoints WHERE size > {before}",
        f"DELETE FROM tiles WHERE level = 0 AND start >= {before}",
    )
    assert [town.run(command).exit_code for command in ("audit", "verify")] == [0, 0], (
        "who has the whole database and nothing beside it cannot know"
    )
    _, seal = found(town, "--against", str(kept))
    assert ("truncated", before + 1) in seal
