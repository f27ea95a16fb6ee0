"""Names that may come once in a file."""

from __future__ import annotations

import sqlite3


class SeenNames:
    """The names that a file has had so far, each with its first row; may exceed memory."""

    def __init__(self) -> None:
        # The empty name makes a database in a temporary file, deleted on closing.
        self._database = sqlite3.connect("")
        self._database.execute(
            "CREATE TABLE seen (name TEXT PRIMARY KEY, row INTEGER) WITHOUT ROWID"
        )

    def first_row(self, name: str, row: int) -> int:
        """Remember a name; return the row that had it first, which is ``row`` if it is new."""
        done = self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (name, row))
        if done.rowcount == 1:
            return row
        found = self._database.execute("SELECT row FROM seen WHERE name = ?", (name,))
        return int(found.fetchone()[0])

    def close(self) -> None:
        """Forget all names."""
        self._database.close()
