"""Quarantine: messages that are not in the log of their upstream, or arrived damaged.

They never take effect. What the upstream's log has at their positions is read from there. They are
kept to be looked at, `saldo bus quarantine`, until staff drop them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

from shared.bus.messages import EPOCH_HEADER, SUBJECT_HEADER, TYPE_HEADER, position_of

DAMAGED = "damaged"
UNKNOWN_EPOCH = "unknown_epoch"
LOST_TAIL = "lost_tail"
BEYOND_HEAD = "beyond_head"
NO_PREDECESSOR = "no_predecessor"
NOT_IN_LOG = "not_in_log"
PARKED_GHOST = "parked_ghost"
REASONS = (
    DAMAGED,
    UNKNOWN_EPOCH,
    LOST_TAIL,
    BEYOND_HEAD,
    NO_PREDECESSOR,
    NOT_IN_LOG,
    PARKED_GHOST,
)
"""Why a message is here: it cannot be read, or is another than the event in the log; its epoch is
not in the upstream's history; its epoch ended before it; the log ends before it; the log does not
have the event before it; the log has nothing at its position; it was parked when its reader was
found to have read a lost part of the log."""

_LISTED = "id, upstream, epoch, position, subject, type, reason, quarantined_at"
_DEEPEST = 8
_BY_BROKER = ("x-delivery-count", "x-acquired-count", "x-death")
"""Headers that change with each delivery of one message."""


def put(
    cursor: Any,
    upstream: str,
    headers: Mapping[str, Any],
    body: bytes,
    *,
    reason: str,
) -> bool:
    """Quarantine a message; return False for one that is there already."""
    kept = storable(headers)
    content = msgspec.json.encode({**kept, **dict.fromkeys(_BY_BROKER)}, order="sorted")
    cursor.execute(
        "INSERT INTO quarantine (upstream, epoch, position, subject, type, headers, body, digest, "
        "reason) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (
            upstream,
            str(kept.get(EPOCH_HEADER, "")),
            position if (position := position_of(headers)) and 0 < position < 2**63 else None,
            str(kept.get(SUBJECT_HEADER, "")),
            str(kept.get(TYPE_HEADER, "")),
            msgspec.json.encode(kept).decode(),
            body,
            sha256(content + b"\x00" + body).digest(),
            reason,
        ),
    )
    return bool(cursor.rowcount)


def put_parked(cursor: Any, upstream: str, after: int) -> int:
    """Quarantine the messages of an upstream that are parked or wait, above a position.

    Return how many they are. For those that are not in its log any more.
    """
    cursor.execute(
        "WITH gone AS (DELETE FROM parked WHERE upstream = %(upstream)s "
        "AND position > %(after)s RETURNING *) "
        "INSERT INTO quarantine (upstream, epoch, position, subject, type, headers, body, digest, "
        "reason) SELECT upstream, coalesce(headers ->> 'saldo_epoch', ''), position, subject, "
        "type, headers, body, sha256(convert_to(headers::text, 'UTF8') || body), %(reason)s "
        "FROM gone ON CONFLICT DO NOTHING",
        {"upstream": upstream, "after": after, "reason": PARKED_GHOST},
    )
    return int(cursor.rowcount)


def listing(
    cursor: Any, *, upstream: str | None = None, after: int = 0, limit: int = 1000
) -> list[dict[str, Any]]:
    """Return quarantined messages with a greater id, oldest first, without their bodies."""
    cursor.execute(
        f"SELECT {_LISTED} FROM quarantine WHERE id > %(after)s "
        "AND (%(upstream)s::text IS NULL OR upstream = %(upstream)s) ORDER BY id LIMIT %(limit)s",
        {"upstream": upstream, "after": after, "limit": limit},
    )
    return cursor.fetchall()  # type: ignore[no-any-return]


def count(cursor: Any, *, upstream: str | None = None) -> int:
    """Return how many messages are quarantined."""
    cursor.execute(
        "SELECT count(*) AS found FROM quarantine "
        "WHERE %(upstream)s::text IS NULL OR upstream = %(upstream)s",
        {"upstream": upstream},
    )
    return int(cursor.fetchone()["found"])


def find(cursor: Any, quarantine_id: int) -> dict[str, Any] | None:
    """Return a message with its headers and body; None if there is none of this id."""
    cursor.execute(
        f"SELECT {_LISTED}, headers, body FROM quarantine WHERE id = %s", (quarantine_id,)
    )
    return cursor.fetchone()  # type: ignore[no-any-return]


def drop_some(cursor: Any, ids: list[int]) -> list[int]:
    """Delete quarantined messages; return the ids of those that there were."""
    cursor.execute("DELETE FROM quarantine WHERE id = ANY (%s) RETURNING id", (ids,))
    return sorted(row["id"] for row in cursor.fetchall())


def storable(value: Any, depth: int = 0) -> Any:
    """Return what stands in headers as jsonb can hold it: anybody may have written them."""
    match value:
        case None | bool() | int():
            return value if value is None or abs(value) < 2**63 else str(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case Mapping() if depth < _DEEPEST:
            return {_text(key): storable(one, depth + 1) for key, one in value.items()}
        case list() | tuple() if depth < _DEEPEST:
            return [storable(one, depth + 1) for one in value]
        case bytes():
            return _text(value.decode(errors="replace"))
        case _:
            return _text(value)


def _text(value: Any) -> str:
    """Return a text without what PostgreSQL does not store."""
    return str(value).replace("\x00", "\ufffd").encode(errors="replace").decode()
