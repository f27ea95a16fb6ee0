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

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, NoReturn, TypeAlias
from uuid import UUID

import psycopg
from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    Notification,
    NotSupportedError,
    StoredEvent,
)
from psycopg import sql
from psycopg.rows import tuple_row
from psycopg_pool import ConnectionPool

from shared.eventstore.arrays import bigints, byteas, texts, uuids
from shared.ids import new_id

_COLUMNS = (
    "originator_id, originator_version, topic, state, notification_id, recorded_at, "
    "command_id, actor, correlation_id"
)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_BLOCK = 1 << 18
_CONVERTED_AT_ONCE = 200

_LAST = "SELECT notification_id, recorded_at FROM events ORDER BY notification_id DESC LIMIT 1"

# One round trip for both statements; the second sees everything committed before the first got the
# lock. The notification is sent with the commit: whoever locks the tail appends to the log.
_LOCK_TAIL = f"""
SELECT pg_advisory_xact_lock(hashtextextended({{lock}}, 0));
SELECT coalesce(max(notification_id), 0) AS position,
       greatest(clock_timestamp(), max(recorded_at)) AS recorded_at, pg_notify({{channel}}, '')
  FROM ({_LAST}) AS tail
"""

_INSERT = f"""
INSERT INTO events ({_COLUMNS})
SELECT e.originator_id, e.originator_version, e.topic, e.state, %s + e.ordinality, %s,
       e.command_id, e.actor, e.correlation_id
  FROM unnest(%s, %s, %s, %s, %s, %s, %s)
       WITH ORDINALITY AS e(originator_id, originator_version, topic, state, command_id,
                            actor, correlation_id, ordinality)
"""

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
    next events, never before that of the last one.
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
        self.channel = f"saldo_{schema}"
        self._lock = f"{schema}.events"
        self._lock_tail = sql.SQL(_LOCK_TAIL).format(
            lock=sql.Literal(self._lock), channel=sql.Literal(self.channel)
        )
        self._begin_lock_tail = sql.SQL("BEGIN; ") + self._lock_tail

    def lock(self, cursor: Any) -> None:
        """Take the append lock (bounded by lock_timeout); it is held until the commit."""
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (self._lock,))

    def lock_tail(self, cursor: Any, *, begin: bool = False) -> Tail:
        """Take the append lock and return the end of the log, in one round trip.

        With ``begin`` it also begins the transaction, on a connection in autocommit mode.
        """
        cursor.execute(self._begin_lock_tail if begin else self._lock_tail, prepare=False)
        while cursor.nextset():
            pass
        row = cursor.fetchone()
        return Tail(row["position"], row["recorded_at"])

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
        self, cursor: Any, rows: Sequence[EventRow], causes: Sequence[Cause]
    ) -> tuple[list[int], datetime]:
        """Append rows in order, each with its cause; return their positions and their time.

        Raises psycopg.errors.UniqueViolation when a version is taken, ForeignKeyViolation when its
        predecessor is missing.
        """
        tail = self.lock_tail(cursor)
        return self.write(cursor, tail, rows, causes), tail.recorded_at

    def copy(self, cursor: Any, rows: Iterable[EventRow], cause: Cause) -> tuple[int, int]:
        """Append rows by binary COPY; return the first and the last position.

        Last < first when there were no rows. Raises like append.
        """
        tail = self.lock_tail(cursor)
        encoder = _CopyEncoder(tail.position, tail.recorded_at, cause)
        with cursor.copy(f"COPY events ({_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy:
            for block in encoder.blocks(rows):
                copy.write(block)
        return tail.position + 1, encoder.position

    def history(self, cursor: Any, originator_id: UUID) -> Iterator[HistoryRow]:
        """Yield the rows of one stream, in order."""
        return self._histories(
            cursor,
            f"SELECT {_COLUMNS} FROM events WHERE originator_id = %s ORDER BY originator_version",
            (originator_id,),
        )

    def histories(self, cursor: Any, originator_ids: Sequence[UUID]) -> Iterator[HistoryRow]:
        """Yield the rows of several streams, each in order."""
        return self._histories(
            cursor,
            f"SELECT {_COLUMNS} FROM events WHERE originator_id = ANY(%s) "
            "ORDER BY originator_id, originator_version",
            (list(originator_ids),),
        )

    def _histories(
        self, cursor: Any, query: str, parameters: tuple[Any, ...]
    ) -> Iterator[HistoryRow]:
        # In text format each state would arrive as hexadecimal digits, twice as long. Rows are
        # converted a few at a time, so that whoever reads a long stream can yield in between.
        with cursor.connection.cursor(binary=True, row_factory=tuple_row) as reading:
            reading.execute(query, parameters)
            while rows := reading.fetchmany(_CONVERTED_AT_ONCE):
                yield from rows

    def after(self, cursor: Any, position: int, limit: int) -> list[LoggedEvent]:
        """Return up to ``limit`` events after a position, in the order of the log."""
        cursor.execute(
            f"SELECT {_COLUMNS} FROM events WHERE notification_id > %s "
            "ORDER BY notification_id LIMIT %s",
            (position, limit),
        )
        return [logged(row) for row in cursor.fetchall()]

    def position_before(self, cursor: Any, instant: datetime) -> int:
        """Return the position of the last event recorded before an instant; 0 if there is none.

        Times of recording never decrease along the log, so it is found in some thirty look-ups.
        """
        row = cursor.execute("SELECT max(notification_id) AS last FROM events").fetchone()
        low, high = 0, row["last"] or 0
        while low < high:
            middle = (low + high + 1) // 2
            found = cursor.execute(
                "SELECT recorded_at FROM events WHERE notification_id = %s", (middle,)
            ).fetchone()
            low, high = (middle, high) if found["recorded_at"] < instant else (low, middle - 1)
        return low

    # The interface of the library's ApplicationRecorder, so that its readers work on this log.

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int]:
        cause = Cause(new_id(), "service:eventsourcing", "")
        with self._pool.connection() as connection, connection.cursor() as cursor:
            rows = [
                (
                    UUID(str(stored.originator_id)),
                    stored.originator_version,
                    stored.topic,
                    stored.state,
                )
                for stored in stored_events
            ]
            try:
                return self.append(cursor, rows, [cause] * len(rows))[0] if rows else []
            except psycopg.IntegrityError as error:
                raise IntegrityError(str(error)) from error

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
        return self._select(
            "originator_id = %s AND originator_version > %s "
            "AND (%s::bigint IS NULL OR originator_version <= %s) "
            f"ORDER BY originator_version {order} LIMIT %s",
            (originator_id, gt or 0, lte, lte, limit),
        )

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        first = 1 if start is None else start if inclusive_of_start else start + 1
        only = list(topics) or None
        return self._select(
            "notification_id >= %s AND (%s::bigint IS NULL OR notification_id <= %s) "
            "AND (%s::text[] IS NULL OR topic = ANY (%s)) ORDER BY notification_id LIMIT %s",
            (first, stop, stop, only, only, limit),
        )

    def max_notification_id(self) -> int | None:
        with self._pool.connection() as connection, connection.cursor() as cursor:
            row = cursor.execute("SELECT max(notification_id) AS last FROM events").fetchone()
            return None if row is None else row["last"]

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> NoReturn:
        raise NotSupportedError(
            "the library's subscriptions crash when eventlet has patched the threads: "
            "read the log with shared.bus.relay, or subscribe to the service's exchange"
        )

    def _select(self, condition: str, parameters: tuple[Any, ...]) -> list[LoggedEvent]:
        with self._pool.connection() as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT {_COLUMNS} FROM events WHERE {condition}", parameters)
            return [logged(row) for row in cursor.fetchall()]


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


