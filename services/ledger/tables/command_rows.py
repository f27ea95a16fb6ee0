"""Digests of rows of the table ``commands``, in SQL: of a range of the log, and of all ranges.

A command belongs to the range that has its last event; one without events to the time in which it
was recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from services.ledger.domain.book import CommandsDigested

# Every column of a row, each text with its length.
_ROW = (
    "sha256(uuid_send(command_id) || int8send(coalesce(first_position, 0)) "
    "|| int8send(coalesce(last_position, 0)) || timestamptz_send(recorded_at) "
    "|| int4send(octet_length(fingerprint)) || fingerprint "
    "|| int4send(octet_length(recorded_by)) || convert_to(recorded_by, 'UTF8') || result)"
)
_DIGEST = (
    f"count(*) AS count, encode(sha256(coalesce(string_agg({_ROW}, '' "
    "ORDER BY last_position, recorded_at, command_id), '')), 'hex') AS digest"
)
_OF_POSITIONS = f"""
SELECT {_DIGEST} FROM commands
 WHERE last_position > %(after)s AND last_position <= %(through)s
   AND command_id IN (
       SELECT command_id FROM events
        WHERE notification_id > %(after)s AND notification_id <= %(through)s)
"""
_IDLE = f"""
SELECT {_DIGEST} FROM commands
 WHERE last_position IS NULL AND recorded_at > %(after)s AND recorded_at <= %(through)s
"""
_BY_POSITION = f"""
SELECT width_bucket(last_position, %(firsts)s::bigint[]) - 1 AS range, {_DIGEST}
  FROM commands
 WHERE last_position > %(after)s AND last_position <= %(through)s
   AND command_id IN (
       SELECT command_id FROM events
        WHERE notification_id > %(after)s AND notification_id <= %(through)s)
 GROUP BY 1
"""
_BY_TIME = f"""
SELECT width_bucket((extract(epoch FROM recorded_at) * 1000000)::bigint, %(firsts)s::bigint[]) - 1
           AS range, {_DIGEST}
  FROM commands
 WHERE last_position IS NULL AND recorded_at > %(after)s AND recorded_at <= %(through)s
 GROUP BY 1
"""
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class Digest(NamedTuple):
    """The number of the rows of some commands, and the SHA-256 over them."""

    rows: int
    digest: str


NOTHING = Digest(0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
"""The digest of no commands."""


def digest_of_positions(cursor: Any, after: int, through: int) -> Digest:
    """Return the digest of the commands whose last event is after a position, through another."""
    return _one(cursor, _OF_POSITIONS, after, through)


def digest_of_idle(cursor: Any, after: datetime, through: datetime) -> Digest:
    """Return the digest of the commands without events, recorded after a time, through another."""
    return _one(cursor, _IDLE, after, through)


def digests_by_range(
    cursor: Any, ranges: Sequence[CommandsDigested]
) -> list[tuple[Digest, Digest]]:
    """Return the digests of now of adjoining ranges: with events, and without."""
    if not ranges:
        return []
    first, last = ranges[0], ranges[-1]
    starts = [one.after + 1 for one in ranges]
    by_position = _grouped(cursor, _BY_POSITION, starts, first.after, last.through)
    times = [_micros(one.idle_after) + 1 for one in ranges]
    by_time = _grouped(cursor, _BY_TIME, times, first.idle_after, last.idle_through)
    return [
        (by_position.get(number, NOTHING), by_time.get(number, NOTHING))
        for number in range(len(ranges))
    ]


def _one(cursor: Any, query: str, after: Any, through: Any) -> Digest:
    row = cursor.execute(query, {"after": after, "through": through}).fetchone()
    return Digest(row["count"], row["digest"])


def _grouped(
    cursor: Any, query: str, firsts: list[int], after: Any, through: Any
) -> dict[int, Digest]:
    given = {"firsts": firsts, "after": after, "through": through}
    rows = cursor.execute(query, given).fetchall()
    return {row["range"]: Digest(row["count"], row["digest"]) for row in rows}


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
