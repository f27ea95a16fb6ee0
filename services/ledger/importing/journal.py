"""The journal of imports: which files were imported, and how far each import has come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg

from services.ledger.importing.kinds import Source
from services.ledger.importing.posting import Counts
from services.ledger.replay.parallel import conninfo_of
from shared.errors import Conflict, Unavailable
from shared.eventstore.postgres import PostgresStore

WAIT_FOR_ANOTHER = "10s"
"""How long an import waits for another one of the same file; a killed one frees it at once."""

_FIND = "SELECT kind, actor, attempt, started_at, finished_at FROM imports WHERE digest = %s"
_CHUNKS = (
    "SELECT chunk, end_offset, end_row, quarantine_bytes, counts FROM import_chunks "
    "WHERE digest = %s ORDER BY chunk"
)
_RANGE = (
    "SELECT min(c.first_position) AS first, max(c.last_position) AS last FROM import_chunks AS i "
    "JOIN commands AS c USING (command_id) WHERE i.digest = %s"
)
_BEGIN = (
    "INSERT INTO imports (digest, kind, file_name, size, actor, reason) "
    "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (digest) DO NOTHING"
)
_KEEP = (
    "INSERT INTO import_chunks (digest, chunk, command_id, end_offset, end_row, "
    "quarantine_bytes, counts) VALUES (%s, %s, %s, %s, %s, %s, %s)"
)
_FINISH = "UPDATE imports SET finished_at = clock_timestamp() WHERE digest = %s"
_FORGET = (
    "DELETE FROM import_chunks WHERE digest = %s",
    "UPDATE imports SET attempt = attempt + 1, finished_at = NULL WHERE digest = %s",
)


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
                    (f"ledger.import.{self.digest}",),
                )
            except psycopg.errors.LockNotAvailable:
                raise Conflict(
                    "import_under_way",
                    f"{self._source.path.name} is being imported by another process right now.",
                ) from None
            yield

    def resume_point(self) -> ResumePoint | None:
        """Return what was done with this file before. Raises Conflict for another kind."""
        row = self._query(_FIND)
        if not row:
            return None
        [found] = row
        if found["kind"] != self._source.kind.name:
            raise Conflict(
                "imported_otherwise", f"This file was imported as a file of {found['kind']}."
            )
        counts, place = Counts(), None
        for chunk in self._query(_CHUNKS):
            counts.add(msgspec.convert(chunk["counts"], Counts))
            place = Place(
                chunk["chunk"], chunk["end_offset"], chunk["end_row"], chunk["quarantine_bytes"]
            )
        by = f"{found['actor']} on {found['started_at']:%Y-%m-%d %H:%M} UTC"
        return ResumePoint(by, found["attempt"], found["finished_at"] is not None, place, counts)

    def begin(self, actor: str, reason: str) -> None:
        """Note that the import begins; no effect when it was begun before."""
        source = self._source
        self._do(
            (_BEGIN, (self.digest, source.kind.name, source.path.name, source.size, actor, reason))
        )

    def keep(self, cursor: Any, command_id: Any, place: Place, counts: Counts) -> None:
        """Note a chunk, in the transaction that posts it."""
        values = (place.offset, place.row, place.quarantine_bytes)
        encoded = msgspec.json.encode(counts).decode()
        cursor.execute(_KEEP, (self.digest, place.chunk, command_id, *values, encoded))

    def finish(self) -> None:
        """Note that the whole file is done: importing it again has no effect."""
        self._do((_FINISH, (self.digest,)))

    def forget(self) -> None:
        """Forget a file of which nothing was posted: it may be tried again."""
        self._do(*((statement, (self.digest,)) for statement in _FORGET))

    def positions(self) -> tuple[int | None, int | None]:
        """Return the first and the last position in the log of the file's events."""
        [row] = self._query(_RANGE)
        return row["first"], row["last"]

    def _query(self, statement: str) -> list[dict[str, Any]]:
        def look(session: Any) -> list[dict[str, Any]]:
            session.cursor.execute(statement, (self.digest,))
            return session.cursor.fetchall()  # type: ignore[no-any-return]

        return self._store.query(look)

    def _do(self, *statements: tuple[str, tuple[Any, ...]]) -> None:
        try:
            with self._store.session() as session:
                for statement, values in statements:
                    session.cursor.execute(statement, values)
        except psycopg.OperationalError as error:
            raise Unavailable(
                "database_unavailable", "The database did not answer; import the file again."
            ) from error
