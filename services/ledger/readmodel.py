"""The ledger's tables: one row per account, written with the events, read by the queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from psycopg.types.json import set_json_dumps, set_json_loads

from services.ledger.domain import Account
from services.ledger.domain.events import PaymentPosted
from services.ledger.domain.proposal import Proposal
from services.ledger.tables.bulk_copy import find_balances, write_balances
from services.ledger.tables.closed_periods import closed_through
from services.ledger.tables.columns import BALANCES, COLUMNS, KEYS, POSTINGS, PROPOSALS
from shared.eventstore import Aggregate, Recorded
from shared.eventstore.arrays import bigints, jsons, texts, uuids

_encode = msgspec.json.encode


_SNAPSHOT = ", ".join(COLUMNS[BALANCES])
_KEEP_BALANCES = f"""
INSERT INTO {BALANCES} (account_id, number, payer_kind, version, last_bill, principal, penalty,
                        advance, open_items, due_dates, charged_periods)
SELECT account_id, number, payer_kind, version, last_bill, principal, penalty, advance,
       open_items, due_dates, charged_periods::text[]
  FROM unnest(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
       AS made (account_id, number, payer_kind, version, last_bill, principal, penalty, advance,
               open_items, due_dates, charged_periods)
    ON CONFLICT (account_id) DO UPDATE
   SET version = excluded.version, last_bill = excluded.last_bill,
       principal = excluded.principal, penalty = excluded.penalty, advance = excluded.advance,
       open_items = excluded.open_items,
       due_dates = excluded.due_dates, charged_periods = excluded.charged_periods
"""
_KEEP_POSTINGS = f"""
INSERT INTO {POSTINGS} (payment_id, account, position, amount, penalty, allocation)
SELECT payment_id, account, position, amount, penalty, allocation::jsonb
  FROM unnest(%s, %s, %s, %s, %s, %s)
       AS made (payment_id, account, position, amount, penalty, allocation)
"""
_PROPOSAL = ", ".join([*KEYS[PROPOSALS], *COLUMNS[PROPOSALS]])
_KEEP_PROPOSALS = f"""
INSERT INTO {PROPOSALS} ({_PROPOSAL})
SELECT {_PROPOSAL} FROM jsonb_populate_recordset(NULL::{PROPOSALS}, %s::jsonb)
    ON CONFLICT (proposal_id) DO UPDATE
   SET {", ".join(f"{name} = excluded.{name}" for name in COLUMNS[PROPOSALS])}
"""
# What may be overdue is a scan: an index on what is owed would make each payment write it too.
_OWING = f"""
SELECT {_SNAPSHOT} FROM balances
 WHERE principal > 0
   AND EXISTS (SELECT FROM json_each_text(due_dates) AS due WHERE due.value::date < %s)
 ORDER BY number
"""
_PROPOSED = f"""
SELECT p.proposal_id, {", ".join(f"p.{name}" for name in COLUMNS[PROPOSALS])},
       made.recorded_at AS proposed_at, decided.recorded_at AS decided_at
  FROM proposals AS p
  LEFT JOIN events AS made
    ON made.originator_id = p.proposal_id AND made.originator_version = 1
  LEFT JOIN events AS decided
    ON decided.originator_id = p.proposal_id AND decided.originator_version = 2
"""

set_json_dumps(msgspec.json.encode)
set_json_loads(msgspec.json.decode)


class ReadModel:
    """The tables ``balances``, ``proposals`` and ``payment_postings``, in one transaction."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        """Write the new state of each account that has new events, and its payments."""
        touched = [aggregates[id_] for id_ in {entry.originator_id for entry in recorded}]
        self._keep_balances([found for found in touched if isinstance(found, Account)])
        self._keep_proposals([found for found in touched if isinstance(found, Proposal)])
        self._keep_postings([e for e in recorded if isinstance(e.event, PaymentPosted)])

    # Each kind of row is one statement, however many rows there are, and none waits for an
    # answer: in a group of commands they all travel together.

    def _keep_balances(self, accounts: Sequence[Account]) -> None:
        if not accounts:
            return
        rows = [account.snapshot() for account in accounts]
        periods = ["{" + ",".join(row["charged_periods"]) + "}" for row in rows]
        self._cursor.execute(
            _KEEP_BALANCES,
            (
                uuids([account.id for account in accounts]),
                texts([account.number for account in accounts]),
                texts([account.payer_kind for account in accounts]),
                bigints([account.version for account in accounts]),
                bigints([account.last_bill for account in accounts]),
                bigints([row["principal"] for row in rows]),
                bigints([account.penalty for account in accounts]),
                bigints([account.advance for account in accounts]),
                jsons([_encode(row["open_items"]) for row in rows]),
                jsons([_encode(row["due_dates"]) for row in rows]),
                texts(periods),
            ),
        )

    def _keep_postings(self, paid: Sequence[Recorded]) -> None:
        if not paid:
            return
        events: list[Any] = [entry.event for entry in paid]
        self._cursor.execute(
            _KEEP_POSTINGS,
            (
                uuids([event.payment_id for event in events]),
                texts([event.account for event in events]),
                bigints([entry.position for entry in paid]),
                bigints([event.amount for event in events]),
                bigints([event.penalty for event in events]),
                jsons([_encode(event.settled) for event in events]),
            ),
        )

    def _keep_proposals(self, proposals: Sequence[Proposal]) -> None:
        if proposals:
            rows = [{"proposal_id": found.id, **found.snapshot()} for found in proposals]
            self._cursor.execute(_KEEP_PROPOSALS, (_encode(rows).decode(),))

    def balance(self, number: str) -> dict[str, Any] | None:
        """Return the row of one account."""
        self._cursor.execute(f"SELECT {_SNAPSHOT} FROM balances WHERE number = %s", (number,))
        return self._cursor.fetchone()  # type: ignore[no-any-return]

    def balances(self, numbers: Sequence[str]) -> list[dict[str, Any]]:
        """Return the rows of several accounts, in any order."""
        return find_balances(self._cursor, numbers)

    def service_names(self, numbers: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return what each account's last bill calls its services: number -> code -> name."""
        self._cursor.execute(
            "SELECT b.number, bill.state FROM balances AS b JOIN events AS bill"
            " ON bill.originator_id = b.account_id AND bill.originator_version = b.last_bill"
            " AND bill.topic = 'ledger.charges_posted.v1' WHERE b.number = ANY(%s)",
            (list(numbers),),
        )
        return {
            row["number"]: {
                line["service"]: line["name"] for line in msgspec.json.decode(row["state"])["lines"]
            }
            for row in self._cursor.fetchall()
        }

    def owing(self, on: date) -> Iterator[dict[str, Any]]:
        """Yield the rows of accounts with an open period that was due before a day, by number."""
        self._cursor.execute(_OWING, (on,))
        yield from self._cursor

    def proposals(self, state: str | None = None) -> list[dict[str, Any]]:
        """Return the proposals in a state, or all, with the times of the log; oldest first."""
        self._cursor.execute(
            f"{_PROPOSED} WHERE %(state)s::text IS NULL OR p.state = %(state)s "
            "ORDER BY made.notification_id",
            {"state": state},
        )
        return self._cursor.fetchall()  # type: ignore[no-any-return]

    def proposal(self, proposal_id: UUID) -> dict[str, Any] | None:
        """Return one proposal with its times."""
        self._cursor.execute(f"{_PROPOSED} WHERE p.proposal_id = %s", (proposal_id,))
        return self._cursor.fetchone()  # type: ignore[no-any-return]

    def write_balances(self, accounts: Sequence[Account]) -> None:
        """Write the new state of many accounts by COPY (the bulk path); also of new ones."""
        write_balances(self._cursor, accounts)

    def closed_through(self) -> date | None:
        """Return the last day that is closed; none more is until this transaction ends."""
        return closed_through(self._cursor)

    def postings_of(self, payment_id: UUID) -> list[dict[str, Any]]:
        """Return where a payment stands in the log, by account."""
        self._cursor.execute(
            "SELECT account, position, amount, penalty, allocation FROM payment_postings "
            "WHERE payment_id = %s ORDER BY position",
            (payment_id,),
        )
        return self._cursor.fetchall()  # type: ignore[no-any-return]
