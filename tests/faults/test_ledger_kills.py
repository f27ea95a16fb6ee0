"""A bulk job of the ledger that is killed at a chosen place can be run again.

A trigger or a lock in the database stops the job there; then the process is killed with -9, or
PostgreSQL ends its connection. The events and rows in the end are those of an undisturbed run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import pytest

from services.ledger.domain.book import BOOK_STREAMS
from shared.config import Settings
from tests.conftest import Database, fresh_database
from tests.simulation.installation import QuickTerminal, Terminal
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

ACCOUNTS = 9_000  # three chunks of bills, five of accruals
STOP_LOCK = 20261123
BILL_BYTES = ("account;period;due_on;effective_on;service;name;charged\n", "2026-03;2026-04-15")
AUTHOR = ("--reason", "test")
ACCRUE = ("accrue", "--on", "2026-07-14", *AUTHOR)

_STOP = f"""
CREATE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock({STOP_LOCK}); RETURN NEW; END $$;
GRANT EXECUTE ON FUNCTION stop_here() TO PUBLIC;
CREATE TRIGGER stop_here BEFORE {{event}} FOR EACH ROW WHEN ({{when}})
EXECUTE FUNCTION stop_here();
"""
# Whoever waits there, and not, say, for what a session of a killed process still holds.
_WAITING = f"""
SELECT pid FROM pg_locks
 WHERE NOT granted
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND (locktype = 'advisory' AND objid = {STOP_LOCK}
        OR locktype = 'relation' AND relation = to_regclass(%s) AND %s)
"""
# The events of the book have the ids and times of each run.
_OF_ACCOUNTS = f"FROM events WHERE originator_id <> ALL ('{{{','.join(map(str, BOOK_STREAMS))}}}')"
_CONTENT = {
    "events": (
        f"SELECT originator_id, originator_version, topic, state {_OF_ACCOUNTS} ORDER BY 1, 2"
    ),
    "balances": "SELECT to_jsonb(b) FROM balances AS b ORDER BY b.account_id",
}

Content: TypeAlias = dict[str, list[tuple[Any, ...]]]
Template: TypeAlias = tuple[Settings, str]


@dataclass
class Place:
    """Where a job is stopped: before a row of a table, or by a lock on a whole table."""

    table: str
    event: str = ""
    when: str = "true"


BEFORE_BILLS = ACCOUNTS + 3
"""The last position before the bills: the accounts, their import's two events, the bills' first."""

IMPORT_PLACES = {
    "reading the first bills": Place("balances"),
    "within the COPY of the first chunk": Place(
        "events", "INSERT", f"NEW.notification_id = {BEFORE_BILLS} + 2500"
    ),
    "between two chunks": Place("events", "INSERT", f"NEW.notification_id = {BEFORE_BILLS} + 4001"),
    "chunk written, journal line missing": Place("import_chunks", "INSERT", "NEW.chunk = 1"),
    "last commit done, journal not closed": Place("imports", "UPDATE"),
}


class KillHarness:
    """A database of 9 000 accounts, and a terminal to run jobs in."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.terminal = Terminal(database.settings)
        self.name = urlsplit(database.settings.database_url).path.removeprefix("/")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.database.owner("ledger") as owner:
            return owner.execute(query).fetchall()

    def content(self) -> Content:
        return {name: self.rows(query) for name, query in _CONTENT.items()}

    def run_json(self, *words: str) -> Any:
        """Run a command undisturbed, and return its output."""
        return QuickTerminal(self.database.settings).run_json(*words)

    def bills(self) -> Path:
        path = self.folder / "bills.csv"
        if not path.exists():
            head, days = BILL_BYTES
            rows = (
                f"{n:06};{days};2026-03-31;heating;Отопление;{4_000 + n},{n % 100:02}\n"
                for n in range(ACCOUNTS)
            )
            path.write_text(head + "".join(rows), encoding="utf-8")
        return path

    def imports(self) -> tuple[str, ...]:
        return ("import", str(self.bills()), *AUTHOR)

    @contextmanager
    def stopped(self, place: Place, *words: str) -> Iterator[Any]:
        """Run a command until it stops at a place; yield the process and its connections."""
        waiting = place.table, not place.event
        with self.database.owner("ledger") as owner, self.database.owner("ledger") as holder:
            if place.event:
                holder.execute(f"SELECT pg_advisory_lock({STOP_LOCK})")
                owner.execute(
                    _STOP.format(event=f"{place.event} ON {place.table}", when=place.when)
                )
            else:
                holder.execute("BEGIN")
                holder.execute(f"LOCK TABLE {place.table} IN ACCESS EXCLUSIVE MODE")
            with self.terminal.start(*words) as process:
                blocked = eventually(
                    lambda: (
                        owner.execute(_WAITING, waiting).fetchall() or process.poll() is not None
                    ),
                    f"the job stops at {place}",
                )
                assert process.poll() is None, process.communicate()
                yield process, blocked
                holder.execute(
                    f"SELECT pg_advisory_unlock({STOP_LOCK})" if place.event else "ROLLBACK"
                )
                process.communicate()
            if place.event:
                # Waits until the killed process's session is gone.
                owner.execute("DROP FUNCTION stop_here() CASCADE")

    def assert_consistent(self) -> None:
        """Assert that events and balances agree."""
        [(events, versions)] = self.rows(
            f"SELECT (SELECT count(*) {_OF_ACCOUNTS}), (SELECT sum(version) FROM balances)"
        )
        assert events == versions


