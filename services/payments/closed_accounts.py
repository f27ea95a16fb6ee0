"""The table `closed_accounts`: accounts whose open payments are to be closed at the bank."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from psycopg import Cursor

from services.payments.state import State

_CLOSABLE: Final = [State.CREATED.value, State.AWAITING_PAYMENT.value, State.UNKNOWN.value]


class ClosedAccounts:
    """Accounts that were closed lately, by their keys."""

    def __init__(self, cursor: Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor

    def add(self, account: str, now: datetime) -> None:
        """Note that the payments of an account that are open are to be closed."""
        self._cursor.execute(
            "INSERT INTO closed_accounts (account, closed_at) VALUES (%s, %s)"
            " ON CONFLICT (account) DO NOTHING",
            (account, now),
        )

    def open_payments(self, limit: int, *, after: int = 0) -> list[dict[str, Any]]:
        """Return the rows of their open payments after a position, the oldest first."""
        self._cursor.execute(
            "SELECT payments.* FROM payments WHERE state = ANY(%s)"
            " AND EXISTS (SELECT FROM payment_lines AS line JOIN closed_accounts USING (account)"
            " WHERE line.payment_id = payments.payment_id) AND position > %s"
            " ORDER BY position LIMIT %s",
            (_CLOSABLE, after, limit),
        )
        return self._cursor.fetchall()

    def forget(self, before: datetime) -> None:
        """Forget the accounts that were closed before an instant."""
        self._cursor.execute("DELETE FROM closed_accounts WHERE closed_at < %s", (before,))
