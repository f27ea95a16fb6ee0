"""What staff may do is a row that only their administrator adds, and never about himself."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from shared.config import SERVICES
from shared.eventstore.privileges import staff_admin_of, writer_of
from shared.staff import Grant, HeldGrant, grant, granted, grants, revoke
from tests.conftest import Database, role_of
from tests.staff_logins import SignedIn

REFUSED = psycopg.errors.InsufficientPrivilege
GRANT = (
    "INSERT INTO staff_grants (name, permission, up_to, granted, reason) "
    "VALUES (%s, 'adjust', 100000000, true, 'because')"
)


def held_by(cursor: Any, name: str) -> list[HeldGrant]:
    return [held for held in grants(cursor) if held.name == name]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_cannot_change_what_staff_may_do(database: Database, service: str) -> None:
    runtime = role_of(service)
    with psycopg.connect(
        database.settings.database_url_of(service), autocommit=True,
        options=f"-c search_path={service}",
    ) as connection:  # fmt: skip
        for statement in (
            GRANT.replace("%s", "'clerk'"),
            "UPDATE staff_grants SET up_to = NULL",
            "DELETE FROM staff_grants",
            f"SET ROLE {staff_admin_of(runtime, service)}",
        ):
            with pytest.raises(REFUSED):
                connection.execute(statement)


def test_operator_cannot_change_what_staff_may_do(database: Database, operator: SignedIn) -> None:
    for service in SERVICES:
        with operator.connect(service, writer_of(role_of(service))) as connection:
            for name in ("clerk", operator.name):
                with pytest.raises(REFUSED):
                    connection.execute(GRANT, (name,))


def test_nobody_changes_his_own_limit(database: Database, administrator: SignedIn) -> None:
    with administrator.connect("ledger") as connection:
        with pytest.raises(psycopg.errors.CheckViolation, match="nobody_grants_himself"):
            connection.execute(GRANT, (administrator.name,))
        connection.execute(GRANT, ("clerk",))
        with pytest.raises(REFUSED):  # nor says that somebody else did it
            connection.execute(
                "INSERT INTO staff_grants (name, permission, granted, reason, by) "
                "VALUES (%s, 'adjust', true, 'because', 'staff.boss')",
                (administrator.name,),
            )
        row = connection.execute("SELECT by FROM staff_grants ORDER BY id DESC LIMIT 1").fetchone()
    assert row == (f"staff.{administrator.name}",)


def test_grants_of_staff_are_append_only(database: Database) -> None:
    with database.owner("ledger") as owner, pytest.raises(REFUSED, match="append-only"):
        owner.execute("UPDATE staff_grants SET up_to = NULL")


def test_the_newest_row_holds(database: Database) -> None:
    with database.owner("ledger") as owner, owner.cursor(row_factory=psycopg.rows.dict_row) as rows:
        assert granted(rows, "clerk", "adjust") is None
        grant(rows, "clerk", "adjust", "hired", 50_000_00)
        grant(rows, "clerk", "adjust", "promoted", 100_000_00)
        grant(rows, "clerk", "read", "hired")
        assert granted(rows, "clerk", "adjust") == Grant(100_000_00)
        reasons = {held.permission: held.reason for held in held_by(rows, "clerk")}
        assert reasons == {"adjust": "promoted", "read": "hired"}
        revoke(rows, "clerk", "adjust", "moved on")
        assert granted(rows, "clerk", "adjust") is None
        assert [held.permission for held in held_by(rows, "clerk")] == ["read"]
