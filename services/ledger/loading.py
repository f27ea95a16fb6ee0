"""How an account is loaded to decide on: with its history, or at hand, from its row.

Each way gives it the penalty rules in force and the day, which its decisions need.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.ledger.domain import Account, account_id
from services.ledger.penalties.law import law_in_force
from shared.eventstore import Session


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
        ids = [account_id(number) for number in missing]
        for account in session.peek.accounts_at_hand(ids, payment_id):
            session.adopt(account)
    found = {number: session.load(Account, account_id(number)) for number in numbers}
    return {number: under_the_law(session, account) for number, account in found.items()}


def under_the_law(session: Session, account: Account) -> Account:
    """Give an account what its decisions need; return it."""
    account.law, account.today = law_in_force(), session.today
    return account
