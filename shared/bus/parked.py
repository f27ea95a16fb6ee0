"""Parked messages: those that failed for good, kept with the reason until staff decide.

Staff list them by ``saldo bus parked``, and retry them in order once the cause is fixed, or drop
them with a reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from shared.bus.messages import Message, position_of, read_message

_LISTED = "id, upstream, position, subject, type, reason, error_id, attempts, parked_at"
_ROW = f"{_LISTED}, headers, body"
_SELECTED = (
    "(%(upstream)s::text IS NULL OR upstream = %(upstream)s)"
    " AND (%(type)s::text IS NULL OR type = %(type)s)"
    " AND (%(failure)s::text IS NULL OR reason = %(failure)s)"
    " AND (%(since)s::timestamptz IS NULL OR parked_at >= %(since)s)"
    " AND (%(id)s::bigint IS NULL OR id = %(id)s) AND id > %(after)s"
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
) -> None:
    """Park a message. ``reason`` is the type of the failure, never its text."""
    cursor.execute(
        "INSERT INTO parked (upstream, position, subject, type, headers, body, reason, error_id, "
        "attempts) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
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
        ),
    )


def blocks(cursor: Any, upstream: str, subject: str) -> bool:
    """Return whether a parked message blocks later ones of this subject."""
    row = cursor.execute(
        "SELECT 1 FROM parked WHERE upstream = %s AND subject = %s LIMIT 1", (upstream, subject)
    ).fetchone()
    return row is not None


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
        "UPDATE parked SET retry_asked_at = clock_timestamp(), retry_asked_by = %(by)s "
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
        "retry_asked_at = NULL WHERE id = %s",
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
