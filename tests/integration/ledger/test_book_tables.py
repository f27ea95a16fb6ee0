"""``closings``, ``imports`` and their chunks: what is changed there behind the log is found."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from services.ledger.application import OpenAccount, open_account
from services.ledger.replay.audit import audit
from services.ledger.replay.rebuild import rebuild
from services.ledger.tables.closed_periods import close_period, closed_through
from tests.conftest import Database
from tests.integration.ledger.import_harness import ImportHarness, line

pytestmark = pytest.mark.nodes

CHANGED = {
    "period deleted": ("DELETE FROM closings", "closings 2026-01"),
    "period added": (
        "INSERT INTO closings VALUES ('2026-09', 'staff:nobody', 'why', now())",
        "closings 2026-09",
    ),
    "who closed it": ("UPDATE closings SET actor = 'staff:nobody'", "actor of closings 2026-01"),
    "when it was closed": (
        "UPDATE closings SET closed_at = closed_at + interval '1 day'",
        "closed_at of closings 2026-01",
    ),
    "why it was imported": (
        "UPDATE imports SET reason = 'another' WHERE file_name = 'bills.csv'",
        "reason of imports {digest}",
    ),
    "not finished": (
        "UPDATE imports SET finished_at = NULL WHERE file_name = 'bills.csv'",
        "finished_at of imports {digest}",
    ),
    "import added": (
        "INSERT INTO imports VALUES ('ff', 'charges', 'x', 1, 'staff:x', 'x', 1, now(), now())",
        "imports ff",
    ),
}
CHUNKS = {
    "counts": "UPDATE import_chunks SET end_row = end_row + 1 WHERE digest = '{digest}'",
    "one deleted": "DELETE FROM import_chunks WHERE digest = '{digest}'",
}


class BookHarness(ImportHarness):
    """A ledger with an imported file, one that was refused as a whole, and a closed month."""

    def __init__(self, database: Database, folder: Path) -> None:
        super().__init__(database, folder)
        self.opens("01")
        self.digest = self.imports(self.file("bills.csv", line("01")))["digest"]
        self.refused = self.file("refused.csv", line("09"))
        self.imports(self.refused, code=2)
        close_period(self.store, "2026-01", "staff:petrov", "reported")

    def as_owner(self, *statements: str) -> None:
        with self.database.owner("ledger") as owner:
            for statement in statements:
                owner.execute(statement)

    def differences(self) -> set[str]:
        return {found.what for found in audit(self.store).differences}


@pytest.fixture
def harness(database: Database, tmp_path: Path) -> BookHarness:
    return BookHarness(database, tmp_path)


@pytest.mark.parametrize("change", CHANGED)
def test_a_changed_row_is_named_and_rebuilt_from_the_log(harness: BookHarness, change: str) -> None:
    statement, what = CHANGED[change]
    assert harness.differences() == set()
    harness.as_owner(statement)
    assert harness.differences() == {what.format(digest=harness.digest)}
    assert rebuild(harness.store).swapped
    assert harness.differences() == set()


@pytest.mark.parametrize("change", CHUNKS)
def test_a_changed_chunk_of_a_finished_import_is_named(harness: BookHarness, change: str) -> None:
    harness.as_owner(CHUNKS[change].format(digest=harness.digest))
    assert harness.differences() == {f"chunks of import {harness.digest}"}


def test_a_file_whose_rows_were_deleted_is_still_imported_once(harness: BookHarness) -> None:
    harness.as_owner("DELETE FROM import_chunks", "DELETE FROM imports")
    events = harness.events()
    again = harness.imports(harness.folder / "bills.csv")
    assert (again["state"], harness.events()) == ("imported_before", events)


# As an older version left them: a file that was imported at the second attempt, one under way, and
# one of which nothing could be posted.
OLDER = """
CREATE TRIGGER closings_append_only BEFORE DELETE ON closings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
INSERT INTO closings VALUES
    ('2025-12', 'staff:petrov', 'reported', '2026-01-20'),
    ('2026-01', 'staff:orlova', 'reported', '2026-02-20');
INSERT INTO imports VALUES
    ('{digest}', 'charges', 'bills.csv', 9, 'staff:x', 'why', 2, '2026-02-01', '2026-02-02'),
    ('aa', 'charges', 'a.csv', 9, 'staff:x', 'why', 1, '2026-02-03', NULL),
    ('bb', 'charges', 'b.csv', 9, 'staff:x', 'why', 2, '2026-02-03', NULL);
INSERT INTO import_chunks VALUES
    ('{digest}', 0, gen_random_uuid(), 9, 2, 0, '{{"entries": 1, "refused_rows": 1}}', '2026-02-02')
"""


def test_what_was_closed_and_imported_before_is_recorded_once_by_the_upgrade(
    database: Database, tmp_path: Path
) -> None:
    harness = ImportHarness(database, tmp_path)
    harness.store.execute(open_account, OpenAccount(number="01", payer_kind="household"))
    file = harness.file("bills.csv", line("01"))
    digest = harness.imports(file, "--dry-run")["digest"]
    upgrade = files("services.ledger.migrations").joinpath("0007_book.sql")
    with database.owner("ledger") as owner:
        owner.execute(OLDER.format(digest=digest))
        owner.execute(upgrade.read_text("utf-8"))
    assert audit(harness.store).differences == []
    through = harness.store.query(lambda session: closed_through(session.cursor))
    assert str(through) == "2026-01-31"
    found = harness.imports(file, code=1)
    assert found["state"] == "imported_before"
    assert found["by"] == "staff:x on 2026-02-01 00:00 UTC"
