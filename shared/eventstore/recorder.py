"""The log in PostgreSQL: a recorder for the `eventsourcing` library with stronger guarantees.

Differences from the library's recorder:

- Positions follow the order of commit, because every append first takes the append lock, a
  transaction-level advisory lock; the library's ``LOCK TABLE`` needs more rights than INSERT.
- Positions have no gaps: under the lock the next one is the last plus one. So a reader knows which
  position comes next, and a gap in the log proves that an event was removed.
- Versions have no holes: a trigger refuses one whose predecessor is missing (succession.sql).
- The command id, the actor, the correlation id and the time of recording are columns.
- Nothing is retried here: the store resolves an unknown commit by the command id.
- Bulk appends use binary COPY, under the same lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from eventsourcing.persistence import ApplicationRecorder, Notification, StoredEvent
from psycopg.rows import tuple_row
from psycopg_pool import ConnectionPool

from shared.eventstore.append_lock import AppendLock
from shared.eventstore.arrays import bigints, byteas, texts, uuids
from shared.eventstore.copy_encoder import CopyEncoder
from shared.eventstore.group_append import GroupAppend
from shared.eventstore.recording_times import (
    RECORDED_BY,
    TOLERANCE,
    position_before,
    time_behind_log,
)
from shared.eventstore.subscription import LogSubscription, library_errors
from shared.ids import new_id

_COLUMNS = (
    "originator_id, originator_version, topic, state, notification_id, recorded_at, "
    "command_id, actor, correlation_id"
)
_HISTORY = _COLUMNS.replace("recorded_at", f"{RECORDED_BY} AS recorded_at")
_CONVERTED_AT_ONCE = 200

_INSERT = f"""
INSERT INTO events ({_COLUMNS})
SELECT e.originator_id, e.originator_version, e.topic, e.state, %s + e.ordinality, %s,
       e.command_id, e.actor, e.correlation_id
  FROM unnest(%s, %s, %s, %s, %s, %s, %s)
       WITH ORDINALITY AS e(originator_id, originator_version, topic, state, command_id,
                            actor, correlation_id, ordinality)