@contextmanager
def copied(harness: KillHarness, base: Settings, folder: Path) -> Iterator[KillHarness]:
    with fresh_database(base, (harness.database.settings, harness.name)) as made:
        yield KillHarness(made, folder)


@pytest.fixture(scope="module")
def opened(
    base_settings: Settings, template: Template, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KillHarness]:
    """A database of accounts without bills."""
    with fresh_database(base_settings, template) as made:
        harness = KillHarness(made, tmp_path_factory.mktemp("kills"))
        registry = harness.folder / "registry.csv"
        rows = (f"{n:06};household;2026-01-01\n" for n in range(ACCOUNTS))
        registry.write_text("account;payer_kind;effective_on\n" + "".join(rows))
        harness.run_json("import", str(registry), *AUTHOR)
        yield harness


@pytest.fixture(scope="module")
def billed(opened: KillHarness, base_settings: Settings) -> Iterator[KillHarness]:
    """The same with a bill per account, imported undisturbed."""
    with copied(opened, base_settings, opened.folder) as harness:
        assert harness.run_json(*harness.imports())["counts"]["entries"] == ACCOUNTS
        yield harness


@pytest.fixture(scope="module")
def accrued(billed: KillHarness, base_settings: Settings) -> Iterator[KillHarness]:
    """The same with the penalties of July, accrued undisturbed."""
    with copied(billed, base_settings, billed.folder) as harness:
        assert harness.run_json(*ACCRUE)["changed"] == ACCOUNTS
        yield harness


def test_import_killed_at_every_place_takes_effect_once(
    opened: KillHarness, billed: KillHarness, base_settings: Settings
) -> None:
    with copied(opened, base_settings, opened.folder) as harness:
        for name, place in IMPORT_PLACES.items():
            with harness.stopped(place, *harness.imports()) as (process, blocked):
                if "COPY" in name:
                    assert half_copied(harness)
                process.kill()
                if place.table == "imports":
                    # Its COMMIT is on the way behind it: the import would end without its sender.
                    end_connections(harness, blocked)
            harness.assert_consistent()
        chunks = harness.rows(
            "SELECT count(*) FROM import_chunks JOIN imports USING (digest) WHERE kind = 'charges'"
        )
        assert chunks == [(3,)]
        summary = harness.run_json(*harness.imports())
        assert (summary["state"], summary["resumed"]) == ("imported", True)
        assert summary["counts"]["entries"] == ACCOUNTS
        assert harness.content() == billed.content()
        assert harness.run_json(*harness.imports())["state"] == "imported_before"
        assert harness.run_json("audit")["differences"] == []


