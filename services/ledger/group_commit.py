"""Group commit of payments: concurrent commands of one process share a transaction.

A command decides on the account's row in the read model, not on its whole stream, so it costs the
same after one event and after ten thousand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from services.ledger.application import PostPayment
from services.ledger.domain import EVENTS, Account, account_id
from services.ledger.tables.bulk_copy import read_accounts_by_id
from shared.eventstore import Aggregate
from shared.eventstore.group_commit import GroupCommit
from shared.eventstore.postgres import PostgresStore

_POSTED = (
    "SELECT p.account, e.originator_version AS version, e.topic, e.state "
    "FROM payment_postings AS p JOIN events AS e USING (position) WHERE p.payment_id = ANY (%s)"
)


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
        accounts: dict[UUID, Aggregate] = {
            account.id: account for account in read_accounts_by_id(cursor, ids)
        }
        if len(accounts) < len(ids):
            accounts.update((id_, Account(id_)) for id_ in ids if id_ not in accounts)
        return accounts

    def recall(
        self, cursor: Any, commands: Sequence[Any], aggregates: Mapping[UUID, Aggregate]
    ) -> None:
        """Give the accounts those of these payments that are posted to them already."""
        payments = [command.payment_id for command in commands if isinstance(command, PostPayment)]
        if not payments:
            return
        cursor.execute(_POSTED, (payments,))
        for row in cursor.fetchall():
            account = aggregates.get(account_id(row["account"]))
            if isinstance(account, Account):
                paid: Any = EVENTS.decode(row["topic"], bytes(row["state"]))
                account.payments[paid.payment_id] = (row["version"], paid)

    def copy(self, aggregate: Any) -> Aggregate:
        """Return a copy of an account."""
        if not aggregate.version:
            return Account(aggregate.id)
        row = aggregate.snapshot()
        row["open_items"] = {period: dict(owed) for period, owed in aggregate.open_items.items()}
        twin = Account.from_row(aggregate.id, row)
        twin.payments = dict(aggregate.payments)
        return twin
