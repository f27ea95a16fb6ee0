"""A bulk job of the ledger that is killed at a certain place is completed by repeating it.

A trigger or a lock in the database stops the job at the place; then the process is killed with -9,
or PostgreSQL ends its connection. The result is, event by event and row by row, that of an
undisturbed run.
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

from shared.config import Settings
from tests.conftest import Database, fresh_database
from tests.simulation.installation import QuickTerminal, Terminal
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

ACCOUNTS = 9_000  # three chunks of bills, five of accruals
HELD = 20261123
BILL_BYTES = ("account;period;due_on;effective_on;service;name;charged\n", "2026-03;2026-04-15")
AUTHOR = ("--actor", "ivanova", "--reason", "test")
ACCRUE = ("accrue", "--on", "2026-07-14", *AUTHOR)

_STOP = f"""
CREATE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock({HELD}); RETURN NEW; END $$;
GRANT EXECUTE ON FUNCTION stop_here() TO PUBLIC;
CREATE TRIGGER stop_here BEFORE {{event}} FOR EACH ROW WHEN ({{when}})
EXECUTE FUNCTION stop_here();
"""
_WAITING = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()
"""
_CONTENT = {
    "events": "SELECT originator_id, originator_version, topic, state FROM events ORDER BY 1, 2",
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


IMPORT_PLACES = {
    "while the first bills are read": Place("balances"),
    "in the middle of the COPY of the first chunk": Place(
        "events", "INSERT", f"NEW.notification_id = {ACCOUNTS} + 2500"
    ),
    "between two chunks": Place("events", "INSERT", f"NEW.notification_id = {ACCOUNTS} + 4001"),
    "when a chunk is written, but for its line in the journal": Place(
        "import_chunks", "INSERT", "NEW.chunk = 1"
    ),
    "after the last commit, before the end of the journal": Place("imports", "UPDATE"),
}


class Ledger:
    """A database of 9 000 accounts, and a terminal that works on it."""

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

    def asks(self, *words: str) -> Any:
        """Run a command undisturbed; return its JSON."""
        return QuickTerminal(self.database.settings).asks(*words)

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
        with self.database.owner("ledger") as owner, self.database.owner("ledger") as holder:
            if place.event:
                holder.execute(f"SELECT pg_advisory_lock({HELD})")
                owner.execute(
                    _STOP.format(event=f"{place.event} ON {place.table}", when=place.when)
                )
            else:
                holder.execute("BEGIN")
                holder.execute(f"LOCK TABLE {place.table} IN ACCESS EXCLUSIVE MODE")
            with self.terminal.start(*words) as process:
                waiting = eventually(
                    lambda: owner.execute(_WAITING).fetchall() or process.poll() is not None,
                    f"the job stops at {place}",
                )
                assert process.poll() is None, process.communicate()
                yield process, waiting
                holder.execute(f"SELECT pg_advisory_unlock({HELD})" if place.event else "ROLLBACK")
                process.communicate()
            if place.event:
                # Waits until the backend of the killed process has ended.
                owner.execute("DROP FUNCTION stop_here() CASCADE")

    def check_consistency(self) -> None:
        """Check that what is committed is consistent, though the job is not done."""
        [(events, versions)] = self.rows(
            "SELECT (SELECT count(*) FROM events), (SELECT sum(version) FROM balances)"
        )
        assert events == versions


@contextmanager
def copied(ledger: Ledger, base: Settings, folder: Path) -> Iterator[Ledger]:
    with fresh_database(base, (ledger.database.settings, ledger.name)) as made:
        yield Ledger(made, folder)


@pytest.fixture(scope="module")
def opened(
    base_settings: Settings, template: Template, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ledger]:
    """Return accounts without a bill."""
    with fresh_database(base_settings, template) as made:
        ledger = Ledger(made, tmp_path_factory.mktemp("kills"))
        registry = ledger.folder / "registry.csv"
        rows = (f"{n:06};household;2026-01-01\n" for n in range(ACCOUNTS))
        registry.write_text("account;payer_kind;effective_on\n" + "".join(rows))
        ledger.asks("import", str(registry), *AUTHOR)
        yield ledger


@pytest.fixture(scope="module")
def billed(opened: Ledger, base_settings: Settings) -> Iterator[Ledger]:
    """Return the same with a bill each, imported undisturbed."""
    with copied(opened, base_settings, opened.folder) as ledger:
        assert ledger.asks(*ledger.imports())["counts"]["entries"] == ACCOUNTS
        yield ledger


@pytest.fixture(scope="module")
def accrued(billed: Ledger, base_settings: Settings) -> Iterator[Ledger]:
    """Return the same with the penalties of July, accrued undisturbed."""
    with copied(billed, base_settings, billed.folder) as ledger:
        assert ledger.asks(*ACCRUE)["changed"] == ACCOUNTS
        yield ledger


def test_import_killed_at_every_place_takes_effect_once(
    opened: Ledger, billed: Ledger, base_settings: Settings
) -> None:
    with copied(opened, base_settings, opened.folder) as ledger:
        for name, place in IMPORT_PLACES.items():
            with ledger.stopped(place, *ledger.imports()) as (process, _):
                if "COPY" in name:
                    assert half_copied(ledger)
                process.kill()
            ledger.check_consistency()
        chunks = ledger.rows(
            "SELECT count(*) FROM import_chunks JOIN imports USING (digest) WHERE kind = 'charges'"
        )
        assert chunks == [(3,)]
        repeated = ledger.asks(*ledger.imports())
        assert (repeated["state"], repeated["resumed"]) == ("imported", True)
        assert repeated["counts"]["entries"] == ACCOUNTS
        assert ledger.content() == billed.content()
        assert ledger.asks(*ledger.imports())["state"] == "imported_before"
        assert ledger.asks("audit")["differences"] == []


def test_import_survives_the_end_of_its_connection(
    opened: Ledger, billed: Ledger, base_settings: Settings
) -> None:
    place = Place("events", "INSERT", f"NEW.notification_id = {ACCOUNTS} + 6000")
    with copied(opened, base_settings, opened.folder) as ledger:
        with ledger.stopped(place, *ledger.imports(), "--json") as (process, waiting):
            end_connections(ledger, waiting)
        assert process.returncode == 0
        assert ledger.content() == billed.content()


def test_accrual_killed_between_and_within_chunks_takes_effect_once(
    billed: Ledger, accrued: Ledger, base_settings: Settings
) -> None:
    first = 2 * ACCOUNTS
    with copied(billed, base_settings, billed.folder) as ledger:
        for number in (first + 1_500, first + 2_001):
            place = Place("events", "INSERT", f"NEW.notification_id = {number}")
            with ledger.stopped(place, *ACCRUE) as (process, _):
                process.kill()
            ledger.check_consistency()
        place = Place("events", "INSERT", f"NEW.notification_id = {first + 7_000}")
        with ledger.stopped(place, *ACCRUE) as (process, waiting):
            end_connections(ledger, waiting)
        assert process.returncode == 2
        ledger.check_consistency()
        [(committed,)] = ledger.rows(f"SELECT count(*) - {first} FROM events")
        assert 4_000 <= committed < ACCOUNTS
        assert ledger.asks(*ACCRUE)["changed"] == ACCOUNTS - committed
        assert ledger.content() == accrued.content()
        assert ledger.asks(*ACCRUE)["changed"] == 0
        assert ledger.asks("audit")["differences"] == []


@pytest.mark.parametrize("how", ["kill -9", "connection ended"])
def test_rebuild_that_ends_before_the_swap_leaves_the_live_model_unchanged(
    billed: Ledger, base_settings: Settings, how: str
) -> None:
    correct = billed.content()
    with copied(billed, base_settings, billed.folder) as ledger:
        with ledger.database.owner("ledger") as owner:
            owner.execute("UPDATE balances SET penalty = penalty + 1 WHERE number < '000200'")
        wrong = ledger.content()
        # It stops before the first row of the rebuilt tables, or before the swap.
        place = (
            Place("balances", "DELETE") if how == "kill -9" else Place("rebuilt_balances", "INSERT")
        )
        with ledger.stopped(place, "replay", "--all", "--workers", "2") as (process, waiting):
            if how == "kill -9":
                process.kill()
            else:
                end_connections(ledger, waiting)
        assert process.returncode == (-9 if how == "kill -9" else 2)
        assert ledger.content() == wrong
        eventually(lambda: replays(ledger), "the lock of the ended rebuild is free")
        assert ledger.content() == correct


def half_copied(ledger: Ledger) -> bool:
    """Return whether a COPY into the log has written some rows and waits."""
    found = ledger.rows(
        "SELECT tuples_processed FROM pg_stat_progress_copy "
        "WHERE relid = 'events'::regclass AND datname = current_database()"
    )
    return any(tuples > 1_000 for (tuples,) in found)


def end_connections(ledger: Ledger, waiting: list[tuple[int]]) -> None:
    with ledger.database.owner("ledger") as owner:
        for (pid,) in waiting:
            ended = owner.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,)).fetchone()
            assert ended == (True,)


def replays(ledger: Ledger) -> bool:
    code, out, err = QuickTerminal(ledger.database.settings).says("replay", "--all", "--json")
    assert code == 0 or "under way" in err, err
    return code == 0 and json.loads(out)["swapped"] is True