def test_import_continues_after_its_connection_is_ended(
    opened: KillHarness, billed: KillHarness, base_settings: Settings
) -> None:
    place = Place("events", "INSERT", f"NEW.notification_id = {BEFORE_BILLS} + 6000")
    with copied(opened, base_settings, opened.folder) as harness:
        with harness.stopped(place, *harness.imports(), "--json") as (process, blocked):
            end_connections(harness, blocked)
        assert process.returncode == 0
        assert harness.content() == billed.content()


def test_accrual_killed_between_and_within_chunks_takes_effect_once(
    billed: KillHarness, accrued: KillHarness, base_settings: Settings
) -> None:
    first = 2 * ACCOUNTS + 4  # two imports have begun and finished
    with copied(billed, base_settings, billed.folder) as harness:
        # Each run begins with an event of its own.
        for number in (first + 1 + 1_500, first + 2 + 2_001):
            place = Place("events", "INSERT", f"NEW.notification_id = {number}")
            with harness.stopped(place, *ACCRUE) as (process, _):
                process.kill()
            harness.assert_consistent()
        place = Place("events", "INSERT", f"NEW.notification_id = {first + 7_000}")
        with harness.stopped(place, *ACCRUE) as (process, blocked):
            end_connections(harness, blocked)
        assert process.returncode == 2
        harness.assert_consistent()
        [(committed,)] = harness.rows(f"SELECT count(*) - {2 * ACCOUNTS} {_OF_ACCOUNTS}")
        assert 4_000 <= committed < ACCOUNTS
        assert harness.run_json(*ACCRUE)["changed"] == ACCOUNTS - committed
        assert harness.content() == accrued.content()
        assert harness.run_json(*ACCRUE)["changed"] == 0
        assert harness.run_json("audit")["differences"] == []


@pytest.mark.parametrize("how", ["kill -9", "connection ended"])
def test_rebuild_killed_before_the_swap_changes_nothing(
    billed: KillHarness, base_settings: Settings, how: str
) -> None:
    right = billed.content()
    with copied(billed, base_settings, billed.folder) as harness:
        with harness.database.owner("ledger") as owner:
            owner.execute("UPDATE balances SET penalty = penalty + 1 WHERE number < '000200'")
        wrong = harness.content()
        # Stopped at the first row of the swap, or at the first row of the rebuilt model.
        place = (
            Place("balances", "DELETE") if how == "kill -9" else Place("rebuilt_balances", "INSERT")
        )
        with harness.stopped(place, "replay", "--all", "--workers", "2") as (process, blocked):
            if how == "kill -9":
                process.kill()
            else:
                end_connections(harness, blocked)
        assert process.returncode == (-9 if how == "kill -9" else 2)
        assert harness.content() == wrong
        eventually(lambda: replays(harness), "the lock of the ended rebuild is free")
        assert harness.content() == right


def half_copied(harness: KillHarness) -> bool:
    """Return whether a COPY into the log has processed some rows."""
    found = harness.rows(
        "SELECT tuples_processed FROM pg_stat_progress_copy "
        "WHERE relid = 'events'::regclass AND datname = current_database()"
    )
    return any(tuples > 1_000 for (tuples,) in found)


def end_connections(harness: KillHarness, blocked: list[tuple[int]]) -> None:
    with harness.database.owner("ledger") as owner:
        for (pid,) in blocked:
            ended = owner.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,)).fetchone()
            assert ended == (True,)


def replays(harness: KillHarness) -> bool:
    code, out, err = QuickTerminal(harness.database.settings).run("replay", "--all", "--json")
    assert code == 0 or "under way" in err, err
    return code == 0 and json.loads(out)["swapped"] is True
