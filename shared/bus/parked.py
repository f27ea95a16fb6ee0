"""Parked messages: what failed for good, kept with its reason until somebody decides.

Nothing here is lost by itself: staff see the rows by ``saldo bus parked``, and after the cause is
mended try them again, in order, or drop them with a reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from shared.bus.messages import MalformedMessageError, Message, position_of, read_message

_ROW = "id, upstream, position, subject, type, headers, body, reason, error_id, attempts, parked_at"


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
    """Keep a message aside. ``reason`` names the kind of failure, never its text."""
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


def is_waiting(cursor: Any, upstream: str, subject: str) -> bool:
    """Return whether an earlier message of the same subject is parked."""
    row = cursor.execute(
        "SELECT 1 FROM parked WHERE upstream = %s AND subject = %s LIMIT 1", (upstream, subject)
    ).fetchone()
    return row is not None


def listing(cursor: Any, limit: int = 1000) -> list[dict[str, Any]]:
    """Return the parked messages of a service, oldest first, without their bodies."""
    cursor.execute(
        "SELECT id, upstream, position, subject, type, reason, error_id, attempts, parked_at "
        "FROM parked ORDER BY id LIMIT %s",
        (limit,),
    )
    return cursor.fetchall()  # type: ignore[no-any-return]


def retry(cursor: Any, parked_id: int, handle: Callable[[Message], None]) -> bool:
    """Handle one parked message inside the caller's transaction and forget it.

    Answers False when there is none of that id. Raises what the handler raises, and
    MalformedMessageError for one that cannot be read: it can only be dropped.
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


def drop(cursor: Any, parked_id: int) -> bool:
    """Forget a parked message; answers whether there was one."""
    cursor.execute("DELETE FROM parked WHERE id = %s RETURNING id", (parked_id,))
    return cursor.fetchone() is not None


class OutOfOrderError(Exception):
    """An earlier message of the same subject must be decided first."""


__all__ = [
    "MalformedMessageError",
    "OutOfOrderError",
    "drop",
    "is_waiting",
    "listing",
    "put",
    "retry",
]
