"""Accounts from their rows, to post payments to: no history is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from services.ledger.domain import EVENTS, Account, account_id
from services.ledger.tables.bulk_copy import read_accounts_by_id
from shared.eventstore import Aggregate

_POSTED = (
    "SELECT p.account, e.originator_version AS version, e.topic, e.state "
    "FROM payment_postings AS p JOIN events AS e ON e.notification_id = p.position "
    "WHERE p.payment_id = ANY (%s)"
)


def read_to_post(cursor: Any, ids: Sequence[UUID]) -> dict[UUID, Aggregate]:
    """Return accounts from their rows; an empty one for each that is not open."""
    accounts: dict[UUID, Aggregate] = {
        account.id: account for account in read_accounts_by_id(cursor, ids)
    }
    if len(accounts) < len(ids):
        accounts.update((id_, Account(id_)) for id_ in ids if id_ not in accounts)
    return accounts


def recall_payments(
    cursor: Any, payment_ids: Sequence[UUID], accounts: Mapping[UUID, Aggregate]
) -> None:
    """Give accounts from rows those of some payments that are posted to them already."""
    cursor.execute(_POSTED, (list(payment_ids),))
    for row in cursor.fetchall():
        account = accounts.get(account_id(row["account"]))
        if isinstance(account, Account):
            paid: Any = EVENTS.decode(row["topic"], bytes(row["state"]))
            account.payments[paid.payment_id] = (row["version"], paid)
