"""Group commit of payments: concurrent commands of one process share a transaction.

A command decides on the account's row in the read model, not on its whole stream, so it costs the
same after one event and after ten thousand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from services.ledger.application import PostPayment
from services.ledger.domain import Account, account_id
from services.ledger.tables.accounts_at_hand import read_to_post, recall_payments
from services.ledger.tables.group_rows import group_rows
from shared.eventstore import Aggregate
from shared.eventstore.group_append import Arm
from shared.eventstore.group_commit import GroupCommit
from shared.eventstore.postgres import PostgresStore
from shared.eventstore.session import PendingEvent


def ledger_group_commit(store: PostgresStore) -> GroupCommit:
    """Return the group commit of a process; its ``execute`` has the guarantees of Store.execute."""
    return GroupCommit(store, AccountCommands())


class AccountCommands:
    """The accounts that a command needs, and how they are read.

    See :mod:`shared.eventstore.batch_decision`.
    """

    def needs(self, command: Any) -> Sequence[UUID] | None:
        """Return the accounts of a command; None for one that needs an account's history."""
        if isinstance(command, PostPayment):
            return [account_id(line.account) for line in command.lines]
        return None

    def read(self, cursor: Any, ids: Sequence[UUID]) -> Mapping[UUID, Aggregate]:
        """Return the accounts from their rows; an empty one for each that is not open."""
        return read_to_post(cursor, ids)

    def recall(
        self, cursor: Any, commands: Sequence[Any], aggregates: Mapping[UUID, Aggregate]
    ) -> None:
        """Give the accounts those of these payments that are posted to them already."""
        payments = [command.payment_id for command in commands if isinstance(command, PostPayment)]
        if not payments:
            return
        recall_payments(cursor, payments, aggregates)

    def copy(self, aggregate: Any) -> Aggregate:
        """Return a copy of an account."""
        if not aggregate.version:
            return Account(aggregate.id)
        row = aggregate.snapshot()
        row["open_items"] = {period: dict(owed) for period, owed in aggregate.open_items.items()}
        twin = Account.from_row(aggregate.id, row)
        twin.payments = dict(aggregate.payments)
        return twin

    def arms(
        self, pending: Sequence[PendingEvent], aggregates: Mapping[UUID, Aggregate]
    ) -> Sequence[Arm]:
        """Return the rows of the accounts and of the postings."""
        return group_rows(pending, aggregates)
