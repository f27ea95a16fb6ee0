"""The table of fiscal receipts, projected from the events, and the queries on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from psycopg import Cursor
from psycopg.types.json import Jsonb

from services.payments.fiscal.domain import (
    FiscalReceiptRefused,
    FiscalReceiptRegistered,
    FiscalReceiptRequested,
    FiscalReceiptRetried,
    ReceiptState,
)
from services.payments.fiscal.receipts import Item, ReceiptKind
from shared.eventstore import Recorded

LONGEST_PAUSE = timedelta(minutes=10)
_WINDOW = 5_000
"""How many positions of the log one query reads at most."""


class LoggedMoney(NamedTuple):
    """An event of the log as it is stored; what it is the caller knows."""

    position: int
    payment_id: UUID
    topic: str
    state: bytes


class FiscalTables:
    """The tables `fiscal_receipts` and `fiscal_position`, within one transaction."""

    def __init__(self, cursor: Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def project(self, entry: Recorded) -> bool:
        """Project an event; return False for one that is not about fiscal receipts."""
        match entry.event:
            case FiscalReceiptRequested() as requested:
                self._insert(entry, requested)
            case FiscalReceiptRetried(attempt=attempt):
                self._update(
                    entry.originator_id,
                    state=ReceiptState.REQUESTED,
                    attempt=attempt,
                    reason=None,
                    reference=None,
                    tries=0,
                    due_at=entry.recorded_at,
                )
            case FiscalReceiptRegistered() as registered:
                self._update(
                    entry.originator_id,
                    state=ReceiptState.REGISTERED,
                    due_at=None,
                    **msgspec.structs.asdict(registered),
                )
            case FiscalReceiptRefused(reason=reason):
                self._update(
                    entry.originator_id, state=ReceiptState.REFUSED, reason=reason, due_at=None
                )
            case _:
                return False
        return True

    def of_payment(self, payment_id: UUID) -> list[dict[str, Any]]:
        """Return the receipts of a payment and its refunds, the oldest first."""
        self._cursor.execute(
            "SELECT * FROM fiscal_receipts WHERE payment_id = %s ORDER BY position", (payment_id,)
        )
        return [_decoded(row) for row in self._cursor.fetchall()]

    def items_of(self, payment_id: UUID, kind: ReceiptKind) -> list[Item]:
        """Return the items of all receipts of one kind of a payment."""
        return [
            item
            for row in self.of_payment(payment_id)
            if row["kind"] == kind
            for item in row["items"]
        ]

    def open_receipts(self, limit: int) -> list[dict[str, Any]]:
        """Return the receipts that are not registered, the oldest first."""
        self._cursor.execute(
            "SELECT * FROM fiscal_receipts WHERE due_at IS NOT NULL OR state = 'refused'"
            " ORDER BY position LIMIT %s",
            (limit,),
        )
        return [_decoded(row) for row in self._cursor.fetchall()]

    def due(self, now: datetime, limit: int) -> list[dict[str, Any]]:
        """Return the receipts to ask the registrar about now, with the payer.

        One that is due later than anything is postponed was so by a clock that ran ahead.
        """
        self._cursor.execute(
            "SELECT fiscal_receipts.*, payments.person_id FROM fiscal_receipts"
            " JOIN payments USING (payment_id) WHERE due_at <= %s OR due_at > %s"
            " ORDER BY due_at, fiscal_receipts.position LIMIT %s",
            (now, now + LONGEST_PAUSE, limit),
        )
        return [_decoded(row) for row in self._cursor.fetchall()]

    def postpone(self, receipt_id: UUID, due_at: datetime, reference: str | None) -> None:
        """Set when the registrar is asked next, and its own id of the receipt once it has one."""
        self._cursor.execute(
            "UPDATE fiscal_receipts SET due_at = %s, tries = tries + 1,"
            " reference = coalesce(%s, reference) WHERE receipt_id = %s AND due_at IS NOT NULL",
            (due_at, reference, receipt_id),
        )

    def position(self) -> int | None:
        """Return up to where the log was read; None where it never was. Others wait."""
        self._cursor.execute("SELECT position FROM fiscal_position FOR UPDATE")
        row = self._cursor.fetchone()
        return None if row is None else int(row["position"])

    def begin(self) -> None:
        """Take the log for read to its end, unless somebody else has begun, also just now."""
        self._cursor.execute(
            "INSERT INTO fiscal_position (position)"
            " SELECT coalesce(max(notification_id), 0) FROM events ON CONFLICT DO NOTHING"
        )

    def move_to(self, position: int) -> None:
        """Remember up to where the log was read."""
        self._cursor.execute("UPDATE fiscal_position SET position = %s", (position,))

    def end_of_log(self) -> int:
        self._cursor.execute("SELECT coalesce(max(notification_id), 0) AS position FROM events")
        row = self._cursor.fetchone()
        return int(row["position"]) if row else 0

    def money_after(self, position: int, topics: Sequence[str]) -> tuple[list[LoggedMoney], int]:
        """Return the events of some topics after a position, and up to where the log was read.

        Positions follow the order of commit, so nothing appears below that any more.
        """
        reached = min(self.end_of_log(), position + _WINDOW)
        self._cursor.execute(
            "SELECT notification_id, originator_id, topic, state FROM events"
            " WHERE notification_id > %s AND notification_id <= %s AND topic = ANY(%s)"
            " ORDER BY notification_id",
            (position, reached, list(topics)),
        )
        found = [
            LoggedMoney(
                row["notification_id"], row["originator_id"], row["topic"], bytes(row["state"])
            )
            for row in self._cursor.fetchall()
        ]
        return found, reached

    def _insert(self, entry: Recorded, requested: FiscalReceiptRequested) -> None:
        fields = msgspec.structs.asdict(requested)
        self._cursor.execute(
            "INSERT INTO fiscal_receipts (receipt_id, payment_id, refund_id, kind, state, items,"
            " total, seller, inn, place, taxation, vat, method, attempt, requested_at, position,"
            " due_at) VALUES"
            " (%(receipt_id)s, %(payment_id)s, %(refund_id)s, %(kind)s, 'requested', %(items)s,"
            " %(total)s, %(seller)s, %(inn)s, %(place)s, %(taxation)s, %(vat)s, %(method)s, 1,"
            " %(at)s, %(position)s, %(at)s)",
            {
                **fields,
                "seller": requested.seller.name,
                "inn": requested.seller.inn,
                "place": requested.seller.place,
                "items": Jsonb(msgspec.to_builtins(requested.items)),
                "receipt_id": entry.originator_id,
                "at": entry.recorded_at,
                "position": entry.position,
            },
        )

    def _update(self, receipt_id: UUID, **changes: Any) -> None:
        # The names are the keywords of the calls above, never input.
        columns = ", ".join(f"{name} = %({name})s" for name in changes)
        self._cursor.execute(
            f"UPDATE fiscal_receipts SET {columns} WHERE receipt_id = %(receipt_id)s",
            {**changes, "receipt_id": receipt_id},
        )


def _decoded(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "items": msgspec.convert(row["items"], list[Item])}
