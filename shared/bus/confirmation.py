"""Confirming a log: the relay compares it with the bus before anybody reads it for others.

Only a run of the server can be trusted: a server that was started again may have been put back from
a copy, and another server may have less than the one that it replaces. So the relay records for
which run of which server it has compared the heads. Where the end of the log may be lost, a new
epoch begins; wherever there is a doubt, too: a reader whose position fits just goes on.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.types.json import Jsonb

from shared.bus.epochs import (
    MOST_LOST,
    PLACE,
    PROMOTED,
    RESTORED,
    SERVER,
    STREAM_LOST,
    TAIL_LOST,
    Epoch,
    LogHistory,
    stored_history,
)
from shared.bus.messages import Publish, in_order
from shared.bus.stream import Compared, Sent
from shared.eventstore.postgres import PostgresStore
from shared.logs import get_logger

log = get_logger(__name__)

_RUN = f"""
SELECT {SERVER} AS server, {PLACE} AS log, pg_postmaster_start_time() AS started_at,
       (SELECT server FROM log_run) AS confirmed_server,
       (SELECT min(after_position) FROM log_starts) AS first_append,
       relay.position AS relayed, relay.published
  FROM relay
"""
_CONFIRM = """
INSERT INTO log_run (server, log, started_at) VALUES (%(server)s, %(log)s, %(started_at)s)
ON CONFLICT (only_row) DO UPDATE SET server = excluded.server, log = excluded.log,
       started_at = excluded.started_at, confirmed_at = clock_timestamp()
"""
_BEGIN = """
INSERT INTO epochs (number, name, after_position, reason, server)
SELECT max(number) + 1, max(number) + 1 || '.' || %s, %s, %s, %s FROM epochs
"""

_SCANNED = 1000
"""Events that are read at a time where the last published one is looked for."""


class Run(NamedTuple):
    """A run of the log's server, and what the schema says of the runs before.

    ``server`` is the identity of the server and the log on it. ``first_append`` is the end of the
    log before the first append of a run that nobody has confirmed.
    """

    server: str
    log: str
    started_at: datetime
    confirmed_server: str | None
    first_append: int | None
    relayed: int
    published: int


def confirm(
    connection: psycopg.Connection[Any],
    store: PostgresStore,
    publish: Publish,
    last_sent: Callable[[], Sent | None],
) -> Epoch:
    """Confirm the log for this run of its server; return the epoch that it is in.

    ``last_sent`` reads the last message of the stream; it is called only where it is needed. A new
    epoch begins after the last event that was there when the run began.
    """
    with connection.transaction(), connection.cursor() as cursor:
        history, confirmed = stored_history(cursor)
    if confirmed:
        return history.current
    sent = last_sent()
    with connection.transaction(), connection.cursor() as cursor:
        store.recorder.lock(cursor)
        history, confirmed = stored_history(cursor)
        run = _run(cursor)
        reason = None if confirmed else _doubt(cursor, history, run, sent)
        if reason is not None:
            after = _end_before(history, run)
            cursor.execute(_BEGIN, (secrets.token_hex(4), after, reason, run.server))
            cut_back(cursor, store, publish, after)
        cursor.execute(_CONFIRM, run._asdict())
        cursor.execute("DELETE FROM log_starts")
        history, _ = stored_history(cursor)
    current = history.current
    if reason is not None:
        log.error(
            "epoch_began",
            service=store.service,
            epoch=current.name,
            after=current.after,
            reason=reason,
            sent_epoch=sent.epoch if sent else "",
            sent_position=sent.position if sent else 0,
        )
    log.info("log_confirmed", service=store.service, epoch=current.name, head=history.head)
    return current


def compare(connection: psycopg.Connection[Any], sent: Sequence[Sent]) -> Compared:
    """Return which of some messages the log has, as it stands."""
    with connection.transaction(), connection.cursor() as cursor:
        history, _ = stored_history(cursor)
        rows: list[Any] = cursor.execute(
            "SELECT notification_id, recorded_at FROM events WHERE notification_id = ANY (%s)",
            (sorted({one.position for one in sent}),),
        ).fetchall()
    times = {row["notification_id"]: row["recorded_at"] for row in rows}
    had = {
        one
        for one in sent
        if history.has(one.epoch, one.position) and times.get(one.position) == one.time
    }
    return Compared(had, history.head + MOST_LOST)


def _run(cursor: Any) -> Run:
    return Run(**cursor.execute(_RUN).fetchone())


def _end_before(history: LogHistory, run: Run) -> int:
    """Return the last position that was in the log when its server's run began."""
    return history.head if run.first_append is None else min(run.first_append, history.head)


def _doubt(cursor: Any, history: LogHistory, run: Run, sent: Sent | None) -> str | None:
    """Return why a new epoch must begin; None where the log has all that was sent."""
    first = run.confirmed_server is None
    # Where nobody has confirmed before, an older version may have gone on to publish meanwhile.
    end = history.head if first else _end_before(history, run)
    if run.relayed > end or (sent is not None and not _has(cursor, history, end, sent)):
        return TAIL_LOST
    if first:
        return None
    if run.confirmed_server != run.server:
        return _changed(str(run.confirmed_server), run.server)
    return STREAM_LOST if sent is None and run.published else None


def _has(cursor: Any, history: LogHistory, end: int, sent: Sent) -> bool:
    if sent.position > end or not history.has(sent.epoch, sent.position):
        return False
    row = cursor.execute(
        "SELECT recorded_at FROM events WHERE notification_id = %s", (sent.position,)
    ).fetchone()
    return row is not None and row["recorded_at"] == sent.time


def _changed(before: str, now: str) -> str:
    """Return why the identity of the server has changed."""
    (system, _, *place), (system_now, _, *place_now) = before.split("/"), now.split("/")
    return PROMOTED if (system, place) == (system_now, place_now) else RESTORED


def cut_back(cursor: Any, store: PostgresStore, publish: Publish, end: int) -> None:
    """Cut the positions of relay and live feed back to the end of the last epoch.

    They are beyond it where the events alone were put back.
    """
    sent: dict[str, dict[str, Any]] = {
        table: cursor.execute(f"SELECT * FROM {table}").fetchone() for table in ("relay", "live")
    }
    types = sent["live"]["types"]
    lost = {name for name, position in types.items() if position > end}
    beyond = [table for table, row in sent.items() if max(row["position"], row["published"]) > end]
    if not (beyond or lost):
        return
    published, last = _last_published(cursor, store, publish, end, lost)
    for table in beyond:
        cursor.execute(
            f"UPDATE {table} SET position = least(position, %s),"
            " published = CASE WHEN published > %s THEN %s ELSE published END",
            (end, end, published),
        )
    kept = {name: position for name, position in types.items() if name not in lost}
    cursor.execute("UPDATE live SET types = %s", (Jsonb(kept | last),))


def _last_published(
    cursor: Any, store: PostgresStore, publish: Publish, end: int, types: set[str]
) -> tuple[int, dict[str, int]]:
    """Return the last published position up to the end of an epoch, and that of some types."""
    published, last = 0, dict[str, int]()
    while end > 0 and not (published and types <= set(last)):
        begin = max(0, end - _SCANNED)
        for row in reversed(store.recorder.after(cursor, begin, end - begin)):
            versions = in_order(publish(store.recorded(row)))
            if versions:
                published = published or row.id
            for version in versions:
                if version.type in types:
                    last.setdefault(version.type, row.id)
        end = begin
    return published, last
