"""What staff do with a payment in suspense, each once, as a rehearsal or for good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from services.payments.registers.receiving import (
    AssignPayment,
    ReturnPayment,
    assign_payment,
    return_payment,
)
from shared.errors import NotFound
from shared.eventstore import Store

KnownAccounts = Callable[[list[str]], list[str]]
"""Numbers -> those that the ledger knows."""


def assign(
    store: Store, known_accounts: KnownAccounts, command: AssignPayment, *, dry_run: bool
) -> dict[str, Any]:
    """Assign a payment; return {payment_id, account, state, changed, dry_run}.

    Raises NotFound `account_not_found` and `bank_payment_not_found`, Conflict as
    `BankPayment.assign`.
    """
    if not known_accounts([command.account]):
        raise NotFound(
            "account_not_found", f"There is no account {command.account}.", number=command.account
        )
    changed = _done(store, assign_payment, command, dry_run=dry_run)
    return _outcome(store, command.payment_id, changed=changed, dry_run=dry_run)


def give_back(store: Store, command: ReturnPayment, *, dry_run: bool) -> dict[str, Any]:
    """Have the bank return a payment; returns and raises as `assign`."""
    changed = _done(store, return_payment, command, dry_run=dry_run)
    return _outcome(store, command.payment_id, changed=changed, dry_run=dry_run)


def _done(store: Store, work: Callable[[Any, Any], bool], command: Any, *, dry_run: bool) -> bool:
    if dry_run:
        # The session only reads: what this triggers is recorded nowhere.
        return store.query(lambda session: work(session, command))
    return store.transact(work, command)


def _outcome(store: Store, payment_id: UUID, *, changed: bool, dry_run: bool) -> dict[str, Any]:
    row = store.query(lambda session: session.read.registers.payment(payment_id))
    return {
        "payment_id": str(payment_id),
        "account": row["account"],
        "amount": row["amount"],
        "paid_on": row["paid_on"].isoformat(),
        "state": row["state"],
        "changed": changed,
        "dry_run": dry_run,
    }
