"""Idempotence keys: a call that is repeated within a day returns what the first one made."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Final

from deploy.doubles.yookassa.objects import RefusedError, invalid

_KEPT_MS: Final = 24 * 3600 * 1000


@dataclass(frozen=True)
class KeyedCall:
    """A call with its key; `digest` stands for its path and body."""

    key: str
    digest: str


def known_object(db: sqlite3.Connection, call: KeyedCall, now: int) -> str:
    """Return the id of what an earlier call of this key made; "" if there was none.

    Raises the earlier refusal again, and refuses a key that came with other data.
    """
    db.execute("DELETE FROM keys WHERE created_at <= ?", (now - _KEPT_MS,))
    row = db.execute("SELECT * FROM keys WHERE key = ?", (call.key,)).fetchone()
    if row is None:
        return ""
    if row["digest"] != call.digest:
        raise invalid("Idempotence key duplicated", "Idempotence-Key")
    if row["refusal"]:
        raise RefusedError(*json.loads(row["refusal"]))
    return str(row["object_id"])


def remember(db: sqlite3.Connection, call: KeyedCall, object_id: str, now: int) -> None:
    """Keep what a call has made under its key."""
    db.execute(
        "INSERT INTO keys (key, digest, object_id, refusal, created_at) VALUES (?,?,?,'',?)",
        (call.key, call.digest, object_id, now),
    )


def remember_refusal(
    db: sqlite3.Connection, call: KeyedCall, refusal: RefusedError, now: int
) -> None:
    """Keep a refusal under the key of its call; an earlier result stays."""
    told = (refusal.status, refusal.code, refusal.description, refusal.parameter)
    db.execute(
        "INSERT INTO keys (key, digest, object_id, refusal, created_at) VALUES (?,?,'',?,?)"
        " ON CONFLICT (key) DO NOTHING",
        (call.key, call.digest, json.dumps(told), now),
    )
