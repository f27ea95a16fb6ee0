"""Parked messages: those that failed for good, kept with the reason until staff decide.

Staff list them by ``saldo bus parked``, and retry them in order once the cause is fixed, or drop
them with a reason.
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


def listing(cursor: Any, limit: int = 1000) -> list[dict[str, Any]]:
    """Return the parked messages of a service, oldest first, without their bodies."""
    cursor.execute(
        "SELECT id, upstream, position, subject, type, reason, error_id, attempts, parked_at "
        "FROM parked ORDER BY id LIMIT %s",
        (limit,),
    )
    return cursor.fetchall()  # type: ignore[no-any-return]


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


def drop(cursor: Any, parked_id: int) -> bool:
    """Delete a parked message; return whether there was one."""
    cursor.execute("DELETE FROM parked WHERE id = %s RETURNING id", (parked_id,))
    return cursor.fetchone() is not None


class OutOfOrderError(Exception):
    """An earlier message of the same subject must be retried or dropped first."""


__all__ = [
    "MalformedMessageError",
    "OutOfOrderError",
    "blocks",
    "drop",
    "listing",
    "put",
    "retry",
]
