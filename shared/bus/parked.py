"""Parked messages: those that failed for good, kept with the reason until staff decide.

Staff list them by ``saldo bus parked``, and retry them in order once the cause is fixed, or drop
them with a reason. Those that wait for something (:mod:`shared.bus.waiting`) are kept here too, but
are not shown as parked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from shared.bus.messages import Message, position_of, read_message

BEHIND = "BehindParked"
"""The reason of a message that is parked because an earlier one of its subject is."""
MOST_KILLED = 3
"""How many processes may end while they handle a message before it is parked, or not retried."""

_LISTED = "id, upstream, position, subject, type, reason, error_id, attempts, parked_at"
_ROW = f"{_LISTED}, headers, body"
_SELECTED = (
    "(%(upstream)s::text IS NULL OR upstream = %(upstream)s)"
    " AND (%(type)s::text IS NULL OR type = %(type)s)"
    " AND (%(failure)s::text IS NULL OR reason = %(failure)s)"
    " AND (%(since)s::timestamptz IS NULL OR parked_at >= %(since)s)"
    " AND (%(id)s::bigint IS NULL OR id = %(id)s) AND id > %(after)s AND waits_until IS NULL"
)


class Selection(NamedTuple):
    """Which parked messages: those that match whatever is not None.

    ``failure`` is the type of the error, as it is listed; ``since`` the moment of parking. Only
    messages with an id above ``after``.
    """

    upstream: str | None = None
    type: str | None = None
    failure: str | None = None
    since: datetime | None = None
    id: int | None = None
    after: int = 0


ALL = Selection()


def put(
    cursor: Any,
    upstream: str,
    headers: Mapping[str, Any],
    body: bytes,
    *,
    reason: str,
    error_id: str,
    attempts: int,
    waits: timedelta | None = None,
) -> None:
    """Park a message. ``reason`` is the type of the failure, never its text.

    For so long as it ``waits`` the worker retries it by itself; None: until staff decide.
    """
    cursor.execute(
        "INSERT INTO parked (upstream, position, subject, type, headers, body, reason, error_id, "
        "attempts, waits_until, next_try) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, "
        "clock_timestamp() + %s::interval, "
        "CASE WHEN %s::interval IS NOT NULL THEN clock_timestamp() + interval '1 second' END)",
        (
            upstream,
            position_of(headers),
            str(headers.get("cloudEvents_subject", "")),
            str(headers.get("cloudEvents_type", "")),
            json.dumps(dict(headers), default=str),
            body,
            reason,
            error_id,
            attempts,
            waits,
            waits,
        ),
    )


class Blocking(NamedTuple):
    """The first parked message of a subject; ``waits``: the worker retries it by itself."""

    id: int
    waits: bool


def blocking(cursor: Any, upstream: str, subject: str) -> Blocking | None:
    """Return the message that blocks later ones of this subject, if any."""
    row = cursor.execute(
        "SELECT id, waits_until IS NOT NULL AS waits FROM parked "
        "WHERE upstream = %s AND subject = %s ORDER BY id LIMIT 1",
        (upstream, subject),
    ).fetchone()
    return None if row is None else Blocking(**row)


def count(cursor: Any, selection: Selection = ALL) -> int:
    """Return how many parked messages are selected."""
    cursor.execute(f"SELECT count(*) AS found FROM parked WHERE {_SELECTED}", selection._asdict())
    return int(cursor.fetchone()["found"])


def listing(
    cursor: Any, selection: Selection = ALL, *, after: int = 0, limit: int = 1000
) -> list[dict[str, Any]]:
    """Return selected messages with a greater id, oldest first, without their bodies."""
    cursor.execute(
        f"SELECT {_LISTED} FROM parked WHERE {_SELECTED} ORDER BY id LIMIT %(limit)s",
        {**selection._replace(after=max(after, selection.after))._asdict(), "limit": limit},
    )
    return cursor.fetchall()  # type: ignore[no-any-return]


def find(cursor: Any, parked_id: int) -> dict[str, Any] | None:
    """Return a parked message with its headers and body; None if there is none of this id."""
    cursor.execute(f"SELECT {_ROW} FROM parked WHERE id = %s", (parked_id,))
    return cursor.fetchone()  # type: ignore[no-any-return]


def ask(cursor: Any, selection: Selection, by: str) -> dict[int, str]:
    """Ask the worker to retry the selected messages; return the last failure of each by its id."""
    cursor.execute(
        "UPDATE parked SET retry_asked_at = clock_timestamp(), retry_asked_by = %(by)s, begun = 0 "
        f"WHERE {_SELECTED} RETURNING id, error_id",
        {**selection._asdict(), "by": by},
    )
    return {row["id"]: row["error_id"] for row in cursor.fetchall()}


def asked(cursor: Any, limit: int) -> list[dict[str, Any]]:
    """Return the messages that the worker is asked to retry, oldest first, without their bodies."""
    cursor.execute(
        f"SELECT {_LISTED}, retry_asked_by FROM parked WHERE retry_asked_at IS NOT NULL "
        "ORDER BY id LIMIT %s",
        (limit,),
    )
    return cursor.fetchall()  # type: ignore[no-any-return]


def is_any_due(cursor: Any) -> bool:
    """Return whether a message is asked for, or waits and is to be tried."""
    cursor.execute(
        "SELECT EXISTS (SELECT FROM parked WHERE retry_asked_at IS NOT NULL"
        " OR next_try <= clock_timestamp()) AS due"
    )
    return bool(cursor.fetchone()["due"])


def outstanding(cursor: Any, ids: list[int]) -> int:
    """Return how many of these messages still wait for the worker."""
    cursor.execute(
        "SELECT count(*) AS left FROM parked WHERE id = ANY (%s) AND retry_asked_at IS NOT NULL",
        (ids,),
    )
    return int(cursor.fetchone()["left"])


def failures(cursor: Any, ids: list[int]) -> dict[int, str]:
    """Return the last failure of each of these messages that are still parked, by its id."""
    cursor.execute("SELECT id, error_id FROM parked WHERE id = ANY (%s)", (ids,))
    return {row["id"]: row["error_id"] for row in cursor.fetchall()}


def begin_retry(cursor: Any, parked_id: int) -> int:
    """Note that a retry begins; return how many have begun since it was asked for, or put aside.

    To be committed before the message is handled: it may end the process.
    """
    cursor.execute("SET LOCAL synchronous_commit = off")  # it is to outlive this process, no server
    cursor.execute(
        "UPDATE parked SET begun = begun + 1 WHERE id = %s RETURNING begun", (parked_id,)
    )
    row = cursor.fetchone()
    return int(row["begun"]) if row else 0


def end_retry(cursor: Any, parked_id: int) -> None:
    """Note that the process has outlived a retry."""
    cursor.execute("UPDATE parked SET begun = 0 WHERE id = %s", (parked_id,))


def cancel_retry(cursor: Any, parked_id: int) -> None:
    """Leave a message parked, and do not retry it until staff ask again."""
    cursor.execute("UPDATE parked SET retry_asked_at = NULL WHERE id = %s", (parked_id,))


def retry(cursor: Any, parked_id: int, handle: Callable[[Message], None]) -> bool:
    """Handle a parked message in the caller's transaction and delete it; False if it is unknown.

    Raises what the handler raises, OutOfOrderError, and MalformedMessageError for a message that
    cannot be read and can only be dropped.
    """
    cursor.execute(f"SELECT {_ROW} FROM parked WHERE id = %s FOR UPDATE", (parked_id,))
    row = cursor.fetchone()
    if row is None:
        return False
    cursor.execute(
        "SELECT 1 FROM parked WHERE upstream = %s AND subject = %s AND id < %s LIMIT 1",
        (row["upstream"], row["subject"], parked_id),
    )
    if cursor.fetchone() is not None and row["type"]:
        raise OutOfOrderError(
            f"message {parked_id} waits behind an earlier one of the same subject; "
            "retry or drop that one first"
        )
    handle(read_message(row["headers"], bytes(row["body"])))
    cursor.execute("DELETE FROM parked WHERE id = %s", (parked_id,))
    return True


def note_failure(cursor: Any, parked_id: int, *, reason: str, error_id: str) -> None:
    """Note that a retry has failed, with the type of the new failure."""
    cursor.execute(
        "UPDATE parked SET reason = %s, error_id = %s, attempts = attempts + 1, "
        "retry_asked_at = NULL, begun = 0 WHERE id = %s",
        (reason, error_id, parked_id),
    )


def drop(cursor: Any, parked_id: int) -> bool:
    """Delete a parked message; return whether there was one."""
    return bool(drop_some(cursor, [parked_id]))


def drop_some(cursor: Any, ids: list[int]) -> list[int]:
    """Delete parked messages; return the ids of those that there were."""
    cursor.execute("DELETE FROM parked WHERE id = ANY (%s) RETURNING id", (ids,))
    return sorted(row["id"] for row in cursor.fetchall())


class OutOfOrderError(Exception):
    """An earlier message of the same subject must be retried or dropped first."""
