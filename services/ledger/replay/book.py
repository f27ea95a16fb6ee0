"""Comparison of ``closings``, ``imports`` and their chunks with the book's streams of the log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg

from services.ledger.domain import EVENTS
from services.ledger.domain.book import CLOSINGS, IMPORTS, ImportFinished
from services.ledger.replay.parallel import one_snapshot
from services.ledger.replay.streams import CANNOT_BE_REPLAYED, Difference
from services.ledger.tables.book_rows import (
    BOOK_TABLES,
    Key,
    Row,
    chunks_digest,
    row_after,
    row_key,
    write_row,
)
from shared.database import JOB_HOLDS_LOG
from shared.eventstore.append_lock import hold_log_for
from shared.eventstore.postgres import PostgresStore

WAIT_FOR_THE_LOG = "10min"
"""How long a rebuild waits for the append lock, which an import holds until it ends."""

_EVENTS = (
    "SELECT topic, state, recorded_at FROM events WHERE originator_id = %s "
    "ORDER BY originator_version"
)


class WrongRow(NamedTuple):
    """A row that differs from the log: ``expected`` None, it should not be there; ``found`` None,
    it is missing."""

    table: str
    key: str
    expected: Row | None
    found: Row | None

    def differences(self) -> Iterator[Difference]:
        """Yield what differs, column by column."""
        what = f"{self.table} {self.key}"
        if self.expected is None or self.found is None:
            there, here = ("a row" if row else "no row" for row in (self.expected, self.found))
            yield Difference("", what, there, here)
            return
        for name in BOOK_TABLES[self.table]:
            if (expected := self.expected[name]) != (found := self.found[name]):
                yield Difference("", f"{name} of {what}", str(expected), str(found))


def wrong_rows(cursor: Any) -> list[WrongRow]:
    """Return the rows of closings and imports that are not what the log says."""
    with one_snapshot(cursor):
        return _wrong_rows(cursor)


def book_differences(cursor: Any) -> Iterator[Difference]:
    """Yield what differs from the log in closings, in imports, and in the chunks of imports."""
    for row in wrong_rows(cursor):
        yield from row.differences()
    for event in _rows_of_log(cursor)[1]:
        expected = (event.chunks, event.chunks_digest)
        if (found := chunks_digest(cursor, event.digest)) != expected:
            what = f"chunks of import {event.digest}"
            yield Difference("", what, _counted(expected), _counted(found))


def put_book_right(store: PostgresStore, connection: psycopg.Connection[Any]) -> None:
    """Make closings and imports what the log says, while nothing is appended to it."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{WAIT_FOR_THE_LOG}'")
        hold_log_for(cursor, JOB_HOLDS_LOG)
        store.recorder.lock(cursor)
        for wrong in _wrong_rows(cursor):
            _put_right(cursor, wrong)


def _put_right(cursor: Any, wrong: WrongRow) -> None:
    if wrong.expected is not None:
        write_row(cursor, wrong.table, wrong.expected)
        return
    if wrong.table == "imports":
        cursor.execute("DELETE FROM import_chunks WHERE digest = %s", (wrong.key,))
    key = BOOK_TABLES[wrong.table][0]
    cursor.execute(f"DELETE FROM {wrong.table} WHERE {key} = %s", (wrong.key,))


def _wrong_rows(cursor: Any) -> list[WrongRow]:
    expected, found = _rows_of_log(cursor)[0], _rows_of_tables(cursor)
    return [
        WrongRow(*key, expected.get(key), found.get(key))
        for key in sorted(expected.keys() | found.keys())
        if expected.get(key) != found.get(key)
    ]


def _rows_of_log(cursor: Any) -> tuple[dict[Key, Row], list[ImportFinished]]:
    """Return the rows that the log makes, and the imports that are finished."""
    rows: dict[Key, Row] = {}
    finished: list[ImportFinished] = []
    for stream in (CLOSINGS, IMPORTS):
        for entry in cursor.execute(_EVENTS, (stream,)).fetchall():
            try:
                event = EVENTS.decode(entry["topic"], bytes(entry["state"]))
            except CANNOT_BE_REPLAYED:
                break  # the replay of the stream reports it
            if isinstance(event, ImportFinished):
                finished.append(event)
            key = row_key(event)
            row = key and row_after(rows.get(key), event, entry["recorded_at"])
            if key and row:
                rows[key] = row
    return rows, finished


def _rows_of_tables(cursor: Any) -> dict[Key, Row]:
    return {
        (table, row[names[0]]): row
        for table, names in BOOK_TABLES.items()
        for row in cursor.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall()
    }


def _counted(chunks: tuple[int, str]) -> str:
    return f"{chunks[0]} with digest {chunks[1]}"
