"""The posting desk: single commands on accounts, committed in groups.

A command decides on the row that the read model keeps of its account, not on the account's whole
stream: so it costs the same after one event and after ten thousand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from services.ledger.application import AccruePenalty, OpenAccount, PostCharges, PostPayment
from services.ledger.domain import Account, account_id
from services.ledger.readmodel import ReadModel
from shared.eventstore import Aggregate
from shared.eventstore.grouping import GroupCommit
from shared.eventstore.postgres import PostgresStore

_POSTED = "SELECT account, payment_id FROM payment_postings WHERE payment_id = ANY (%s)"


def posting_desk(store: PostgresStore) -> GroupCommit:
    """Answer the desk of one process: its ``execute`` keeps the promises of Store.execute."""
    return GroupCommit(store, accounts_for)


def accounts_for(cursor: Any, commands: Sequence[Any]) -> Mapping[UUID, Aggregate]:
    """Answer the accounts that commands are about, by two queries however many they are.

    Those that are not open come empty. Commands of other kinds get nothing: they load their
    aggregates themselves.
    """
    numbers = {number for command in commands for number in _numbers(command)}
    accounts: dict[UUID, Aggregate] = {
        id_: Account(id_) for id_ in (account_id(number) for number in numbers)
    }
    for row in ReadModel(cursor).balances(sorted(numbers)):
        accounts[row["account_id"]] = Account.restored(row["account_id"], row)
    payments = [command.payment_id for command in commands if isinstance(command, PostPayment)]
    if payments:
        cursor.execute(_POSTED, (payments,))
        for row in cursor.fetchall():
            account = accounts.get(account_id(row["account"]))
            if isinstance(account, Account):
                account.posted.add(row["payment_id"])
    return accounts


def _numbers(command: Any) -> Sequence[str]:
    match command:
        case PostPayment():
            return [line.account for line in command.lines]
        case OpenAccount() | PostCharges() | AccruePenalty():
            return [command.number]
    return []
