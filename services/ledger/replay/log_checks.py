"""Checks of what no single stream can show: order, commands, payments, closings and imports.

Each table is read in slices, of its key or of its blocks, a statement each: memory stays flat, and
no snapshot is as old as the whole check. Events, commands and postings are not changed meanwhile,
but by a rebuild; what is added later was right when it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg

from services.ledger.replay.book import book_differences
from services.ledger.replay.commands import command_differences
from services.ledger.replay.comparison import orphan_postings, posting_ranges
from services.ledger.replay.parallel import (
    ALL_IDS,
    Range,
    block_ranges,
    key_ranges,
    last_position,
)
from services.ledger.replay.streams import Difference

AT_ONCE = 20_000
"""How many rows a slice has."""

_FIRST = -(1 << 63)
_BREAKS = """
SELECT notification_id, recorded_at, before, recorded_before
  FROM (
        SELECT notification_id,
               recorded_at,
               lag(notification_id, 1, %(before)s::bigint) OVER log AS before,
               lag(recorded_at, 1, %(recorded_before)s::timestamptz) OVER log AS recorded_before
          FROM events
         WHERE notification_id BETWEEN %(first)s AND %(last)s
        WINDOW log AS (ORDER BY notification_id)
       ) AS steps
 WHERE notification_id <> before + 1
    OR recorded_at < recorded_before
       AND NOT EXISTS (SELECT FROM clock_steps WHERE position = notification_id)
 ORDER BY notification_id
"""
_RECORDED_AT = "SELECT recorded_at FROM events WHERE notification_id = %s"
# As the commands lie, which is as their events do, so that the log is read in its order.
_COMMANDS = """
SELECT c.command_id, c.first_position, c.last_position,
       f.command_id AS first_command, l.command_id AS last_command
  FROM (
        SELECT command_id, first_position, last_position FROM commands
         WHERE ctid BETWEEN %(first)s::tid AND %(last)s::tid
         ORDER BY first_position
        OFFSET 0
       ) AS c
  LEFT JOIN LATERAL (
        SELECT command_id FROM events WHERE notification_id = c.first_position
        OFFSET 0
       ) AS f ON true
  LEFT JOIN LATERAL (
        SELECT command_id FROM events WHERE notification_id = c.last_position
        OFFSET 0
       ) AS l ON true
 WHERE (
        (c.first_position IS NULL) <> (c.last_position IS NULL)
        OR c.first_position > c.last_position
        OR c.first_position IS NOT NULL
        AND (
            f.command_id IS DISTINCT FROM c.command_id
            OR l.command_id IS DISTINCT FROM c.command_id
           )
       )
"""
_REPEATED_COMMANDS = """
SELECT command_id, count(*) AS count
  FROM commands
 WHERE command_id BETWEEN %(first)s AND %(last)s
 GROUP BY command_id
HAVING count(*) > 1
"""


def check_log(cursor: Any) -> Iterator[Difference]:
    """Yield what is wrong; the cursor's statements have a snapshot each."""
    yield from _order(cursor)
    yield from _commands(cursor)
    yield from _payments(cursor)
    yield from book_differences(cursor)
    yield from command_differences(cursor)


def _order(cursor: Any) -> Iterator[Difference]:
    """Yield the gaps between positions, and the times that go back."""
    whole = Range(_FIRST, last_position(cursor))
    before, recorded_before = 0, None
    for part in key_ranges(cursor, "events", "notification_id", whole, AT_ONCE):
        given = {**part._asdict(), "before": before, "recorded_before": recorded_before}
        for row in cursor.execute(_BREAKS, given).fetchall():
            yield from _break(row)
        if end := cursor.execute(_RECORDED_AT, (part.last,)).fetchone():
            before, recorded_before = part.last, end["recorded_at"]


def _break(row: dict[str, Any]) -> Iterator[Difference]:
    position, before = row["notification_id"], row["before"]
    if position != before + 1:
        yield Difference("", "positions of the log", str(before + 1), str(position))
    if row["recorded_before"] is not None and row["recorded_at"] < row["recorded_before"]:
        yield Difference(
            "",
            f"time of position {position}",
            f"not before {row['recorded_before'].isoformat()}",
            row["recorded_at"].isoformat(),
        )


def _commands(cursor: Any) -> Iterator[Difference]:
    """Yield the commands that are there twice, or are not those of the events that they name."""
    for part in key_ranges(cursor, "commands", "command_id", ALL_IDS, AT_ONCE):
        for row in cursor.execute(_REPEATED_COMMANDS, part._asdict()).fetchall():
            yield Difference("", f"command {row['command_id']}", "once", f"{row['count']} times")
    for part in block_ranges(cursor, "commands"):
        for row in cursor.execute(_COMMANDS, part._asdict()).fetchall():
            yield Difference(
                "",
                f"command {row['command_id']}",
                f"positions {row['first_position']} to {row['last_position']} are its own",
                f"of commands {row['first_command']} and {row['last_command']}",
            )


def _payments(cursor: Any) -> Iterator[Difference]:
    """Yield the postings of payments that the log does not have."""
    for part in posting_ranges(cursor):
        try:
            for deviation in orphan_postings(cursor, part):
                yield from deviation.differences()
        except psycopg.DataError as error:
            text = str(error).splitlines()[0]
            yield Difference("", "events of payments (SQL)", "can be read", text)
