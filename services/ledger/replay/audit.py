"""The audit: three independent checks of every balance.

The domain replay in Python, the aggregation in SQL, and the read model must agree. The audit also
checks the log itself: positions and versions without gaps, times that never go back, commands at
their recorded positions, a trial balance of zero, and each payment posted once, where
``payment_postings`` has it. A history rewritten consistently everywhere is found by the seal
(:mod:`services.ledger.seal`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from services.ledger.domain import Account
from services.ledger.domain.double_entry import ADVANCES, PENALTY
from services.ledger.replay.comparison import deviations, in_batches, orphan_postings, orphan_rows
from services.ledger.replay.parallel import Progress, Range, quiet
from services.ledger.replay.sql_balances import aggregate
from services.ledger.replay.streams import (
    Difference,
    Replayed,
    new_sums,
    over_streams,
    read_streams,
    replay_stream,
)
from shared.eventstore.postgres import PostgresSession, PostgresStore

__all__ = ["Difference", "Report", "audit"]

_FIGURES = ("version", "last_bill", "principal", "penalty", "advance")
_BREAKS = """
SELECT notification_id, recorded_at, before, recorded_before
  FROM (
        SELECT notification_id,
               recorded_at,
               lag(notification_id, 1, 0::bigint) OVER log AS before,
               lag(recorded_at) OVER log AS recorded_before
          FROM events
        WINDOW log AS (ORDER BY notification_id)
       ) AS steps
 WHERE notification_id <> before + 1 OR recorded_at < recorded_before
 ORDER BY notification_id
"""
_COMMANDS = """
SELECT c.command_id, c.first_position, c.last_position,
       f.command_id AS first_command, l.command_id AS last_command
  FROM commands AS c
  LEFT JOIN events AS f ON f.notification_id = c.first_position
  LEFT JOIN events AS l ON l.notification_id = c.last_position
 WHERE (c.first_position IS NULL) <> (c.last_position IS NULL)
    OR c.first_position > c.last_position
    OR c.first_position IS NOT NULL
   AND (f.command_id IS DISTINCT FROM c.command_id OR l.command_id IS DISTINCT FROM c.command_id)
