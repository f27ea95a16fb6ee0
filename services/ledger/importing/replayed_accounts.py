"""Accounts replayed from their events, for decisions that need more than a row of balances."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from services.ledger.domain import EVENTS, Account, account_id
from services.ledger.penalties.law import law_in_force

_STREAMS = (
    "SELECT originator_id, topic, state FROM events WHERE originator_id = ANY (%s) "
    "ORDER BY originator_id, originator_version"
)


def replayed_accounts(cursor: Any, numbers: Sequence[str], today: date) -> Iterator[Account]:
    """Yield the open ones among these accounts, each replayed from its events."""
    accounts: dict[UUID, Account] = {}
    cursor.execute(_STREAMS, ([account_id(number) for number in numbers],), binary=True)
    for row in cursor.fetchall():
        account = accounts.setdefault(row["originator_id"], Account(row["originator_id"]))
        account.replay(EVENTS.decode(row["topic"], row["state"]))
    for account in accounts.values():
        account.law, account.today = law_in_force(), today
        yield account
