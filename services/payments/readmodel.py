"""The tables of payments, projected from the events, and the queries on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Cursor

from services.payments.domain import (
    LinePosted,
    OrderRegistered,
    PaymentCaptured,
    PaymentCompleted,
    PaymentExpired,
    PaymentFailed,
    PaymentStarted,
    State,
)
from services.payments.fiscal.tables import FiscalTables
from services.payments.poll_schedule import PollSchedule
from shared.contracts.payments import Failure
from shared.eventstore import Aggregate, Recorded

_WITH_POLLS = (
    "SELECT payments.*, polls.outcome, polls.due_at AS next_check_at"
    " FROM payments LEFT JOIN polls USING (payment_id)"
)


class ReadModel:
    """The tables of the service, within one transaction."""

    def __init__(self, cursor: Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor
        self.polls = PollSchedule(cursor)
        self.fiscal = FiscalTables(cursor)

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        """Project the events into `payments` and `payment_lines`."""
        for entry in recorded:
            if self.fiscal.project(entry):
                continue
            payment_id = entry.originator_id
            match entry.event:
                case PaymentStarted() as started:
                    self._insert(entry, started)
                case OrderRegistered() as order:
                    self._update(
                        payment_id,
                        state=State.AWAITING_PAYMENT,
                        acquirer_order_id=order.acquirer_order_id,
                        form_url=order.form_url,
                    )
                case PaymentCaptured() as captured:
                    self._update(
                        payment_id,
                        state=State.CAPTURED,
                        captured_at=captured.captured_at,
                        paid_on=captured.paid_on,
                        masked_card=captured.masked_card,
                        failure=None,
                    )
                case PaymentFailed(reason=reason):
                    self._update(payment_id, state=State.FAILED, failure=reason)
                case PaymentExpired():
                    self._update(payment_id, state=State.EXPIRED, failure=Failure.EXPIRED)
                case LinePosted(account=account, position=position):
                    self._cursor.execute(
                        "UPDATE payment_lines SET ledger_position = %s"
                        " WHERE payment_id = %s AND account = %s",
                        (position, payment_id, account),
                    )
                case PaymentCompleted():
                    self._update(payment_id, state=State.COMPLETED)

    def payment(self, payment_id: UUID) -> dict[str, Any] | None:
        """Return the row of a payment, with the outcome of its last poll and the next poll."""
        self._cursor.execute(f"{_WITH_POLLS} WHERE payment_id = %s", (payment_id,))
        return self._cursor.fetchone()

    def payment_by_number(self, order_number: str) -> dict[str, Any] | None:
        """Return the row of the payment with an order number."""
        self._cursor.execute("SELECT * FROM payments WHERE order_number = %s", (order_number,))
        return self._cursor.fetchone()

    def payments_of(
        self,
        person_id: UUID,
        before: int | None,
        limit: int,
        *,
        account: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """Return a person's payments older than log position `before`, the newest first.

        Optionally only those with an account, and those started from `since` to before `until`.
        """
        self._cursor.execute(
            f"{_WITH_POLLS} WHERE person_id = %(person)s"
            " AND (%(before)s::bigint IS NULL OR position < %(before)s)"
            " AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)"
            " AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)"
            " AND (%(account)s::text IS NULL OR EXISTS (SELECT FROM payment_lines AS line"
            " WHERE line.payment_id = payments.payment_id AND line.account = %(account)s))"
            " ORDER BY position DESC LIMIT %(limit)s",
            {
                "person": person_id,
                "before": before,
                "since": since,
                "until": until,
                "account": account,
                "limit": limit,
            },
        )
        return self._cursor.fetchall()

    def lines(self, payment_ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
        """Return {account, amount, penalty, posted} by payment, in the order entered."""
        self._cursor.execute(
            "SELECT payment_id, account, amount, penalty, ledger_position IS NOT NULL AS posted"
            " FROM payment_lines WHERE payment_id = ANY(%s) ORDER BY payment_id, line",
            (list(payment_ids),),
        )
        lines: dict[UUID, list[dict[str, Any]]] = {}
        for row in self._cursor.fetchall():
            lines.setdefault(row.pop("payment_id"), []).append(row)
        return lines

    def _insert(self, entry: Recorded, started: PaymentStarted) -> None:
        self._cursor.execute(
            "INSERT INTO payments (payment_id, person_id, order_number, state, total,"
            " created_at, position) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (
                entry.originator_id,
                started.person_id,
                started.order_number,
                State.CREATED,
                started.total,
                entry.recorded_at,
                entry.position,
            ),
        )
        self._cursor.executemany(
            "INSERT INTO payment_lines (payment_id, line, account, amount, penalty)"
            " VALUES (%s, %s, %s, %s, %s)",
            [
                (entry.originator_id, number, line.account, line.amount, line.penalty)
                for number, line in enumerate(started.lines, start=1)
            ],
        )

    def _update(self, payment_id: UUID, **changes: Any) -> None:
        # The names are the keywords of the calls above, never input.
        columns = ", ".join(f"{name} = %({name})s" for name in changes)
        self._cursor.execute(
            f"UPDATE payments SET {columns} WHERE payment_id = %(payment_id)s",
            {**changes, "payment_id": payment_id},
        )
