"""Comparison of the table ``commands`` with the digests of its rows in the log.

Digests are read some at a time, each lot with its commands in one snapshot: memory stays flat.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from services.ledger.domain import EVENTS
from services.ledger.domain.book import COMMANDS, CommandsDigested, CommandsExpired
from services.ledger.replay.parallel import one_snapshot
from services.ledger.replay.streams import CANNOT_BE_REPLAYED, Difference
from services.ledger.tables.command_rows import NOTHING, Digest, digests_by_range
from services.ledger.tables.newest_event import newest_event

AT_ONCE = 500
"""How many digests are compared in one snapshot."""

_DIGESTS = (
    "SELECT originator_version, notification_id, topic, state FROM events "
    "WHERE originator_id = %s AND topic = %s AND originator_version > %s "
    "ORDER BY originator_version LIMIT %s"
)


def command_differences(cursor: Any) -> Iterator[Difference]:
    """Yield the ranges whose commands are not those that were digested, or have not expired."""
    version, through, expired = 0, 0, _expired_through(cursor)
    while True:
        with one_snapshot(cursor):
            query = (COMMANDS, CommandsDigested.topic, version, AT_ONCE)
            rows = cursor.execute(_DIGESTS, query).fetchall()
            digests = list(_decoded(rows))
            found = digests_by_range(cursor, [one for _, one in digests])
            if any(
                position > expired and now != _digested(one)
                for (position, one), now in zip(digests, found, strict=True)
            ):
                expired = _expired_through(cursor)  # it may have been since
        for (position, digest), now in zip(digests, found, strict=True):
            if digest.after != through:
                what = f"digest of commands at position {position}"
                yield Difference("", what, f"after {through}", f"after {digest.after}")
            through = digest.through
            yield from _compared(digest, now, gone=position <= expired)
        if len(digests) < AT_ONCE:
            return
        version = rows[-1]["originator_version"]


def _decoded(rows: Sequence[Any]) -> Iterator[tuple[int, CommandsDigested]]:
    for row in rows:
        try:
            event: Any = EVENTS.decode(row["topic"], bytes(row["state"]))
        except CANNOT_BE_REPLAYED:
            return  # the replay of the stream reports it
        yield row["notification_id"], event


def _expired_through(cursor: Any) -> int:
    """Return the position of the last digest whose commands have expired: the oldest go first."""
    try:
        expired = newest_event(cursor, COMMANDS, CommandsExpired)
    except CANNOT_BE_REPLAYED:
        return 0  # the replay of the stream reports it
    return expired.digest_position if expired else 0


def _compared(
    digest: CommandsDigested, now: tuple[Digest, Digest], *, gone: bool
) -> Iterator[Difference]:
    right = (NOTHING, NOTHING) if gone else _digested(digest)
    times = (f"{at:%Y-%m-%d %H:%M:%S}" for at in (digest.idle_after, digest.idle_through))
    names = (
        f"commands with events at positions {digest.after + 1} to {digest.through}",
        f"commands without events from {' to '.join(times)}",
    )
    for name, expected, found in zip(names, right, now, strict=True):
        if found != expected:
            there, here = (f"{one.rows} with digest {one.digest}" for one in (expected, found))
            yield Difference("", name, there, here)


def _digested(digest: CommandsDigested) -> tuple[Digest, Digest]:
    """Return what a digest says of its range: of the commands with events, and without."""
    return (
        Digest(digest.count, digest.digest),
        Digest(digest.idle_count, digest.idle_digest),
    )
