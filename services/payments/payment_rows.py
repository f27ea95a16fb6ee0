"""What is shown of one payment, by one statement; and which payments of a person are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

_SHOWN: Final = """
SELECT payments.*, polls.outcome, polls.due_at AS next_check_at, polls.claimed_until,
       (SELECT asked_at FROM orders WHERE orders.order_number = payments.order_number) AS asked_at,
       (SELECT json_agg(json_build_object(
                   'account', account, 'amount', amount, 'penalty', penalty,
                   'posted', ledger_position IS NOT NULL, 'refunded', refunded,
                   'moved_to', moved_to) ORDER BY line)
          FROM payment_lines WHERE payment_lines.payment_id = payments.payment_id) AS lines,
       EXISTS (SELECT FROM refunds WHERE refunds.payment_id = payments.payment_id) AS has_refunds
  FROM payments LEFT JOIN polls USING (payment_id) WHERE payment_id = %s
"""


def shown_row(cursor: Any, payment_id: UUID) -> dict[str, Any] | None:
    """Return the row of a payment, with its last poll, the order's, its lines as `lines` has them.

    And whether it has refunds.
    """
    found: dict[str, Any] | None = cursor.execute(_SHOWN, (payment_id,)).fetchone()
    return found


def chosen(
    person_id: UUID,
    account: str | None,
    since: datetime | None,
    until: datetime | None,
    states: Sequence[str] | None,
) -> dict[str, Any]:
    """Return the parameters by which payments of a person are chosen."""
    return {
        "person": person_id,
        "since": since,
        "until": until,
        "account": account,
        "states": None if states is None else list(states),
    }
