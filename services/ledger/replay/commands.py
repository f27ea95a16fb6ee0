"""Comparison of the table ``commands`` with the digests of its rows in the log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from services.ledger.domain import EVENTS
from services.ledger.domain.book import COMMANDS, CommandsDigested, CommandsExpired
from services.ledger.replay.streams import CANNOT_BE_REPLAYED, Difference
from services.ledger.tables.command_rows import NOTHING, Digest, digests_by_range

_EVENTS = (
    "SELECT notification_id, topic, state FROM events WHERE originator_id = %s "
    "ORDER BY originator_version"
)


def command_differences(cursor: Any) -> Iterator[Difference]:
    """Yield the ranges whose commands are not those that were digested, or have not expired."""
    digests, expired = _digests(cursor)
    found = digests_by_range(cursor, list(digests.values()))
    through = 0
    for (position, one), (counted, idle) in zip(digests.items(), found, strict=True):
        if one.after != through:
            yield Difference(
                "", f"digest of commands at position {position}", f"after {through}", str(one.after)
            )
        through = one.through
        gone = position in expired
        yield from _compared(
            f"commands with events at positions {one.after + 1} to {one.through}",
            NOTHING if gone else Digest(one.count, one.digest),
            counted,
        )
        yield from _compared(
            f"commands without events from {one.idle_after:%Y-%m-%d %H:%M:%S} "
            f"to {one.idle_through:%Y-%m-%d %H:%M:%S}",
            NOTHING if gone else Digest(one.idle_count, one.idle_digest),
            idle,
        )


def _digests(cursor: Any) -> tuple[dict[int, CommandsDigested], set[int]]:
    """Return the digests by position, and the positions of those whose commands have expired."""
    digests: dict[int, CommandsDigested] = {}
    expired: set[int] = set()
    for row in cursor.execute(_EVENTS, (COMMANDS,)).fetchall():
        try:
            event = EVENTS.decode(row["topic"], bytes(row["state"]))
        except CANNOT_BE_REPLAYED:
            break  # the replay of the stream reports it
        if isinstance(event, CommandsDigested):
            digests[row["notification_id"]] = event
        elif isinstance(event, CommandsExpired):
            expired.add(event.digest_position)
    return digests, expired


def _compared(what: str, expected: Digest, found: Digest) -> Iterator[Difference]:
    if found != expected:
        right, wrong = (f"{one.rows} with digest {one.digest}" for one in (expected, found))
        yield Difference("", what, right, wrong)