"""

# The trigger against holes is given all copied rows; beyond work_mem they would go to a file.
_KEEP_COPIED_IN_MEMORY = "SET LOCAL work_mem = '64MB'"

EventRow: TypeAlias = tuple[UUID, int, str, bytes]
"""(originator id, version, topic, state) of an event to append."""

HistoryRow: TypeAlias = tuple[UUID, int, str, bytes, int, datetime, UUID, str, str]
"""A row of the log: the columns in their order."""


@dataclass(frozen=True)
class Cause:
    """The command and actor that caused an append: columns of each event."""

    command_id: UUID
    actor: str
    correlation_id: str


class Tail(NamedTuple):
    """The end of the log, valid while the append lock is held.

    ``position`` is that of the last event (0: there is none). ``recorded_at`` is the time for the
    next events: not before that of the last one, unless that was ahead of the clock.
    """

    position: int
    recorded_at: datetime


@dataclass(frozen=True)
class LoggedEvent(Notification):
    """A notification with the additional columns."""

    recorded_at: datetime
    command_id: UUID
    actor: str
    correlation_id: str


class PostgresRecorder(ApplicationRecorder):
    """Appends to and reads from the table ``events`` of one service's schema.

    Methods with a cursor work in the caller's transaction; the others, which the library's classes
    call, open their own.
    """

    def __init__(self, pool: ConnectionPool[Any], schema: str) -> None:
        self._pool = pool
        self.service = schema
        self._append_lock = AppendLock(schema)
        self.channel, self.awake = self._append_lock.channel, self._append_lock.awake
        self.crowded = self._append_lock.crowded
        self.lock_name = self._append_lock.name
        self.group_append = GroupAppend(self._append_lock)

    def lock(self, cursor: Any) -> None:
        """Take the append lock (bounded by lock_timeout); it is held until the commit.

        A transaction that holds it too long, or leaves the server waiting, is ended by the server.
        """
        self._append_lock.take(cursor)

    def lock_tail(self, cursor: Any) -> Tail:
        """Take the append lock and return the end of the log, in one round trip."""
        statements = self._append_lock.statements(cursor.connection)
        row = cursor.execute(statements.tail).fetchone()
        position, recorded_at = row["position"], row["recorded_at"]
        if recorded_at - row["clock"] > TOLERANCE:
            recorded_at = time_behind_log(cursor, position, recorded_at, row["clock"])
        return Tail(position, recorded_at)

    def write(
        self, cursor: Any, tail: Tail, rows: Sequence[EventRow], causes: Sequence[Cause]
    ) -> list[int]:
        """Append rows after the tail, each with its cause; return their positions.

        The caller must hold the append lock. In pipeline mode it does not wait for the reply:
        UniqueViolation (the version is taken) is then raised when the pipeline is synchronised.
        """
        ids, versions, topics, states = zip(*rows, strict=True)
        cursor.execute(
            _INSERT,
            (
                tail.position,
                tail.recorded_at,
                uuids(ids),
                bigints(versions),
                texts(topics),
                byteas(states),
                uuids([cause.command_id for cause in causes]),
                texts([cause.actor for cause in causes]),
                texts([cause.correlation_id for cause in causes]),
            ),
        )
        return list(range(tail.position + 1, tail.position + 1 + len(rows)))

    def append(
        self,
        cursor: Any,
        rows: Sequence[EventRow],
        causes: Sequence[Cause],
        together: ExitStack | None = None,
    ) -> tuple[list[int], datetime]:
        """Append rows in order, each with its cause; return their positions and their time.

        With ``together`` they are sent in a pipeline, with what the caller writes until that ends.
        Raises psycopg.errors.UniqueViolation when a version is taken, ForeignKeyViolation when its
        predecessor is missing; in a pipeline when it ends.
        """
        tail = self.lock_tail(cursor)
        if together is not None:
            together.enter_context(cursor.connection.pipeline())
        return self.write(cursor, tail, rows, causes), tail.recorded_at

    def copy(self, cursor: Any, rows: Iterable[EventRow], cause: Cause) -> tuple[int, int]:
        """Append rows by binary COPY; return the first and the last position.

        Last < first when there were no rows. Raises like append.
        """
        cursor.execute(_KEEP_COPIED_IN_MEMORY)
        tail = self.lock_tail(cursor)
        return tail.position + 1, self.copy_after(cursor, tail, rows, cause)

    def copy_after(self, cursor: Any, tail: Tail, rows: Iterable[EventRow], cause: Cause) -> int:
        """Append rows by binary COPY after the tail; return the last position.

        The caller must hold the append lock. Raises like append.
        """
        encoder = CopyEncoder(
            tail.position, tail.recorded_at, cause.command_id, cause.actor, cause.correlation_id
        )
        with cursor.copy(f"COPY events ({_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy:
            for block in encoder.blocks(rows):
                copy.write(block)
        return encoder.position

    def stream(self, cursor: Any, originator_id: UUID) -> Iterator[tuple[str, bytes]]:
        """Yield topic and state of the events of one stream, in order."""
        return self._histories(
            cursor,
            "SELECT topic, state FROM events WHERE originator_id = %s ORDER BY originator_version",
            (originator_id,),
        )

    def history(self, cursor: Any, originator_id: UUID) -> Iterator[HistoryRow]:
        """Yield the rows of one stream, in order."""
        return self._histories(
            cursor,
            f"SELECT {_HISTORY} FROM events WHERE originator_id = %s ORDER BY originator_version",
            (originator_id,),
        )

    def histories(self, cursor: Any, originator_ids: Sequence[UUID]) -> Iterator[HistoryRow]:
        """Yield the rows of several streams, each in order."""
        return self._histories(
            cursor,
            f"SELECT {_HISTORY} FROM events WHERE originator_id = ANY(%s) "
            "ORDER BY originator_id, originator_version",
            (list(originator_ids),),
        )

    def _histories(self, cursor: Any, query: str, parameters: tuple[Any, ...]) -> Iterator[Any]:
        # In text format each state would arrive as hexadecimal digits, twice as long. Rows are
        # converted a few at a time, so that whoever reads a long stream can yield in between.
        with cursor.connection.cursor(binary=True, row_factory=tuple_row) as reading:
            reading.execute(query, parameters)
            while rows := reading.fetchmany(_CONVERTED_AT_ONCE):
                yield from rows

    def after(self, cursor: Any, position: int, limit: int) -> list[LoggedEvent]:
        """Return up to ``limit`` events after a position, in the order of the log."""
        with self.reading(cursor.connection) as reading:
            self.ask_after(reading, position, limit)
            return [LoggedEvent(*row) for row in reading]

    def reading(self, connection: Any) -> Any:
        """Return a cursor for `ask_after`, whose rows are the values of a LoggedEvent."""
        # As in _histories: in text format, and as dictionaries, rows would take twice as long.
        return connection.cursor(binary=True, row_factory=tuple_row)

    def ask_after(self, reading: Any, position: int | None, limit: int) -> None:
        """Ask for the events after a position; None: after the one that the relay has got to."""
        reading.execute(
            f"SELECT {_COLUMNS} FROM events WHERE notification_id > "
            f"{'(SELECT position FROM relay)' if position is None else '%s'} "
            "ORDER BY notification_id LIMIT %s",
            (limit,) if position is None else (position, limit),
        )

    def position_before(self, cursor: Any, instant: datetime) -> int:
        """Return the position of the last event recorded before an instant; 0 if there is none."""
        return position_before(cursor, instant)

    # The interface of the library's ApplicationRecorder, so that its readers work on this log.
    # It raises the library's own errors.

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        if not stored_events:
            return None
        cause = Cause(new_id(), "service:eventsourcing", "")
        rows = [
            (UUID(str(stored.originator_id)), stored.originator_version, stored.topic, stored.state)
            for stored in stored_events
        ]
        with self._cursor() as cursor:
            return self.append(cursor, rows, [cause] * len(rows))[0]

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        order = "DESC" if desc else "ASC"
        with self._cursor() as cursor:
            cursor.execute(
                "SELECT originator_id, originator_version, topic, state FROM events "
                "WHERE originator_id = %s "
                "AND (%s::bigint IS NULL OR originator_version > %s) "
                "AND (%s::bigint IS NULL OR originator_version <= %s) "
                f"ORDER BY originator_version {order} LIMIT %s",
                (originator_id, gt, gt, lte, lte, limit),
            )
            return [StoredEvent(**row) for row in cursor.fetchall()]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[LoggedEvent]:
        first = 1 if start is None else start if inclusive_of_start else start + 1
        only = list(topics) or None
        with self._cursor() as cursor:
            cursor.execute(
                f"SELECT {_COLUMNS} FROM events "
                "WHERE notification_id >= %s AND (%s::bigint IS NULL OR notification_id <= %s) "
                "AND (%s::text[] IS NULL OR topic = ANY (%s)) ORDER BY notification_id LIMIT %s",
                (first, stop, stop, only, only, limit),
            )
            return [logged(row) for row in cursor.fetchall()]

    def max_notification_id(self) -> int | None:
        with self._cursor() as cursor:
            row = cursor.execute("SELECT max(notification_id) AS last FROM events").fetchone()
            return None if row is None else row["last"]

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> LogSubscription:
        return LogSubscription(self, str(self._pool.conninfo), self.channel, gt, topics)

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        with (
            library_errors(),
            self._pool.connection() as connection,
            connection.cursor() as cursor,
        ):
            yield cursor


def logged(row: dict[str, Any]) -> LoggedEvent:
    """Convert a row of ``events`` to the library's notification."""
    return LoggedEvent(
        originator_id=row["originator_id"],
        originator_version=row["originator_version"],
        topic=row["topic"],
        state=bytes(row["state"]),
        id=row["notification_id"],
        recorded_at=row["recorded_at"],
        command_id=row["command_id"],
        actor=row["actor"],
        correlation_id=row["correlation_id"],
    )
