"""The table of refunds: projected from the events, and the schedule of the calls that make them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Cursor
from psycopg.types.json import Jsonb

from services.payments.events import (
    MoneyReturned,
    RefundPosted,
    RefundProposed,
    RefundRefused,
    RefundRejected,
    RefundRequested,
)
from shared.contracts.payments import RefundCause
from shared.eventstore import Recorded


class RefundTable:
    """The table `refunds`, within one transaction."""

    def __init__(self, cursor: Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def project(self, entry: Recorded) -> bool:
        """Project an event of a refund; return False for any other."""
        match entry.event:
            case RefundProposed() as proposed:
                self._insert(entry, "proposed", proposed, by=proposed.by)
            case RefundRequested() as requested:
                by, decided_by = requested.proposed_by or requested.by, ""
                if requested.proposed_by:
                    decided_by = requested.by
                self._insert(entry, "requested", requested, by=by, decided_by=decided_by)
            case RefundRejected(refund_id=refund_id, by=by, reason=reason):
                self._cursor.execute(
                    "UPDATE refunds SET state = 'rejected', decided_by = %s, refusal = %s"
                    " WHERE refund_id = %s",
                    (by, reason, refund_id),
                )
            case RefundRefused(refund_id=refund_id, reason=reason):
                self._cursor.execute(
                    "UPDATE refunds SET state = 'refused', refusal = %s, due_at = NULL"
                    " WHERE refund_id = %s",
                    (reason, refund_id),
                )
            case RefundPosted(refund_id=refund_id, account=account):
                self._cursor.execute(
                    "UPDATE refunds SET posted = array_append(posted, %s) WHERE refund_id = %s",
                    (account, refund_id),
                )
            case _:
                return False
        return True

    def return_money(self, entry: Recorded, event: MoneyReturned) -> None:
        """Note that money went back, requested or not."""
        self._cursor.execute(
            "INSERT INTO refunds (refund_id, payment_id, state, lines, total, cause, reason, by,"
            " requested_at, returned_at, refunded_on) VALUES (%s, %s, 'made', %s, %s, %s, '', '',"
            " %s, %s, %s) ON CONFLICT (refund_id) DO UPDATE SET state = 'made', due_at = NULL,"
            " returned_at = excluded.returned_at, refunded_on = excluded.refunded_on",
            (
                event.refund_id,
                entry.originator_id,
                _json(event.lines),
                event.total,
                event.cause,
                entry.recorded_at,
                event.returned_at,
                event.refunded_on,
            ),
        )

    def of_payments(self, payment_ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
        """Return the refunds of payments, the oldest first, by payment."""
        self._cursor.execute(
            "SELECT * FROM refunds WHERE payment_id = ANY(%s) ORDER BY requested_at, refund_id",
            (list(payment_ids),),
        )
        found: dict[UUID, list[dict[str, Any]]] = {}
        for row in self._cursor.fetchall():
            found.setdefault(row["payment_id"], []).append(row)
        return found

    def find(self, refund_id: UUID) -> dict[str, Any] | None:
        """Return the row of a refund."""
        self._cursor.execute("SELECT * FROM refunds WHERE refund_id = %s", (refund_id,))
        return self._cursor.fetchone()

    def due(self, now: datetime, limit: int) -> list[dict[str, Any]]:
        """Return the rows of the refunds to make now, the longest overdue first.

        Of each payment only the oldest: what went back of one could not be told from the other.
        """
        self._cursor.execute(
            "SELECT * FROM refunds AS one WHERE due_at <= %s AND NOT EXISTS (SELECT FROM refunds"
            " AS other WHERE other.payment_id = one.payment_id AND other.state = 'requested'"
            " AND (other.requested_at, other.refund_id) < (one.requested_at, one.refund_id))"
            " ORDER BY due_at, refund_id LIMIT %s",
            (now, limit),
        )
        return self._cursor.fetchall()

    def postpone(self, refund_id: UUID, due_at: datetime) -> None:
        """Set when a requested refund is tried again."""
        self._cursor.execute(
            "UPDATE refunds SET due_at = %s WHERE refund_id = %s AND state = 'requested'",
            (due_at, refund_id),
        )

    def send(self, refund_id: UUID, now: datetime, before: datetime, due_at: datetime) -> bool:
        """Note that the acquirer is called now; return False where it was since `before`."""
        self._cursor.execute(
            "UPDATE refunds SET sent_at = %s, due_at = %s WHERE refund_id = %s"
            " AND state = 'requested' AND (sent_at IS NULL OR sent_at < %s)",
            (now, due_at, refund_id, before),
        )
        return self._cursor.rowcount == 1

    def _insert(
        self, entry: Recorded, state: str, event: Any, *, by: str, decided_by: str = ""
    ) -> None:
        due_at = entry.recorded_at if state == "requested" else None
        self._cursor.execute(
            "INSERT INTO refunds (refund_id, payment_id, state, lines, total, cause, reason, by,"
            " decided_by, requested_at, due_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (refund_id) DO UPDATE SET state = excluded.state,"
            " decided_by = excluded.decided_by, due_at = excluded.due_at",
            (
                event.refund_id,
                entry.originator_id,
                state,
                _json(event.lines),
                event.total,
                RefundCause.STAFF.value,
                event.reason,
                by,
                decided_by,
                entry.recorded_at,
                due_at,
            ),
        )


def _json(lines: Any) -> Jsonb:
    return Jsonb(msgspec.to_builtins(list(lines)))
