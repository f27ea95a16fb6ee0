"""What a leader notes with its next look at the log, and what it knows of the log meanwhile."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from services.ledger.domain import Account, account_id
from services.ledger.publishing import publish
from shared.bus.epochs import MARK, LogHistory
from shared.bus.leadership import Lead, LeadLostError, take_lead
from shared.bus.reactions import Reactions
from shared.bus.relay import next_window, read_window
from shared.errors import Unavailable
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database
from tests.integration.bus_ends import (
    Calls,
    deliveries,
    leading,
    open_one,
    pay,
    relayed,
    start_again,
)

NOTED = "UPDATE relay SET position = %(to)s, published = %(to)s WHERE position = %(after)s"


@pytest.fixture
def ledger(database: Database) -> PostgresStore:
    store = database.store("ledger")
    open_one(store)
    pay(store, 3)
    return store


def known(lead: Lead) -> tuple[LogHistory, bool]:
    row = lead.connection.execute(f"SELECT {MARK} FROM relay LEFT JOIN log_run ON true").fetchone()
    return lead.known.of(row, lead.connection)


def test_what_is_left_to_note_is_noted_with_the_next_look(
    database: Database, ledger: PostgresStore
) -> None:
    with leading(database, "ledger", "relay") as lead:
        lead.note_later(NOTED, {"after": 0, "to": 1})
        lead.note_later(NOTED, {"after": 1, "to": 2})
        assert (lead.has_notes, relayed(database)) == (True, 0)
        window = next_window(lead, ledger, publish, 10)
        assert window is not None
        assert (window.after, window.position) == (2, 4), "it follows what was noted with it"
        assert (lead.has_notes, relayed(database)) == (False, 2)
        lead.note_later(NOTED, {"after": 2, "to": 3})
        lead.note(NOTED, {"after": 3, "to": 4})
        assert relayed(database) == 4, "in their order"


def test_what_is_left_to_note_is_noted_where_the_broker_is_lost(
    database: Database, ledger: PostgresStore
) -> None:
    with leading(database, "ledger", "relay") as lead:
        lead.note_later(NOTED, {"after": 0, "to": 3})
        with pytest.raises(ConnectionError):
            lose_broker(lead)
        assert relayed(database) == 3
        lead.note_later(NOTED, {"after": 3, "to": 4})
        with database.runtime("ledger") as another:
            take_lead(another, "relay")
        with pytest.raises(ConnectionError):  # that is why the work ends, whoever leads by now
            lose_broker(lead)
        assert relayed(database) == 3


def lose_broker(lead: Lead) -> None:
    with lead.noting():
        raise ConnectionError


def test_a_note_of_a_lead_that_is_lost_is_refused(
    database: Database, ledger: PostgresStore
) -> None:
    with leading(database, "ledger", "relay") as lead:
        lead.note_later(NOTED, {"after": 0, "to": 1})
        with database.runtime("ledger") as another:
            take_lead(another, "relay")
        with pytest.raises(LeadLostError):
            read_window(lead, ledger, publish, 0, 10, 0)
        assert relayed(database) == 0


def test_a_reader_that_has_lost_its_lead_leaves_nothing_behind(
    database: Database, ledger: PostgresStore
) -> None:
    def open_another(session: Any, message: Any, services: Any) -> None:
        number = f"020000000{message.position}"
        account = session.load(Account, account_id(number))
        account.open(number, "household", date(2026, 1, 1))

    calls = Calls(database.settings, ledger, ledger)
    reading = Reactions(calls, ledger, "ledger", {"payment_posted": open_another})
    batch = deliveries(ledger)
    with leading(database, "ledger", "listen") as lead:
        reading.leader = lead
        reading.apply(batch[:2])
        assert len(ledger.log_after(0, 99)) == 5
        with database.runtime("ledger") as another:
            take_lead(another, "listen")
        with pytest.raises(LeadLostError):
            reading.apply(batch[2:])
    assert len(ledger.log_after(0, 99)) == 5
    assert reading.point().position == 2


def test_a_leader_sees_that_the_log_is_not_confirmed_any_more(
    database: Database, ledger: PostgresStore
) -> None:
    with leading(database, "ledger", "relay") as lead:
        assert next_window(lead, ledger, publish, 10) is not None
        start_again(database)
        with pytest.raises(Unavailable):
            next_window(lead, ledger, publish, 10)


def test_a_leader_sees_a_log_that_ends_before_what_was_published(
    database: Database, ledger: PostgresStore
) -> None:
    with leading(database, "ledger", "relay") as lead:
        assert known(lead)[1]
        with database.owner("ledger") as owner:
            owner.execute("UPDATE relay SET position = 5")
        assert not known(lead)[1]


def test_a_leader_sees_a_new_epoch(database: Database, ledger: PostgresStore) -> None:
    with leading(database, "ledger", "relay") as lead:
        first, _ = known(lead)
        again, _ = known(lead)
        assert again is first, "nothing has changed"
        with database.owner("ledger") as owner:
            owner.execute(
                "INSERT INTO epochs (number, name, after_position, reason, server)"
                " VALUES (2, '2.0badcafe', 4, 'tail_lost', '')"
            )
        assert known(lead)[0].current.name == "2.0badcafe"


def test_a_leader_sees_a_log_that_was_put_in_the_place_of_the_old_one(
    database: Database, ledger: PostgresStore
) -> None:
    with leading(database, "ledger", "relay") as lead:
        for _ in range(8):  # more often than it takes to keep the plans
            assert next_window(lead, ledger, publish, 10) is not None
        with database.owner("ledger") as owner:
            owner.execute("CREATE TABLE copied (LIKE events INCLUDING ALL)")
            owner.execute("GRANT SELECT ON copied TO PUBLIC")
            owner.execute("INSERT INTO copied SELECT * FROM events")
            owner.execute("ALTER TABLE events RENAME TO lost")
            owner.execute("ALTER TABLE copied RENAME TO events")
        with pytest.raises(Unavailable):
            next_window(lead, ledger, publish, 10)
        with database.owner("ledger") as owner:
            owner.execute("DROP TABLE events")
            owner.execute("ALTER TABLE lost RENAME TO events")
        assert next_window(lead, ledger, publish, 10) is not None
