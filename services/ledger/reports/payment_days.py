"""What the ledger has of the payments of a day, net of refunds and reversals: to be reconciled."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from services.ledger.tables.payment_movements import (
    last_position,
    postings,
    taken_back,
    touched,
)
from shared.eventstore import Session

SPAN = 200_000
"""Positions of the log that one page reads at most, so that none takes long."""
_POSTED = "ledger.payment_posted.v1"
_REVERSED = "ledger.payment_reversed.v1"


def payments_of_day(session: Session, day: date, after: int, limit: int) -> dict[str, Any]:
    """Return a page of the payments of a day, and of those that were taken back on it.

    ``payments`` are as `payments_posted` returns them, ``next`` is where the next page begins;
    None: there is none. A payment may be in several pages.
    """
    begin = datetime.combine(day, time(), UTC)
    # A payment is recorded on its day or later, or the day before: in another zone it had begun.
    first = max(after, session.read.first_position(begin - timedelta(days=2)) - 1)
    last = last_position(session.cursor)
    up_to = min(first + SPAN, last)
    around = (begin - timedelta(days=1), begin + timedelta(days=2))
    found = touched(session.cursor, first, up_to, day, around, limit)
    wanted = {
        row["payment_id"]
        for row in found
        if row["topic"] == _POSTED or session.clock.day_of(row["recorded_at"]) == day
    }
    end = found[-1]["position"] if len(found) == limit else up_to
    return {
        "payments": payments_posted(session, wanted),
        "next": end if end < last else None,
        "position": end,
        "last": last,
    }


def payments_posted(session: Session, payment_ids: Collection[UUID]) -> list[dict[str, Any]]:
    """Return what the ledger has of payments, a row for each account they were posted to.

    ``amount`` is what was posted, penalty included; ``refunded`` what refunds took back of it,
    ``reversed`` what a reversal did; ``moved_to`` and ``moved_from`` where it was moved between
    accounts. ``actor`` is who posted it, ``place`` where staff or a bank took it ("" for an
    acquirer), ``reversed_by`` who reversed it. ``position`` is that of the posting in the log.
    """
    if not payment_ids:
        return []
    posted = postings(session.cursor, payment_ids)
    streams = sorted({row["originator_id"] for row in posted})
    back: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in taken_back(session.cursor, streams):
        event = row["state"]
        back.setdefault((event["payment_id"], event["account"]), []).append(row)
    return [_net(row, back.get((str(row["payment_id"]), row["account"]), ())) for row in posted]


def _net(row: Mapping[str, Any], back: Collection[Mapping[str, Any]]) -> dict[str, Any]:
    event = row["state"]
    reversals = [one for one in back if one["topic"] == _REVERSED]
    return {
        "payment_id": str(row["payment_id"]),
        "account": row["account"],
        "position": row["position"],
        "paid_on": event["effective_on"],
        "amount": row["amount"] + row["penalty"],
        "refunded": sum(_sum(one["state"]) for one in back if one not in reversals),
        "reversed": sum(_sum(one["state"]) for one in reversals),
        "reversed_by": reversals[-1]["actor"] if reversals else None,
        "moved_to": reversals[-1]["state"].get("moved_to", "") if reversals else "",
        "moved_from": event.get("moved_from", ""),
        "actor": row["actor"],
        "place": (event.get("taken") or {}).get("place", ""),
    }


def _sum(event: Mapping[str, Any]) -> int:
    return int(event["amount"]) + int(event.get("penalty", 0))
