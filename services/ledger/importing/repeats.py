"""Entries that stand in several places of a file, found before anything of it is posted.

In a file sorted by service the rows of a bill are far apart. Each part would be a wrong bill, and
nobody knows whether the second part is the rest of the bill, or the bill once more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator

from services.ledger.importing.groups import Entry, Refused, groups
from services.ledger.importing.kinds import Source
from shared.tablefiles import Fields

_SETTINGS = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8192;"
_CREATE = (
    "CREATE TABLE places (name TEXT PRIMARY KEY, number INTEGER, first INTEGER, last INTEGER) "
    "WITHOUT ROWID"
)
_NOTE = (
    "INSERT INTO places VALUES (?1, 1, ?2, ?2) "
    "ON CONFLICT (name) DO UPDATE SET number = number + 1, last = excluded.last"
)
_FIND = "SELECT number, first, last FROM places WHERE name = ?"


class Repeats:
    """The names of entries that stand in several places of a file; they may exceed memory.

    ``name_of`` returns the name that a key stands for. ``empty_rows`` counts the rows of empty
    cells, once `find` has read the file.
    """

    def __init__(self, source: Source, name_of: Callable[[Fields], str]) -> None:
        self._source = source
        self._name_of = name_of
        self._any = False
        self.empty_rows = 0
        # The empty name makes a database in a temporary file, deleted on closing.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(_SETTINGS + _CREATE)

    def find(self, progress: Callable[[int], None]) -> None:
        """Read the keys of the whole file."""
        self._database.execute("BEGIN")
        self._database.executemany(_NOTE, self._places(progress))
        self._database.execute("DELETE FROM places WHERE number = 1")
        self._database.execute("COMMIT")
        self._any = self._database.execute("SELECT 1 FROM places LIMIT 1").fetchone() is not None

    def refused(self, entry: Entry, name: str) -> Refused | None:
        """Return the refusal of an entry that stands in several places; None if it does not."""
        found = self._database.execute(_FIND, (name,)).fetchone() if self._any else None
        if found is None:
            return None
        number, first, last = found
        return Refused.because(
            entry,
            "twice_in_file",
            f"{name} stands in {number} places of the file, the first at row {first}, the last at "
            f"row {last}: sort the file by {' and '.join(self._key)}, and delete rows that come "
            "twice",
        )

    def close(self) -> None:
        """Forget all names."""
        self._database.close()

    @property
    def _key(self) -> tuple[str, ...]:
        kind = self._source.kind
        return kind.columns[: kind.key]

    def _places(self, progress: Callable[[int], None]) -> Iterator[tuple[str, int]]:
        source, done = self._source, self._source.start
        for group in groups(source, source.start, source.row, self._count_empty):
            if group.key is not None:
                yield self._name_of(group.key), group.row
            progress(group.end - done)
            done = group.end

    def _count_empty(self) -> None:
        self.empty_rows += 1
