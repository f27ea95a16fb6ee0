"""The rows of ``closings`` and ``imports``: what the book's events say, for people to read.

Nothing is decided by them. They are written in the transaction of the event, compared by an audit,
and rebuilt from the log. The chunks of an import are no events; its end has their digest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import msgspec

from services.ledger.domain.book import (
    BOOK_STREAMS,
    ImportBegun,
    ImportFinished,
    ImportRefused,
    MonthClosed,
)
from shared.eventstore import Recorded

Row: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[str, str]
"""(table, value of its primary key)."""

BOOK_TABLES: Mapping[str, tuple[str, ...]] = {
    "closings": ("period", "actor", "reason", "closed_at"),
    "imports": (
        "digest",
        "kind",
        "file_name",
        "size",
        "actor",
        "reason",
        "attempt",
        "started_at",
        "finished_at",
    ),
}
"""Table -> its columns, the primary key first."""

_CHUNKS_DIGEST = """
SELECT count(*) AS chunks,
       encode(sha256(coalesce(string_agg(convert_to(concat_ws('|',
           chunk, command_id, end_offset, end_row, quarantine_bytes, counts::text,
           extract(epoch FROM committed_at)), 'UTF8'), '\\x0a' ORDER BY chunk), '')), 'hex')
           AS digest
  FROM import_chunks WHERE digest = %s
"""


def row_key(event: Any) -> Key | None:
    """Return the row that an event of the book changes; None for one that changes none."""
    match event:
        case MonthClosed():
            return "closings", event.period
        case ImportBegun() | ImportFinished() | ImportRefused():
            return "imports", event.digest
    return None


def row_after(row: Row | None, event: Any, recorded_at: datetime) -> Row | None:
    """Return a row as an event leaves it; None where there is none and the event makes none."""
    match event:
        case MonthClosed():
            return {
                "period": event.period,
                "actor": event.by,
                "reason": event.reason,
                "closed_at": event.closed_at or recorded_at,
            }
        case ImportBegun():
            return {
                "digest": event.digest,
                "kind": event.kind,
                "file_name": event.file_name,
                "size": event.size,
                "actor": event.by,
                "reason": event.reason,
                "attempt": event.attempt,
                "started_at": event.begun_at or recorded_at,
                "finished_at": None,
            }
        case ImportFinished() if row:
            return {**row, "finished_at": event.finished_at or recorded_at}
        case ImportRefused() if row:
            return {**row, "attempt": event.attempt + 1}
    return row


def project_book(cursor: Any, recorded: Sequence[Recorded]) -> None:
    """Write the rows that new events change."""
    for entry in recorded:
        if entry.originator_id not in BOOK_STREAMS:
            continue
        if key := row_key(entry.event):
            row = row_after(_find(cursor, key), entry.event, entry.recorded_at)
            if row is not None:
                write_row(cursor, key[0], row)


def write_row(cursor: Any, table: str, row: Row) -> None:
    """Write a row, in the place of one with its key."""
    names = BOOK_TABLES[table]
    changes = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
    columns = ", ".join(names)
    cursor.execute(
        f"INSERT INTO {table} ({columns}) SELECT {columns} "
        f"FROM json_populate_record(NULL::{table}, %s::json) "
        f"ON CONFLICT ({names[0]}) DO UPDATE SET {changes}",
        (msgspec.json.encode(row).decode(),),
    )


def chunks_digest(cursor: Any, digest: str) -> tuple[int, str]:
    """Return how many chunks a file has, and the SHA-256 over their rows in order."""
    row = cursor.execute(_CHUNKS_DIGEST, (digest,)).fetchone()
    return row["chunks"], row["digest"]


def _find(cursor: Any, key: Key) -> Row | None:
    table, value = key
    columns = ", ".join(BOOK_TABLES[table])
    query = f"SELECT {columns} FROM {table} WHERE {BOOK_TABLES[table][0]} = %s"
    return cursor.execute(query, (value,)).fetchone()  # type: ignore[no-any-return]
