"""The fiscal drive: one SQLite file, so that a receipt which has a number keeps it after a kill."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4
from zlib import crc32

from deploy.doubles.sqlite_file import SqliteFile

DRIVE: Final = "9960440300000001"
REGISTER: Final = "0000000001000001"

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS receipts (
    document    INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid        TEXT NOT NULL UNIQUE,
    external_id TEXT NOT NULL UNIQUE,
    operation   TEXT NOT NULL,
    content     TEXT NOT NULL,
    taken_at    REAL NOT NULL,
    refused     INTEGER NOT NULL
) STRICT;
"""


_BY_EXTERNAL_ID: Final = "SELECT * FROM receipts WHERE external_id = ?"


class Receipt(NamedTuple):
    """A receipt as it was handed over; `document` is its number in the drive."""

    document: int
    uuid: str
    external_id: str
    operation: str
    content: dict[str, Any]
    taken_at: float
    refused: bool

    @property
    def sign(self) -> int:
        """The fiscal sign: here a checksum, at a real register a signature."""
        text = f"{DRIVE};{self.document};{json.dumps(self.content, sort_keys=True)}"
        return crc32(text.encode())


class Drive:
    """The receipts. `taken_at` is by the clock of the register, in seconds of the Unix epoch."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._file = SqliteFile(path)
        self._file.connection.executescript(_TABLES)

    def take(
        self, external_id: str, operation: str, content: dict[str, Any], *, refused: bool
    ) -> tuple[Receipt, bool]:
        """Take a receipt; return it, and whether one of this external id was there already."""
        with self._file.transaction() as db:
            known = _one(db.execute(_BY_EXTERNAL_ID, (external_id,)))
            if known is not None:
                return known, True
            db.execute(
                "INSERT INTO receipts (uuid, external_id, operation, content, taken_at, refused)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    str(uuid4()),
                    external_id,
                    operation,
                    json.dumps(content, ensure_ascii=False),
                    self._clock(),
                    int(refused),
                ),
            )
            taken = _one(db.execute(_BY_EXTERNAL_ID, (external_id,)))
            if taken is None:
                raise RuntimeError("the receipt is not in the drive")
            return taken, False

    def find(self, uuid: str) -> Receipt | None:
        with self._file.transaction() as db:
            return _one(db.execute("SELECT * FROM receipts WHERE uuid = ?", (uuid,)))

    def document(self, number: int) -> Receipt | None:
        with self._file.transaction() as db:
            return _one(db.execute("SELECT * FROM receipts WHERE document = ?", (number,)))

    def all_receipts(self) -> list[Receipt]:
        with self._file.transaction() as db:
            rows = db.execute("SELECT * FROM receipts ORDER BY document").fetchall()
        return [_receipt(row) for row in rows]

    def age(self, receipt: Receipt) -> float:
        """Return the seconds since a receipt was taken."""
        return self._clock() - receipt.taken_at

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _one(cursor: sqlite3.Cursor) -> Receipt | None:
    row = cursor.fetchone()
    return None if row is None else _receipt(row)


def _receipt(row: sqlite3.Row) -> Receipt:
    return Receipt(
        document=row["document"],
        uuid=row["uuid"],
        external_id=row["external_id"],
        operation=row["operation"],
        content=json.loads(row["content"]),
        taken_at=row["taken_at"],
        refused=bool(row["refused"]),
    )
