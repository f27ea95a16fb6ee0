"""The journal of imports: which files were imported, and how far each import has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Any

import msgspec
import psycopg

from services.ledger.domain.book import (
    IMPORTS,
    ImportBegun,
    ImportFinished,
    ImportRefused,
    Imports,
)
from services.ledger.importing.kinds import Source
from services.ledger.importing.posting import Counts
from services.ledger.replay.parallel import conninfo_of
from services.ledger.tables.book_rows import chunks_digest
from shared import context
from shared.errors import Conflict
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.postgres_session import PostgresSession

WAIT_FOR_THE_LOG = "60s"
"""How long a chunk waits for the lock of the log: another bulk job may hold it."""
WAIT_FOR_ANOTHER = "10s"
"""How long an import waits for another one of the same file; a killed one frees it at once."""

_CHUNKS = (
    "SELECT chunk, end_offset, end_row, quarantine_bytes, counts FROM import_chunks "
    "WHERE digest = %s ORDER BY chunk"
)
_RANGE = (
    "SELECT min(c.first_position) AS first, max(c.last_position) AS last FROM import_chunks AS i "
    "JOIN commands AS c USING (command_id) WHERE i.digest = %s"
)
_KEEP = (
    "INSERT INTO import_chunks (digest, chunk, command_id, end_offset, end_row, "
    "quarantine_bytes, counts) VALUES (%s, %s, %s, %s, %s, %s, %s)"
)
_FORGET = "DELETE FROM import_chunks WHERE digest = %s"


class Place(msgspec.Struct, frozen=True):
    """Where a chunk ends: its byte and row in the file, and the length of the quarantine then."""

    chunk: int
    offset: int
    row: int
    quarantine_bytes: int


class ResumePoint(msgspec.Struct):
    """How far earlier runs of the same file have come; ``place`` is where the next one begins."""

    by: str
    attempt: int
    finished: bool
    place: Place | None
    counts: Counts


class Journal:
    """The journal of one file."""

    def __init__(self, store: PostgresStore, source: Source) -> None:
        self._store = store
        self._source = source
        self.digest = source.digest

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from importing this file.

        Waits for another one a little, then raises Conflict ``import_under_way``. The lock ends
        with its connection, however this process ends.
        """
        with psycopg.connect(conninfo_of(self._store), autocommit=True) as connection:
            connection.execute(f"SET lock_timeout = '{WAIT_FOR_ANOTHER}'")
            try:
                connection.execute(
                    "SELECT pg_advisory_lock(hashtextextended(%s, 0))",
                    (f"{self._store.service}.import.{self.digest}",),
                )
            except psycopg.errors.LockNotAvailable:
                raise Conflict(
                    "import_under_way",
                    f"{self._source.path.name} is being imported by another process right now.",
                ) from None
            yield

    def resume_point(self) -> ResumePoint | None:
        """Return what was done with this file before. Raises Conflict for another kind."""
        history = self._history()
        if not history:
            return None
        begun = next(one for one in reversed(history) if isinstance(one.event, ImportBegun))
        first, last = begun.event, history[-1].event
        if first.kind != self._source.kind.name:
            raise Conflict(
                "imported_otherwise", f"This file was imported as a file of {first.kind}."
            )
        counts, place = Counts(), None
        for chunk in self._query(_CHUNKS):
            counts.add(msgspec.convert(chunk["counts"], Counts))
            place = Place(
                chunk["chunk"], chunk["end_offset"], chunk["end_row"], chunk["quarantine_bytes"]
            )
        when = (first.begun_at or begun.recorded_at).astimezone(UTC)
        return ResumePoint(
            f"{first.by} on {when:%Y-%m-%d %H:%M} UTC",
            last.attempt + isinstance(last, ImportRefused),
            isinstance(last, ImportFinished),
            place,
            counts,
        )

    def begin(self, actor: str, reason: str) -> None:
        """Record that the import begins; no effect when it was begun before."""
        source = self._source

        def begin(imports: Imports, _: Any) -> None:
            imports.begin(
                self.digest, source.kind.name, source.path.name, source.size, actor, reason
            )

        self._record(actor, begin)

    def keep(self, cursor: Any, command_id: Any, place: Place, counts: Counts) -> None:
        """Note a chunk, in the transaction that posts it."""
        values = (place.offset, place.row, place.quarantine_bytes)
        encoded = msgspec.json.encode(counts).decode()
        cursor.execute(_KEEP, (self.digest, place.chunk, command_id, *values, encoded))

    def finish(self, actor: str, counts: Counts) -> None:
        """Record that the whole file is done: importing it again has no effect."""

        def finish(imports: Imports, cursor: Any) -> None:
            row = cursor.execute(_RANGE, (self.digest,)).fetchone()
            imports.finish(
                self.digest,
                counts.entries,
                counts.refused_rows,
                (row["first"], row["last"]),
                chunks_digest(cursor, self.digest),
            )

        self._record(actor, finish)

    def forget(self, actor: str, counts: Counts) -> None:
        """Record that nothing of the file was posted: it may be tried again."""

        def forget(imports: Imports, cursor: Any) -> None:
            cursor.execute(_FORGET, (self.digest,))
            imports.refuse(self.digest, counts.refused_rows)

        self._record(actor, forget)

    def positions(self) -> tuple[int | None, int | None]:
        """Return the first and the last position in the log of the file's events."""
        for recorded in reversed(self._history()):
            if isinstance(recorded.event, ImportFinished):
                return recorded.event.first_position, recorded.event.last_position
        return None, None

    def _history(self) -> list[Any]:
        """Return the events of this file."""
        history = self._store.query(lambda session: session.history(IMPORTS))
        return [recorded for recorded in history if recorded.event.digest == self.digest]

    def _query(self, statement: str) -> list[dict[str, Any]]:
        def look(session: Any) -> list[dict[str, Any]]:
            session.cursor.execute(statement, (self.digest,))
            return session.cursor.fetchall()  # type: ignore[no-any-return]

        return self._store.query(look)

    def _record(self, actor: str, change: Callable[[Imports, Any], None]) -> None:
        def record(session: PostgresSession, _: None) -> None:
            session.cursor.execute(f"SET LOCAL lock_timeout = '{WAIT_FOR_THE_LOG}'")
            change(session.load(Imports, IMPORTS), session.cursor)

        with context.bind(actor=actor, correlation_id=f"import-{self.digest[:16]}"):
            self._store.transact(record, None)
