"""Mailings as staff see them: how far each has come, and what has become of its letters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.notifications.mailing import State
from shared.contracts.notifications import LetterKind
from shared.eventstore import Session

_SHOWN = ("kind", "about", "state", "found", "queued", "sent", "failed", "bounced", "pointless")


def mailings(session: Session, limit: int) -> dict[str, Any]:
    """Return {mailings: [...]}, newest first, without letters whose rows have had their time.

    `found` counts persons by account, `queued` letters; `pointless` are letters that nobody needed
    by the time of their delivery: all was paid, or the access had ended. `progress` is the part of
    the step that is done, None where the whole is not known.
    """
    rows = session.read.mailings.newest(limit)
    return {"mailings": [_shown(row) for row in rows]}


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    ended = row["finished_at"]
    return {
        "mailing_id": str(row["mailing_id"]),
        **{name: row[name] for name in _SHOWN},
        "progress": _progress(row),
        "begun_at": row["begun_at"].isoformat(),
        "finished_at": None if ended is None else ended.isoformat(),
    }


def _progress(row: Mapping[str, Any]) -> float | None:
    if row["state"] == State.QUEUEING and row["found"]:
        left: int = row["lines_left"]
        return round(1 - left / int(row["found"]), 3)
    if row["state"] == State.COLLECTING and row["kind"] == LetterKind.BILL_READY:
        first, last = int(row["first_position"]), int(row["last_position"])
        return round((int(row["reached"]) - first + 1) / (last - first + 1), 3)
    return None
