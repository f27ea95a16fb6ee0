"""The tables of payments, projected from the events, and the queries on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Cursor

from services.payments.closed_accounts import ClosedAccounts
from services.payments.events import (
    LineMoved,
    LinePosted,
    MismatchFound,
    MoneyReturned,
    OrderLost,
    OrderRegistered,
    OutcomePending,
    OutcomeUnknown,
    PaymentCaptured,
    PaymentCompleted,
    PaymentExpired,
    PaymentFailed,
    PaymentStarted,
    Split,
)
from services.payments.fiscal.tables import FiscalTables
from services.payments.payment_rows import chosen, shown_row
from services.payments.poll_schedule import PollSchedule
from services.payments.refund_table import RefundTable
from services.payments.registers.tables import RegisterTables
from services.payments.state import OPEN, State
from shared.contracts.payments import Failure
from shared.eventstore import Aggregate, Recorded
from shared.eventstore.lost_events import LostLog

_WITH_POLLS = (
    "SELECT payments.*, polls.outcome, polls.due_at AS next_check_at"
    " FROM payments LEFT JOIN polls USING (payment_id)"
)
_BY_ORDER = (
    "SELECT payments.*, orders.order_number AS number, orders.acquirer AS at, orders.lost"
    " FROM orders JOIN payments USING (payment_id)"
)

_CHOSEN = (
    "person_id = %(person)s"
    " AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)"
    " AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)"
    " AND (%(states)s::text[] IS NULL OR state = ANY(%(states)s))"
    " AND (%(account)s::text IS NULL OR EXISTS (SELECT FROM payment_lines AS line"
    " WHERE line.payment_id = payments.payment_id AND %(account)s IN ("
    "split_part(line.account, '-', 1), split_part(line.moved_to, '-', 1))))"
)


class ReadModel:
    """The tables of the service, within one transaction."""

    writes_only = True

    def __init__(self, cursor: Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor
        self.polls = PollSchedule(cursor)
        self.fiscal = FiscalTables(cursor)
        self.refunds = RefundTable(cursor)
        self.registers = RegisterTables(cursor)
        self.closed_accounts = ClosedAccounts(cursor)
        self.lost = LostLog(cursor)

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        """Project the events into the tables of payments, orders, refunds and bank registers."""
        self.registers.project(recorded)
        for entry in recorded:
            if isinstance(entry.event, PaymentStarted):
                self._insert(entry, entry.event)
            elif isinstance(entry.event, MoneyReturned):
                self._return(entry, entry.event)
            elif not (self.refunds.project(entry) or self.fiscal.project(entry)):
                self._change(entry.originator_id, entry.event)

    def _change(self, payment_id: UUID, event: Any) -> None:
        match event:
            case OrderRegistered() as order:
                self._update(
                    payment_id,
                    state=State.AWAITING_PAYMENT,
                    acquirer_order_id=order.acquirer_order_id,
                    form_url=order.form_url,
                )
                self._cursor.execute(
                    "UPDATE orders SET order_id = %s WHERE payment_id = %s AND NOT lost",
                    (order.acquirer_order_id, payment_id),
                )
            case OrderLost() as lost:
                self._update(
                    payment_id,
                    order_number=lost.next_number,
                    acquirer=lost.acquirer,
                    acquirer_order_id=None,
                    form_url=None,
                )
                self._cursor.execute(
                    "UPDATE orders SET lost = true WHERE order_number = %s", (lost.order_number,)
                )
                self._add_order(payment_id, lost.next_number, lost.acquirer)
            case OutcomeUnknown():
                self._update(payment_id, state=State.UNKNOWN)
            case OutcomePending():
                self._update(payment_id, state=State.AWAITING_PAYMENT)
            case MismatchFound(charged=charged):
                self._update(payment_id, state=State.MISMATCH, charged=charged)
            case PaymentCaptured() as captured:
                self._update(
                    payment_id,
                    state=State.CAPTURED,
                    total=captured.amount,
                    charged=captured.amount,
                    captured_at=captured.captured_at,
                    paid_on=captured.paid_on,
                    masked_card=captured.masked_card,
                    failure=None,
                )
                self._make_current(payment_id, captured.order_number)
                self._replace_lines(payment_id, captured.lines)
            case PaymentFailed(reason=reason):
                self._update(payment_id, state=State.FAILED, failure=reason)
            case PaymentExpired():
                self._update(payment_id, state=State.EXPIRED, failure=Failure.EXPIRED)
            case LinePosted(account=account, position=position):
                self._update_line(payment_id, account, ledger_position=position)
            case LineMoved(account=account, to=to):
                self._update_line(payment_id, account, moved_to=to)
            case PaymentCompleted():
                self._cursor.execute(
                    "UPDATE payments SET state = 'completed' WHERE payment_id = %s"
                    " AND state = 'captured'",
                    (payment_id,),
                )

    # Queries

    def hold_person(self, person_id: UUID) -> None:
        """Let nobody else start a payment of this person until the transaction ends."""
        self._cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('payments.person ' || %s, 0))",
            (str(person_id),),
        )

    def payments_in_the_way(self, person_id: UUID) -> list[dict[str, Any]]:
        """Return the rows of a person's payments that are not decided or not posted, oldest first.

        What was charged and is not posted yet still stands in the debts.
        """
        self._cursor.execute(
            f"{_WITH_POLLS} WHERE person_id = %s AND state = ANY(%s) ORDER BY position",
            (person_id, [state.value for state in (*OPEN, State.CAPTURED)]),
        )
        return self._cursor.fetchall()

    def replaced_and_open(self, person_id: UUID) -> int:
        """Return how many payments of a person were replaced, and are open at an acquirer."""
        self._cursor.execute(
            "SELECT count(*) FROM payments JOIN polls USING (payment_id)"
            " WHERE person_id = %s AND failure = %s",
            (person_id, Failure.REPLACED.value),
        )
        [row] = self._cursor.fetchall()
        return int(row["count"])

    def declined(self, person_id: UUID, accounts: Iterable[str]) -> list[dict[str, Any]]:
        """Return the rows of declined payments of accounts whose page may take another card."""
        self._cursor.execute(
            f"{_WITH_POLLS} WHERE person_id = %s AND failure = %s AND polls.outcome = 'declined'"
            " AND EXISTS (SELECT FROM payment_lines AS line"
            " WHERE line.payment_id = payments.payment_id AND line.account = ANY(%s))",
            (person_id, Failure.DECLINED.value, list(accounts)),
        )
        return self._cursor.fetchall()

    def lock_order(self, order_number: str) -> bool:
        """Lock an order until the transaction ends; return whether its card is being charged."""
        self._cursor.execute(
            "SELECT capturing_at FROM orders WHERE order_number = %s FOR UPDATE", (order_number,)
        )
        row = self._cursor.fetchone()
        return bool(row and row["capturing_at"])

    def note_capture(self, order_number: str, now: datetime) -> None:
        """Note that what is held for an order is being charged."""
        self._cursor.execute(
            "UPDATE orders SET capturing_at = %s WHERE order_number = %s", (now, order_number)
        )

    def payment(self, payment_id: UUID) -> dict[str, Any] | None:
        """Return the row of a payment, with the outcome of its last poll and the next poll."""
        return self._cursor.execute(
            f"{_WITH_POLLS} WHERE payment_id = %s", (payment_id,)
        ).fetchone()

    def shown(self, payment_id: UUID) -> dict[str, Any] | None:
        """Return the same row with all that is shown of the payment; see `shown_row`."""
        return shown_row(self._cursor, payment_id)

    def states(self, payment_ids: Sequence[UUID]) -> dict[UUID, str]:
        """Return the states of payments."""
        query = "SELECT payment_id, state FROM payments WHERE payment_id = ANY(%s)"
        rows = self._cursor.execute(query, (list(payment_ids),)).fetchall()
        return {row["payment_id"]: row["state"] for row in rows}

    def payment_by_order(self, order_number: str, order_id: str = "") -> dict[str, Any] | None:
        """Return the row of the payment with an order, by our number or the acquirer's own id.

        Beside it `number`, `at` (the acquirer of that order), and whether it is `lost`.
        """
        self._cursor.execute(
            f"{_BY_ORDER} WHERE orders.order_number = %s OR (%s <> '' AND orders.order_id = %s)"
            " LIMIT 1",
            (order_number, order_id, order_id),
        )
        return self._cursor.fetchone()

    def payments_by_orders(self, numbers: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the rows of payments by the numbers of their orders, also of lost ones."""
        self._cursor.execute(f"{_BY_ORDER} WHERE orders.order_number = ANY(%s)", (list(numbers),))
        return {row["number"]: row for row in self._cursor.fetchall()}

    def orders(self, payment_id: UUID) -> list[dict[str, Any]]:
        """Return the orders of a payment, the lost ones first."""
        self._cursor.execute(
            "SELECT * FROM orders WHERE payment_id = %s ORDER BY lost DESC, order_number",
            (payment_id,),
        )
        return self._cursor.fetchall()

    def may_ask(self, order_number: str, now: datetime, since: datetime) -> bool:
        """Return whether no callback has had the acquirer asked since; then it is asked now."""
        self._cursor.execute(
            "UPDATE orders SET asked_at = %s WHERE order_number = %s"
            " AND (asked_at IS NULL OR asked_at < %s)",
            (now, order_number, since),
        )
        return self._cursor.rowcount == 1

    def payments_of(
        self,
        person_id: UUID,
        before: int | None,
        limit: int,
        *,
        account: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        states: Sequence[str] | None = None,
    ) -> list[dict[str, Any]]:
        """Return a person's payments older than log position `before`, the newest first.

        Optionally only those with an account, in some states, and those started from `since` to
        before `until`.
        """
        self._cursor.execute(
            f"{_WITH_POLLS} WHERE {_CHOSEN} AND (%(before)s::bigint IS NULL"
            " OR position < %(before)s) ORDER BY position DESC LIMIT %(limit)s",
            chosen(person_id, account, since, until, states) | {"before": before, "limit": limit},
        )
        return self._cursor.fetchall()

    def totals_of(
        self,
        person_id: UUID,
        *,
        account: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        states: Sequence[str] | None = None,
    ) -> dict[str, Any]:
        """Return {count, paid, refunded} of the same payments, all pages together."""
        self._cursor.execute(
            "SELECT count(*),"
            " coalesce(sum(total) FILTER (WHERE captured_at IS NOT NULL), 0)::bigint"
            " AS paid, coalesce(sum(refunded) FILTER (WHERE captured_at IS NOT NULL), 0)::bigint"
            f" AS refunded FROM payments WHERE {_CHOSEN}",
            chosen(person_id, account, since, until, states),
        )
        [row] = self._cursor.fetchall()
        return row

    def lines(self, payment_ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
        """Return {account, amount, penalty, posted, refunded, moved_to} by payment, as entered."""
        self._cursor.execute(
            "SELECT payment_id, account, amount, penalty, ledger_position IS NOT NULL AS posted,"
            " refunded, moved_to FROM payment_lines WHERE payment_id = ANY(%s)"
            " ORDER BY payment_id, line",
            (list(payment_ids),),
        )
        lines: dict[UUID, list[dict[str, Any]]] = {}
        for row in self._cursor.fetchall():
            lines.setdefault(row.pop("payment_id"), []).append(row)
        return lines

    # Rows

    def _insert(self, entry: Recorded, started: PaymentStarted) -> None:
        self._cursor.execute(
            "INSERT INTO payments (payment_id, person_id, order_number, acquirer, state, total,"
            " created_at, position) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                entry.originator_id,
                started.person_id,
                started.order_number,
                started.acquirer,
                State.CREATED,
                started.total,
                entry.recorded_at,
                entry.position,
            ),
        )
        self._insert_lines(entry.originator_id, started.lines)
        self._add_order(entry.originator_id, started.order_number, started.acquirer)

    def _insert_lines(self, payment_id: UUID, lines: Split) -> None:
        self._cursor.executemany(
            "INSERT INTO payment_lines (payment_id, line, account, amount, penalty)"
            " VALUES (%s, %s, %s, %s, %s)",
            [
                (payment_id, number, line.account, line.amount, line.penalty)
                for number, line in enumerate(lines, start=1)
            ],
        )

    def _replace_lines(self, payment_id: UUID, lines: Split) -> None:
        """Keep the split by which the money was credited: staff may have changed it."""
        kept = [
            {name: row[name] for name in ("account", "amount", "penalty")}
            for row in self.lines([payment_id]).get(payment_id, ())
        ]
        if kept != msgspec.to_builtins(list(lines)):
            self._cursor.execute("DELETE FROM payment_lines WHERE payment_id = %s", (payment_id,))
            self._insert_lines(payment_id, lines)

    def _make_current(self, payment_id: UUID, order_number: str) -> None:
        """Show a payment by the order that was charged, where that had been lost."""
        self._cursor.execute(
            "UPDATE payments SET order_number = orders.order_number, acquirer = orders.acquirer,"
            " acquirer_order_id = orders.order_id FROM orders WHERE payments.payment_id = %s"
            " AND orders.payment_id = payments.payment_id AND orders.order_number = %s"
            " AND orders.lost",
            (payment_id, order_number),
        )

    def _add_order(self, payment_id: UUID, order_number: str, acquirer: str) -> None:
        self._cursor.execute(
            "INSERT INTO orders (order_number, payment_id, acquirer) VALUES (%s, %s, %s)",
            (order_number, payment_id, acquirer),
        )

    def _return(self, entry: Recorded, event: MoneyReturned) -> None:
        payment_id = entry.originator_id
        self.refunds.return_money(entry, event)
        self._cursor.execute(
            "UPDATE payments SET refunded = refunded + %s, state = CASE WHEN captured_at IS NULL"
            " THEN state WHEN %s THEN 'refunded' ELSE 'partly_refunded' END"
            " WHERE payment_id = %s",
            (event.total, event.whole, payment_id),
        )
        self._cursor.executemany(
            "UPDATE payment_lines SET refunded = refunded + %s"
            " WHERE payment_id = %s AND coalesce(moved_to, account) = %s",
            [(line.amount, payment_id, line.account) for line in event.lines],
        )

    def _update(self, payment_id: UUID, **changes: Any) -> None:
        # The names are the keywords of the calls above, never input.
        columns = ", ".join(f"{name} = %({name})s" for name in changes)
        self._cursor.execute(
            f"UPDATE payments SET {columns} WHERE payment_id = %(payment_id)s",
            {**changes, "payment_id": payment_id},
        )

    def _update_line(self, payment_id: UUID, account: str, **changes: Any) -> None:
        columns = ", ".join(f"{name} = %({name})s" for name in changes)
        self._cursor.execute(
            f"UPDATE payment_lines SET {columns} WHERE payment_id = %(payment_id)s"
            " AND account = %(account)s",
            {**changes, "payment_id": payment_id, "account": account},
        )
