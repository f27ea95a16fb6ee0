"""Reads of the log for the seal: unconverted columns, in order, by binary COPY."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from services.ledger.seal.leaf import EventRow

WINDOW = 1 << 16
"""How many positions are read at once; a multiple of a tile, so that no tile is split."""

_POSTGRES_EPOCH = 946_684_800_000_000  # 2000-01-01, in microseconds since 1970-01-01
_MAX = (1 << 63) - 1

_COLUMNS = (
    "notification_id, uuid_send(originator_id), originator_version, topic, state, "
    "timestamptz_send(recorded_at), uuid_send(command_id), actor, correlation_id"
)
_TYPES = ["int8", "bytea", "int8", "text", "bytea", "bytea", "bytea", "text", "text"]
_COPY = (
    f"COPY (SELECT {_COLUMNS} FROM events WHERE notification_id > %s AND notification_id <= %s "  # noqa: S608 - constants
    "ORDER BY notification_id) TO STDOUT (FORMAT BINARY)"
)


def rows_between(cursor: Any, after: int, last: int) -> Iterator[EventRow]:
    """Yield the rows of the positions after ``after`` up to ``last``, in order.

    Positions without a row are skipped. The cursor is busy until the iterator is exhausted.
    """
    with cursor.copy(_COPY, (after, last)) as copy:
        copy.set_types(_TYPES)
        for position, originator, version, topic, state, recorded_at, *rest in copy.rows():
            yield EventRow(
                position, originator, version, topic, state, _microseconds(recorded_at), *rest
            )


def row_at(cursor: Any, position: int) -> EventRow | None:
    """Return the row of a position, or None."""
    rows = list(rows_between(cursor, position - 1, position))
    return rows[0] if rows else None


def last_position(cursor: Any) -> int:
    """Return the position of the last event, 0 for an empty log."""
    row = cursor.execute(
        "SELECT coalesce(max(notification_id), 0) AS position FROM events"
    ).fetchone()
    return int(row["position"])


def _microseconds(sent: bytes) -> int:
    value = int.from_bytes(sent, signed=True) + _POSTGRES_EPOCH
    # We never record "infinity", but a tamperer may: it wraps around to a leaf that was never
    # sealed, instead of aborting the check.
    return value if value <= _MAX else value - (1 << 64)