"""
_REPEATED_COMMANDS = (
    "SELECT command_id, count(*) AS count FROM commands GROUP BY command_id HAVING count(*) > 1"
)


class Report(msgspec.Struct, frozen=True):
    """What an audit has covered and found; ``trial_balance`` in kopecks."""

    accounts: int
    events: int
    differences: list[Difference]
    trial_balance: dict[str, int] = {}


class _Part(msgspec.Struct):
    """The result for one range of streams; sums of its balances in kopecks."""

    accounts: int
    events: int
    principal: int
    penalty: int
    advance: int
    postings: dict[str, int]
    differences: list[Difference]


def audit(
    store: PostgresStore, progress: Progress = quiet, *, workers: int | None = None
) -> Report:
    """Compare replay, SQL and read model account by account, on all cores."""
    differences = store.query(_check_log)
    parts = list(over_streams(store, audit_range, progress, workers))
    for part in parts:
        differences += part.differences
    postings = new_sums()
    for part in parts:
        for account, amount in part.postings.items():
            postings[account] += amount
    differences += _check_trial_balance(postings, parts)
    return Report(
        sum(part.accounts for part in parts),
        sum(part.events for part in parts),
        differences,
        dict(sorted(postings.items())),
    )


def audit_range(connection: psycopg.Connection[Any], part: Range, progress: Progress) -> _Part:
    """Compare replay, SQL and read model for the streams of one range, in one snapshot."""
    found = _Part(0, 0, 0, 0, 0, new_sums(), [])
    replayed: dict[UUID, dict[str, Any]] = {}
    broken: list[UUID] = []
    cursor = connection.cursor()
    streams = (
        replay_stream(id_, entries, found.postings)
        for id_, entries in read_streams(connection, part, progress)
    )
    for batch in in_batches(streams):
        for stream in batch:
            found.differences += stream.differences
            if stream.broken:
                broken.append(stream.aggregate.id)
            _count(stream, found, replayed)
        for deviation in deviations(cursor, batch):
            found.differences += deviation.differences()
    for deviation in orphan_rows(cursor, part):
        found.differences += deviation.differences()
    found.differences += _compare_with_sql(connection, part, replayed, broken)
    found.postings = dict(found.postings)
    return found


def _count(stream: Replayed, found: _Part, replayed: dict[UUID, dict[str, Any]]) -> None:
    found.events += stream.aggregate.version
    account = stream.aggregate
    if not isinstance(account, Account):
        return
    found.accounts += 1
    if stream.broken:
        return
    replayed[account.id] = {
        "number": account.number,
        **{name: getattr(account, name) for name in _FIGURES},
    }
    found.principal += account.principal
    found.penalty += account.penalty
    found.advance += account.advance


def _compare_with_sql(
    connection: psycopg.Connection[Any],
    part: Range,
    replayed: dict[UUID, dict[str, Any]],
    broken: Sequence[UUID],
) -> Iterator[Difference]:
    try:
        with connection.transaction(), connection.cursor() as cursor:
            summed = aggregate(cursor, part.first, part.last, broken)
    except psycopg.DataError as error:
        streams = f"streams {part.first} to {part.last}"
        yield Difference("", f"{streams} (SQL)", "can be added up", str(error).splitlines()[0])
        return
    for id_ in replayed.keys() | summed.keys():
        one, other = replayed.get(id_), summed.get(id_)
        for name in _FIGURES:
            expected, found = one and one[name], other and other[name]
            if expected != found:
                number = one["number"] if one else str(id_)
                yield Difference(
                    number, f"{name.replace('_', ' ')} (SQL)", str(expected), str(found)
                )


def _check_log(session: PostgresSession) -> list[Difference]:
    """Check what no single stream can show: the order of the log, its commands, its payments."""
    cursor = session.cursor
    cursor.execute("SET LOCAL statement_timeout = 0")
    found = [*_breaks(cursor), *_commands(cursor)]
    try:
        with cursor.connection.transaction():
            for deviation in orphan_postings(cursor):
                found += deviation.differences()
    except psycopg.DataError as error:
        text = str(error).splitlines()[0]
        found.append(Difference("", "events of payments (SQL)", "can be read", text))
    return found


def _breaks(cursor: Any) -> Iterator[Difference]:
    for row in cursor.execute(_BREAKS).fetchall():
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
    for row in cursor.execute(_REPEATED_COMMANDS).fetchall():
        yield Difference("", f"command {row['command_id']}", "once", f"{row['count']} times")
    for row in cursor.execute(_COMMANDS).fetchall():
        yield Difference(
            "",
            f"command {row['command_id']}",
            f"positions {row['first_position']} to {row['last_position']} are its own",
            f"of commands {row['first_command']} and {row['last_command']}",
        )


def _check_trial_balance(postings: dict[str, int], parts: Sequence[_Part]) -> Iterator[Difference]:
    """Yield what is wrong: the books must add up to zero, and agree with what accounts owe."""
    if total := sum(postings.values()):
        yield Difference("", "trial balance", "0", str(total))
    if any(difference.what.startswith("event at") for p in parts for difference in p.differences):
        return  # an account that cannot be replayed is in one sum and not in the other
    services = sum(
        amount
        for account, amount in postings.items()
        if account.startswith("receivable:") and account != PENALTY
    )
    for what, books, name in (
        ("receivables", services, "principal"),
        ("penalties", postings.get(PENALTY, 0), "penalty"),
        ("advances", -postings.get(ADVANCES, 0), "advance"),
    ):
        accounts = sum(getattr(part, name) for part in parts)
        if accounts != books:
            yield Difference("", f"{what} in the trial balance", str(accounts), str(books))
