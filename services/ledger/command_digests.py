"""Jobs on the table ``commands``: its rows are digested into the log, and expire when they are old.

A digest is an event, so the seal covers it, and an audit finds a command that was deleted or
rewritten since. What a digest covers is complete: a command with events is visible as soon as its
events are. Of the others only those are covered that were recorded before every transaction that
runs now has begun.

``SALDO_LEDGER_COMMANDS_DAYS``
    how many days a command is kept (400; at least 90): until then repeating it has no effect
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from services.ledger.domain import EVENTS
from services.ledger.domain.book import COMMANDS, CommandsDigested, CommandsExpired
from services.ledger.tables.command_rows import NOTHING, digest_of_idle, digest_of_positions
from services.ledger.tables.newest_event import newest_event
from shared.bus import Services
from shared.config import days_setting
from shared.eventstore import Event
from shared.eventstore.postgres_session import PostgresSession

DAYS = "SALDO_LEDGER_COMMANDS_DAYS"
FEWEST_DAYS = 90
AT_ONCE = 100_000
"""Positions that one digest covers at most, so that its transaction is short."""
FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC)
"""Before any command without events was recorded."""
STRAGGLERS = timedelta(seconds=10)
"""A row may be this much older than the transaction that is seen to write it."""

_VERSION = (
    "SELECT coalesce(max(originator_version), 0) AS version FROM events WHERE originator_id = %s"
)
_POSITION = "SELECT coalesce(max(notification_id), 0) AS position FROM events"
_OLDEST = (
    "SELECT notification_id FROM events WHERE originator_id = %s AND topic = %s "
    "AND notification_id > %s AND recorded_at < clock_timestamp() - %s "
    "ORDER BY originator_version LIMIT 1"
)
_NOW = (
    "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest, "
    "pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next, clock_timestamp() AS at"
)


class _Mark(NamedTuple):
    """A moment, and the id of the first transaction that had not begun then."""

    next: int
    at: datetime


class CommandDigester:
    """Digests new commands into one log, a range at a time.

    ``idle_through`` is the time until which all commands without events are known.
    """

    def __init__(self) -> None:
        self._forget(None)

    def _forget(self, store: Any) -> None:
        self._store = store
        self._end = self._without_commands = 0
        self._mark: _Mark | None = None
        self.idle_through = FIRST_DAY

    def run(self, services: Services) -> int:
        """Digest the next range; return 1 when there may be more."""
        if services.store is not self._store:
            self._forget(services.store)
        more: bool = services.store.transact(self._digest, None)
        return int(more)

    def _digest(self, session: PostgresSession, _: None) -> bool:
        cursor = session.cursor
        last = newest_event(cursor, COMMANDS, CommandsDigested)
        after, idle_after = (last.through, last.idle_through) if last else (0, FIRST_DAY)
        end = cursor.execute(_POSITION).fetchone()["position"]
        if end < self._end:  # a restored log, which has lost its tail
            self._forget(self._store)
        self._end = end
        counted, through = NOTHING, max(after, self._without_commands)
        while through < end and not counted.rows:
            begin, through = through, min(end, through + AT_ONCE)
            counted = digest_of_positions(cursor, begin, through)
            if not counted.rows:
                self._without_commands = through
        idle_through = max(idle_after, self._complete_through(cursor))
        idle = digest_of_idle(cursor, idle_after, idle_through)
        if not counted.rows and not idle.rows:
            return False
        _append(
            session,
            CommandsDigested(
                after=after,
                through=through,
                count=counted.rows,
                digest=counted.digest,
                idle_after=idle_after,
                idle_through=idle_through,
                idle_count=idle.rows,
                idle_digest=idle.digest,
            ),
        )
        return bool(through < end)

    def _complete_through(self, cursor: Any) -> datetime:
        """Return a time before which no command without events can still appear."""
        now = cursor.execute(_NOW).fetchone()
        if self._mark is None:
            self._mark = _Mark(now["next"], now["at"])
        elif now["oldest"] >= self._mark.next:
            self.idle_through = self._mark.at - STRAGGLERS
            self._mark = _Mark(now["next"], now["at"])
        return self.idle_through


@cache  # several books may have one worker, and what is known of one is not so of another
def _digester_of(log: str) -> CommandDigester:
    return CommandDigester()


def digest_commands(services: Services) -> int:
    """Digest the next range of commands (a job); return 1 when there may be more."""
    return _digester_of(services.store.service).run(services)


def expire_commands(services: Services) -> int:
    """Delete the oldest commands that a digest covers and that had their time (a job)."""
    expired: bool = services.store.transact(_expire, days_kept(os.environ))
    return int(expired)


def days_kept(environ: Mapping[str, str]) -> int:
    """Return how many days a command is kept; raises ConfigurationError for another value."""
    return days_setting(environ, DAYS, 400, fewest=FEWEST_DAYS)


def _append(session: PostgresSession, event: Event) -> None:
    """Append to the stream of digests, which grows too long to be loaded each time."""
    version = session.cursor.execute(_VERSION, (COMMANDS,)).fetchone()["version"]
    session.copy_states([(COMMANDS, version + 1, event.topic, EVENTS.encode(event))])


def _expire(session: PostgresSession, days: int) -> bool:
    cursor = session.cursor
    before = newest_event(cursor, COMMANDS, CommandsExpired)
    after = before.digest_position if before else 0
    digests = (COMMANDS, CommandsDigested.topic, after, timedelta(days=days))
    found = cursor.execute(_OLDEST, digests).fetchone()
    if found is None:
        return False
    position = found["notification_id"]
    row = cursor.execute("SELECT expire_commands(%s) AS count", (position,)).fetchone()
    _append(session, CommandsExpired(digest_position=position, count=row["count"]))
    return True