class _CopyEncoder:
    """Encodes rows of ``events`` in PostgreSQL's binary COPY format.

    All rows of an append share their cause and time, and most share their topic. Only id, version,
    state and position differ, so one struct per topic packs all fields before the state. This makes
    a bulk append a quarter faster than psycopg's ``write_row``: see decision 14 in ARCHITECTURE.md.
    """

    _SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
    _POSITION = struct.Struct(">iq")

    def __init__(self, position: int, recorded_at: datetime, cause: Cause) -> None:
        self.position = position
        microseconds = (recorded_at - _EPOCH) // timedelta(microseconds=1)
        actor, correlation = cause.actor.encode(), cause.correlation_id.encode()
        length = struct.Struct(">i")
        self._tail = (
            struct.pack(">iq", 8, microseconds)
            + struct.pack(">i16s", 16, cause.command_id.bytes)
            + length.pack(len(actor))
            + actor
            + length.pack(len(correlation))
            + correlation
        )
        self._topics: dict[str, tuple[Callable[..., bytes], int, bytes]] = {}

    def blocks(self, rows: Iterable[EventRow]) -> Iterable[bytes]:
        """Yield the stream in blocks of about 256 KiB."""
        place, tail, topics = self._POSITION.pack, self._tail, self._topics
        position, parts, size = self.position, [self._SIGNATURE], 0
        for originator_id, version, topic, state in rows:
            position += 1
            head, topic_length, topic_bytes = topics.get(topic) or self._topic(topic)
            length = len(state)
            parts += (
                head(9, 16, originator_id.bytes, 8, version, topic_length, topic_bytes, length),
                state,
                place(8, position),
                tail,
            )
            size += length + 128
            if size > _BLOCK:
                yield b"".join(parts)
                parts, size = [], 0
        self.position = position
        parts.append(struct.pack(">h", -1))
        yield b"".join(parts)

    def _topic(self, topic: str) -> tuple[Callable[..., bytes], int, bytes]:
        encoded = topic.encode()
        pack = struct.Struct(f">hi16siqi{len(encoded)}si").pack
        return self._topics.setdefault(topic, (pack, len(encoded), encoded))
