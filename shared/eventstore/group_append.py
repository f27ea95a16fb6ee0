"""The statement of a group commit: the events, the command ids and the rows that follow from them.

A group is written by one round trip and one transaction: the append lock, then one statement that
looks where the log ends and writes all that follows from there. So the lock is held for no longer
than the server takes, and no process that is slow, or stopped, comes in between.

Each table is an arm of the statement, and positions are counted from its ``tail``. Nothing is
written where the end of the log is not ``usable``: its time is ahead of the database's clock, or
the clock of this process is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import tuple_row

from shared.eventstore.append_lock import AppendLock
from shared.eventstore.arrays import bigints, byteas, texts, uuids
from shared.eventstore.recording_times import TOLERANCE

_STATEMENT = """
WITH tail AS MATERIALIZED (
    SELECT position, recorded_at,
           recorded_at - clock <= {tolerance} AND recorded_at >= %s AS usable, notified
      FROM ({tail}) AS last
), {arms}
SELECT usable FROM tail
"""
_EVENTS = """
INSERT INTO events (originator_id, originator_version, topic, state, notification_id, recorded_at,
                    command_id, actor, correlation_id)
SELECT e.originator_id, e.originator_version, e.topic, e.state, tail.position + e.ordinality,
       tail.recorded_at, e.command_id, e.actor, e.correlation_id
  FROM tail, unnest(%s, %s, %s, %s, %s, %s, %s)
       WITH ORDINALITY AS e(originator_id, originator_version, topic, state, command_id,
                            actor, correlation_id, ordinality)
 WHERE tail.usable
"""
_COMMANDS = """
INSERT INTO commands (command_id, fingerprint, result, first_position, last_position)
SELECT c.command_id, c.fingerprint, c.result, tail.position + c.first, tail.position + c.last
  FROM tail, unnest(%s, %s, %s, %s, %s) AS c(command_id, fingerprint, result, first, last)
 WHERE tail.usable
"""


class Arm(NamedTuple):
    """A statement of its own on one table, and its parameters.

    It selects from ``tail`` (``position`` of the last event before these, ``recorded_at`` of
    these), and writes nothing unless ``tail.usable``.
    """

    name: str
    text: str
    parameters: tuple[Any, ...]


class GroupAppend:
    """Appends to one log what groups of commands have decided."""

    def __init__(self, lock: AppendLock) -> None:
        self._lock = lock

    def lock(self, cursor: Any) -> None:
        """Take the append lock until the end of the transaction, for the time that a group has."""
        cursor.execute(self._lock.statements(cursor.connection).group, prepare=True)

    def write(self, connection: Any, arms: Sequence[Arm], not_before: datetime) -> bool:
        """Append in a transaction of its own; return whether it is written.

        It is not where the end of the log is not usable, or its time would be before
        ``not_before``. Raises psycopg.errors.UniqueViolation when a version, a command or a row of
        an arm is there already.
        """
        text = _statement(
            self._lock.statements(connection).last, tuple((arm.name, arm.text) for arm in arms)
        )
        parameters = (not_before, *(value for arm in arms for value in arm.parameters))
        with (
            connection.cursor() as locking,
            connection.cursor(row_factory=tuple_row, binary=True) as writing,
        ):
            # The statements of a pipeline are one transaction, which its end commits.
            with connection.pipeline():
                self.lock(locking)
                writing.execute(text, parameters, prepare=True)
            [usable] = writing.fetchone()
        return bool(usable)


def events_arm(
    rows: Sequence[tuple[UUID, int, str, bytes]], causes: Sequence[tuple[UUID, str, str]]
) -> Arm:
    """Return the arm of events: (stream, version, topic, state), and what caused each of them."""
    ids, versions, topics, states = zip(*rows, strict=True)
    commands, actors, correlations = zip(*causes, strict=True)
    values = (
        uuids(ids),
        bigints(versions),
        texts(topics),
        byteas(states),
        uuids(commands),
        texts(actors),
        texts(correlations),
    )
    return Arm("appended", _EVENTS, values)


def commands_arm(rows: Sequence[tuple[UUID, bytes, bytes, int, int]]) -> Arm:
    """Return the arm of commands: (id, fingerprint, result, first and last event).

    The first event after the tail is 1.
    """
    ids, fingerprints, results, firsts, lasts = zip(*rows, strict=True)
    values = (
        uuids(ids),
        byteas(fingerprints),
        byteas(results),
        bigints(firsts),
        bigints(lasts),
    )
    return Arm("kept", _COMMANDS, values)


@lru_cache(maxsize=64)
def _statement(last: str, arms: tuple[tuple[str, str], ...]) -> str:
    return _STATEMENT.format(
        tolerance=f"interval '{TOLERANCE.total_seconds():.0f} seconds'",
        tail=last,
        arms=", ".join([f"{name} AS ({text})" for name, text in arms]),
    )
