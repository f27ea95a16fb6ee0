"""What a service does about its data keys in the background: move them, and destroy them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from shared.eventstore.data_keys import DELETE
from shared.eventstore.postgres import PostgresStore

BATCH = 500
"""Keys that are moved or destroyed at once."""

_TO_DESTROY = "SELECT subject FROM destroyed_keys WHERE done_at IS NULL ORDER BY asked_at LIMIT %s"
_DESTROYED = "UPDATE destroyed_keys SET done_at = clock_timestamp() WHERE subject = ANY(%s)"


def move_keys(store: PostgresStore) -> int:
    """Move keys from beside the log to their own database; return how many there were."""
    with store.transaction() as cursor:
        rows = cursor.execute(
            "SELECT subject, wrapped FROM data_keys ORDER BY subject LIMIT %s "
            "FOR UPDATE SKIP LOCKED",
            (BATCH,),
        ).fetchall()
        if rows:
            # They are committed there before they go here.
            store.data_keys.keep({row["subject"]: bytes(row["wrapped"]) for row in rows})
            cursor.execute(DELETE, ([row["subject"] for row in rows],))
    return len(rows)


def destroy_keys(store: PostgresStore) -> int:
    """Destroy the keys that events have said are destroyed; return how many there were."""
    with store.transaction() as cursor:
        rows = cursor.execute(_TO_DESTROY, (BATCH,)).fetchall()
    subjects = [row["subject"] for row in rows]
    if subjects:
        store.data_keys.destroy(subjects)
        with store.transaction() as cursor:
            cursor.execute(_DESTROYED, (subjects,))
    return len(subjects)


def destroy_keys_again(store: PostgresStore) -> int:
    """Destroy every key that was ever to be destroyed, as after a restored dump; return the number.

    Nothing is left to do where no older dump of the keys was restored.
    """
    found, last = 0, None
    while True:
        with store.transaction() as cursor:
            rows = cursor.execute(
                "SELECT subject FROM destroyed_keys WHERE %s::uuid IS NULL OR subject > %s "
                "ORDER BY subject LIMIT %s",
                (last, last, BATCH),
            ).fetchall()
        if not rows:
            return found
        last = rows[-1]["subject"]
        with store.data_keys.transaction() as cursor:
            cursor.execute(DELETE, ([row["subject"] for row in rows],))
            found += cursor.rowcount


def forget_destroyed(cursor: Any, before: datetime, most: int) -> int:
    """Forget whose keys were destroyed before a moment; return how many there were.

    By then no dump of the keys is kept in which they are.
    """
    cursor.execute(
        "DELETE FROM destroyed_keys WHERE subject IN (SELECT subject FROM destroyed_keys"
        " WHERE done_at < %s ORDER BY done_at LIMIT %s)",
        (before, most),
    )
    return int(cursor.rowcount)
