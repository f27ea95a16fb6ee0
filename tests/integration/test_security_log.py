"""The security log of a service: only added to, read by auditors, swept when it is old."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from services.identity.commands import Command
from shared import context
from shared.config import SERVICES
from shared.errors import Conflict
from shared.eventstore import Session
from shared.eventstore.privileges import security_reader_of, writer_of
from tests.conftest import Database, role_of
from tests.staff_logins import SignedIn, signed_in

REFUSED = psycopg.errors.InsufficientPrivilege
NOTE = (
    "INSERT INTO security_log (at, actor, action, about, reason, correlation_id) "
    "VALUES (now(), %s, 'person_shown', '', 'act 7', '')"
)


class Look(Command, frozen=True, kw_only=True):
    person_id: UUID


def looked(session: Session, command: Look) -> None:
    session.security.note(
        "person_shown", person_id=command.person_id, about="question:7", reason="act 7"
    )


def looked_in_vain(session: Session, command: Look) -> None:
    looked(session, command)
    raise Conflict("in_vain", "In vain.")


def entries(database: Database, **chosen: Any) -> list[Any]:
    return list(
        database.store("identity").query(
            lambda session: session.security.entries(limit=10, **chosen)
        )
    )


def test_an_entry_has_who_what_of_whom_and_why(database: Database) -> None:
    store, person_id = database.store("identity"), uuid4()
    with context.bind(actor="staff:ivanova"):
        store.transact(looked, Look(person_id=person_id))
        with pytest.raises(Conflict):
            store.transact(looked_in_vain, Look(person_id=person_id))
    store.transact(looked, Look(person_id=uuid4()))
    [entry] = entries(database, person_id=person_id)
    assert (entry.actor, entry.action, entry.about, entry.reason) == (
        "staff:ivanova", "person_shown", "question:7", "act 7",
    )  # fmt: skip
    assert entries(database, by="staff:ivanova") == [entry]
    assert len(entries(database)) == 2
    assert entries(database, since=entry.at + timedelta(days=1)) == []


def test_a_query_notes_nothing(database: Database) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        database.store("identity").query(lambda session: session.security.note("person_shown"))


@pytest.mark.parametrize("service", SERVICES)
def test_nobody_changes_it_and_nobody_shortens_it(database: Database, service: str) -> None:
    def refused(connection: psycopg.Connection[Any], *statements: str) -> None:
        for statement in statements:
            with pytest.raises(REFUSED):
                connection.execute(statement)

    with psycopg.connect(
        database.settings.database_url_of(service), autocommit=True,
        options=f"-c search_path={service}",
    ) as connection:  # fmt: skip
        connection.execute(NOTE, ("staff:ivanova",))
        refused(
            connection,
            "UPDATE security_log SET actor = 'staff:petrova'",
            "DELETE FROM security_log",
            "TRUNCATE security_log",
            "SELECT sweep_security_log(now(), 10)",
        )
    with database.owner(service) as owner:
        refused(
            owner,
            "UPDATE security_log SET reason = ''",
            "TRUNCATE security_log",
            "DELETE FROM security_log",
        )
        assert owner.execute("SELECT count(*) FROM security_log").fetchone() == (1,)


def test_what_is_old_is_swept_and_nothing_else(database: Database) -> None:
    store = database.store("identity")
    with database.owner("identity") as owner:
        row = owner.execute("SELECT 'staff:' || session_user").fetchone()
        assert row
        [actor] = row
        for days in (400, 300, 200, 1):
            old = f"now() - interval '{days} days'"
            owner.execute(NOTE.replace("now()", old, 1), (actor,))  # type: ignore[call-overload]

    def sweep(days: int, most: int) -> Callable[[Any, None], int]:
        def swept(session: Session, _: None) -> int:
            before = session.now - timedelta(days=days)
            return session.security.sweep(before, most)

        return swept

    assert store.transact(sweep(250, 1), None) == 1
    assert store.transact(sweep(250, 10), None) == 1
    assert len(entries(database)) == 2
    with pytest.raises(REFUSED):
        store.transact(sweep(0, 10), None)
    assert len(entries(database)) == 2


def test_an_auditor_reads_it_in_every_service_and_changes_nothing(database: Database) -> None:
    with signed_in(database, "auditor", "auditor") as auditor:
        for service in SERVICES:
            with auditor.connect(service) as connection:
                assert connection.execute("SELECT count(*) FROM security_log").fetchone() == (0,)
                for statement in (NOTE, "SELECT sweep_security_log(now(), 10)"):
                    with pytest.raises((REFUSED, psycopg.errors.ReadOnlySqlTransaction)):
                        connection.execute(statement, ("staff:a",) if "%s" in statement else None)


def test_an_administrator_and_the_services_of_others_do_not_read_it(
    database: Database, administrator: SignedIn
) -> None:
    with administrator.connect("identity") as connection, pytest.raises(REFUSED):
        connection.execute("SELECT * FROM security_log")
    with psycopg.connect(
        database.settings.database_url_of("ledger"), autocommit=True
    ) as connection:
        with pytest.raises(REFUSED):
            connection.execute("SELECT * FROM identity.security_log")
        with pytest.raises(REFUSED):
            connection.execute(f"SET ROLE {security_reader_of(role_of('ledger'), 'ledger')}")


def test_it_takes_no_other_name_from_an_operator(database: Database, operator: SignedIn) -> None:
    with operator.connect("identity", writer_of(role_of("identity"))) as connection:
        with pytest.raises(psycopg.errors.CheckViolation, match="actor_is_the_login"):
            connection.execute(NOTE, ("staff:sidorova",))
        connection.execute(NOTE, (operator.actor,))
