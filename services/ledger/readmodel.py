"""The ledger's tables: one row per account, written with the events, read by the queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb, set_json_dumps

from services.ledger.domain import Account
from services.ledger.events import PaymentPosted
from shared.eventstore import Aggregate, Recorded

_SNAPSHOT = "number, payer_kind, version, principal, penalty, advance, open_items, charged_periods"
_UPSERT = f"""
INSERT INTO balances (account_id, {_SNAPSHOT})
VALUES (%(id)s, %(number)s, %(payer_kind)s, %(version)s, %(principal)s, %(penalty)s, %(advance)s,
        %(open_items)s, %(charged_periods)s)
ON CONFLICT (account_id) DO UPDATE
   SET version = excluded.version, principal = excluded.principal, penalty = excluded.penalty,
       advance = excluded.advance, open_items = excluded.open_items,
       charged_periods = excluded.charged_periods
"""

set_json_dumps(msgspec.json.encode)


class ReadModel:
    """The tables ``balances`` and ``payment_postings``, within one transaction."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        """Write the new state of each account that has new events, and its payments."""
        touched = {entry.originator_id for entry in recorded}
        accounts = [aggregates[id] for id in touched]  # noqa: A001
        self._cursor.executemany(_UPSERT, [_row(account) for account in accounts])
        for entry in recorded:
            if isinstance(entry.event, PaymentPosted):
                self._keep_payment(entry, entry.event, aggregates[entry.originator_id])

    def balance(self, number: str) -> dict[str, Any] | None:
        """Answer the row of one account."""
        self._cursor.execute(f"SELECT {_SNAPSHOT} FROM balances WHERE number = %s", (number,))
        return self._cursor.fetchone()  # type: ignore[no-any-return]

    def balances(self, numbers: Sequence[str]) -> list[dict[str, Any]]:
        """Answer the rows of several accounts, in any order."""
        self._cursor.execute(
            f"SELECT account_id, {_SNAPSHOT} FROM balances WHERE number = ANY(%s)",
            (list(numbers),),
        )
        return self._cursor.fetchall()  # type: ignore[no-any-return]

    def all_balances(self) -> Iterable[dict[str, Any]]:
        """Yield the rows of all accounts."""
        self._cursor.execute(f"SELECT account_id, {_SNAPSHOT} FROM balances")
        yield from self._cursor

    def write_balances(self, accounts: Sequence[Account]) -> None:
        """Write the new state of many accounts by COPY (the bulk path)."""
        self._cursor.execute(
            "CREATE TEMP TABLE IF NOT EXISTS new_balances (LIKE balances) ON COMMIT DROP"
        )
        self._cursor.execute("TRUNCATE new_balances")
        with self._cursor.copy(f"COPY new_balances (account_id, {_SNAPSHOT}) FROM STDIN") as copy:
            for account in accounts:
                row = _row(account)
                copy.write_row(
                    [row["id"], *(row[name] for name in _SNAPSHOT.split(", "))],
                )
        self._cursor.execute(
            "UPDATE balances AS b SET version = n.version, principal = n.principal, "
            "penalty = n.penalty, advance = n.advance, open_items = n.open_items, "
            "charged_periods = n.charged_periods "
            "FROM new_balances AS n WHERE b.account_id = n.account_id"
        )

    def postings_of(self, payment_id: UUID) -> list[dict[str, Any]]:
        """Answer where a payment stands in the log, by account."""
        self._cursor.execute(
            "SELECT account, position, amount, penalty, allocation FROM payment_postings "
            "WHERE payment_id = %s ORDER BY position",
            (payment_id,),
        )
        return self._cursor.fetchall()  # type: ignore[no-any-return]

    def _keep_payment(self, entry: Recorded, event: PaymentPosted, account: Any) -> None:
        self._cursor.execute(
            "INSERT INTO payment_postings (payment_id, account, position, amount, penalty, "
            "allocation) VALUES (%s, %s, %s, %s, %s, %s)",
            (
                event.payment_id,
                account.number,
                entry.position,
                event.amount,
                event.penalty,
                Jsonb(event.settled),
            ),
        )


def _row(account: Any) -> dict[str, Any]:
    snapshot = account.snapshot()
    return {**snapshot, "id": account.id, "open_items": Jsonb(snapshot["open_items"])}
