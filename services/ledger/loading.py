"""How an account is loaded to decide on: with its history, or at hand, from its row.

Each way gives it the penalty rules in force and the day, which its decisions need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from services.ledger.domain import EVENTS, Account, account_id
from services.ledger.penalties.law import law_in_force
from services.ledger.tables.bulk_copy import read_accounts_by_id
from shared.eventstore import Aggregate, Session

_POSTED = (
    "SELECT p.account, e.originator_version AS version, e.topic, e.state "
    "FROM payment_postings AS p JOIN events AS e ON e.notification_id = p.position "
    "WHERE p.payment_id = ANY (%s)"
)


def load_account(session: Session, number: str) -> Account:
    """Return an account with its whole history (version 0: there is none)."""
    account = session.load(Account, account_id(number))
    if not account.complete:
        account = session.reload(Account, account.id)
    return under_the_law(session, account)


def accounts_at_hand(
    session: Session, numbers: Sequence[str], payment_id: UUID
) -> dict[str, Account]:
    """Return accounts to post a payment to, from their rows: no history is read.

    They know whether this payment is posted to them. What takes the history raises
    NeedsHistoryError.
    """
    missing = [number for number in numbers if not session.has(account_id(number))]
    if session.cursor is not None and missing and not session.from_log:
        read = read_to_post(session.cursor, [account_id(number) for number in missing])
        recall_payments(session.cursor, [payment_id], read)
        for account in read.values():
            session.adopt(account)
    found = {number: session.load(Account, account_id(number)) for number in numbers}
    return {number: under_the_law(session, account) for number, account in found.items()}


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


def under_the_law(session: Session, account: Account) -> Account:
    """Give an account what its decisions need; return it."""
    account.law, account.today = law_in_force(), session.today
    return account
