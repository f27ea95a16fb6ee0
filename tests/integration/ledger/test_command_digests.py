"""Commands are digested into the log: what is changed behind it is found, and old ones expire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from services.ledger import command_digests
from services.ledger.application import OpenAccount, open_account
from services.ledger.command_digests import CommandDigester, days_kept, expire_commands
from services.ledger.domain.book import COMMANDS, CommandsDigested, CommandsExpired
from services.ledger.replay.audit import audit
from shared import context
from shared.config import ConfigurationError
from shared.eventstore.postgres import PostgresStore
from tests.conftest import Database
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

WITH_EVENTS, WITHOUT = "commands with events", "commands without events"

ADDED = (
    "INSERT INTO commands SELECT gen_random_uuid(), '', '', NULL, NULL, recorded_at "
    "FROM commands WHERE last_position IS NULL"
)


class Digests:
    """A ledger whose store is that of a job."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store: PostgresStore = database.store("ledger")
        self.settings = database.settings
        self.digester = CommandDigester()

    def opens(self, number: str) -> None:
        with context.bind(actor="service:test", command_id=uuid4()):
            self.store.execute(open_account, OpenAccount(number=number, payer_kind="household"))

    def run(self) -> None:
        while self.digester.run(self):
            pass

    def digest(self) -> None:
        """Digest as often as the worker does until all is covered that was recorded before."""
        with self.database.owner("ledger") as owner:
            row = owner.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None

        def covered() -> bool:
            self.run()
            return bool(self.digester.idle_through >= row[0])

        # Transactions in other databases of the same server are waited for, too.
        eventually(covered, "all commands are covered")

    def events(self) -> list[Any]:
        return [one.event for one in self.store.query(lambda s: s.history(COMMANDS))]

    def as_owner(self, *statements: str) -> None:
        with self.database.owner("ledger") as owner, owner.transaction():
            for table in ("events", "commands"):
                owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            for statement in statements:
                owner.execute(statement)
            for table in ("events", "commands"):
                owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")

    def differences(self) -> list[str]:
        return [found.what for found in audit(self.store).differences]

    def count(self) -> int:
        with self.database.owner("ledger") as owner:
            row = owner.execute("SELECT count(*) FROM commands").fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
def digests(database: Database, monkeypatch: pytest.MonkeyPatch) -> Digests:
    """Two commands with events and, since it opened an account twice, one without."""
    monkeypatch.setattr(command_digests, "STRAGGLERS", command_digests.STRAGGLERS * 0)
    made = Digests(database)
    for number in ("01", "02", "02"):
        made.opens(number)
    return made


CHANGED = {
    "deleted": ("DELETE FROM commands WHERE last_position = 2", WITH_EVENTS),
    "fingerprint": (
        "UPDATE commands SET fingerprint = '\\x00' WHERE last_position = 1",
        WITH_EVENTS,
    ),
    "result": ("UPDATE commands SET result = 'true' WHERE last_position = 1", WITH_EVENTS),
    "who": ("UPDATE commands SET recorded_by = 'x' WHERE last_position = 1", WITH_EVENTS),
    "deleted without events": ("DELETE FROM commands WHERE last_position IS NULL", WITHOUT),
    "result without events": (
        "UPDATE commands SET result = 'true' WHERE last_position IS NULL",
        WITHOUT,
    ),
    "added": (ADDED, WITHOUT),
}


@pytest.mark.parametrize("change", CHANGED)
def test_a_changed_command_is_named(digests: Digests, change: str) -> None:
    statement, what = CHANGED[change]
    digests.digest()
    assert digests.differences() == []
    digests.as_owner(statement)
    [found] = digests.differences()
    assert found.startswith(what)


def test_nothing_new_is_digested_twice(digests: Digests) -> None:
    digests.digest()
    before = digests.events()
    digests.digest()
    digests.digester = CommandDigester()
    digests.digest()
    assert digests.events() == before
    assert sum(one.count for one in before) == 2
    assert sum(one.idle_count for one in before) == 1
    digests.opens("03")
    digests.digest()
    assert len(digests.events()) == len(before) + 1
    assert digests.differences() == []


def test_a_digester_begins_anew_with_another_log(digests: Digests, database: Database) -> None:
    """What it knows of one log says nothing of another, or of one that lost its tail."""
    long = Digests(database)
    long.digester = digests.digester
    digests.digest()
    digests.as_owner(
        f"DELETE FROM events WHERE originator_id = '{COMMANDS}' OR notification_id = 2",
        "DELETE FROM commands WHERE last_position = 2",
    )
    digests.opens("03")
    digests.digest()
    found = digests.events()
    assert (found[0].after, found[0].through, found[0].count) == (0, 2, 2)
    assert sum(one.idle_count for one in found) == 1
    assert long.store is not digests.store
    long.opens("04")
    long.digest()
    assert sum(one.count for one in long.events()) == 3
    assert not [what for what in long.differences() if what.startswith("command")]


def test_a_long_log_is_digested_in_ranges_that_adjoin(
    digests: Digests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_digests, "AT_ONCE", 1)
    digests.digest()
    ranges = [(one.after, one.through) for one in digests.events() if one.count]
    assert ranges == [(0, 1), (1, 2)]
    assert digests.differences() == []


def test_a_command_that_is_still_being_decided_is_not_missed(digests: Digests) -> None:
    digests.digest()
    with digests.database.owner("ledger") as slow:
        with slow.transaction():
            slow.execute(
                "INSERT INTO commands (command_id, fingerprint, result) "
                "VALUES (gen_random_uuid(), '', 'null')"
            )
            digests.opens("02")
            for _ in range(3):
                digests.run()
        digests.digest()
    assert sum(one.idle_count for one in digests.events()) == 3
    assert digests.differences() == []


def test_old_commands_expire_by_whole_ranges_and_no_proof_breaks(digests: Digests) -> None:
    digests.digest()
    assert not expire_commands(digests), "they are young"
    digests.as_owner("UPDATE events SET recorded_at = recorded_at - interval '401 days'")
    digests.opens("03")
    digests.digest()
    while expire_commands(digests):
        pass
    assert digests.count() == 1
    kinds = [type(one) for one in digests.events()]
    assert kinds.count(CommandsExpired) == kinds.count(CommandsDigested) - 1
    assert digests.differences() == []
    digests.as_owner(
        "INSERT INTO commands VALUES (gen_random_uuid(), '', '', NULL, NULL, '2001-01-01')"
    )
    assert [found.startswith(WITHOUT) for found in digests.differences()] == [True]


def test_nobody_deletes_a_command_that_has_not_expired(digests: Digests) -> None:
    digests.digest()
    deletion = "DELETE FROM commands"
    expiry = "SELECT expire_commands(3)"
    denied = psycopg.errors.InsufficientPrivilege
    with digests.database.owner("ledger") as owner:
        for statement, reason in ((deletion, "append-only"), (expiry, "is old enough")):
            with pytest.raises(denied, match=reason):
                owner.execute(statement)
    for statement in (deletion, expiry):
        with pytest.raises(denied), digests.store.transaction() as cursor:
            cursor.execute(statement)
    assert digests.count() == 3


@pytest.mark.parametrize("text", ["89", "-1", "a year", "400.5"])
def test_commands_are_kept_for_a_number_of_days(text: str) -> None:
    assert days_kept({}) == 400
    assert days_kept({command_digests.DAYS: "90"}) == 90
    environ: Mapping[str, str] = {command_digests.DAYS: text}
    with pytest.raises(ConfigurationError, match="SALDO_LEDGER_COMMANDS_DAYS"):
        days_kept(environ)
