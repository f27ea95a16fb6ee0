"""The ledger's read model: rows written in the transaction of their events, and its queries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg.types.json import set_json_dumps, set_json_loads

from services.ledger.domain import Account
from services.ledger.domain.events import AccountClosed, AccountOpened, PaymentPosted
from services.ledger.domain.proposal import Proposal
from services.ledger.domain.tenures import Tenure
from services.ledger.tables.accounts_at_hand import read_to_post, recall_payments
from services.ledger.tables.book_rows import project_book
from services.ledger.tables.book_rules import hold_rules, strange_numbers
from services.ledger.tables.bulk_copy import find_balances, write_balances
from services.ledger.tables.closed_periods import closed_through
from services.ledger.tables.columns import (
    BALANCES,
    COLUMNS,
    KEYS,
    POSTINGS,
    PROPOSALS,
    TABLES,
    TENURES,
    posting_row,
    upsert,
)
from services.ledger.tables.staff_movements import add_movement, hold_movements, moved
from services.ledger.tables.tenure_rows import read_tenures
from shared import staff
from shared.eventstore import Aggregate, Recorded
from shared.eventstore.recording_times import position_before
from shared.money import Kopecks

_SNAPSHOT = ", ".join(COLUMNS[BALANCES])
_UPSERTS = {table: upsert(table) for table in TABLES}
# A scan: an index on what is owed would have to be written by each payment too.
_OWING = f"""
SELECT {_SNAPSHOT} FROM balances
 WHERE principal > 0
   AND EXISTS (SELECT FROM json_each_text(due_dates) AS due WHERE due.value::date < %s)
 ORDER BY number
"""
_PROPOSED = f"""
SELECT p.proposal_id, {", ".join(f"p.{name}" for name in COLUMNS[PROPOSALS])},
       made.notification_id AS position, made.recorded_at AS proposed_at,
       decided.recorded_at AS decided_at
  FROM proposals AS p
  LEFT JOIN events AS made
    ON made.originator_id = p.proposal_id AND made.originator_version = 1
  LEFT JOIN events AS decided
    ON decided.originator_id = p.proposal_id AND decided.originator_version = 2
"""

_PAYMENT = (
    "e.originator_id, e.topic, e.state, e.recorded_at, e.actor, e.notification_id AS position"
)
# Payments are found by a scan: an index on their sums or days would have to be written by each.
_SOUGHT = f"""
SELECT {_PAYMENT}
  FROM payment_postings AS p JOIN events AS e ON e.notification_id = p.position
 WHERE p.payment_id::text LIKE %(part)s
   AND (%(amount)s::bigint IS NULL OR %(amount)s IN (p.amount, p.amount + p.penalty))
   AND p.position >= %(first)s
   AND (%(paid_on)s::text IS NULL
        OR convert_from(e.state, 'UTF8')::json ->> 'effective_on' = %(paid_on)s)
 ORDER BY p.position DESC LIMIT %(limit)s
"""

set_json_dumps(msgspec.json.encode)
set_json_loads(msgspec.json.decode)


class ReadModel:
    """The tables ``balances``, ``proposals``, ``payment_postings``, ``closings`` and ``imports``,
    in one transaction."""

    writes_only = True

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._is_split: bool | None = None

    def project(self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]) -> None:
        """Write the new state of what has new events, and the payments among them."""
        touched = [aggregates[id_] for id_ in {entry.originator_id for entry in recorded}]
        for table, kind in ((BALANCES, Account), (PROPOSALS, Proposal)):
            [key] = KEYS[table]
            found: list[Any] = [one for one in touched if isinstance(one, kind)]
            self._write(table, [{key: one.id, **one.snapshot()} for one in found])
        self._write_tenures(recorded, aggregates)
        self._write(
            POSTINGS,
            [
                posting_row(entry.event.account, entry.position, entry.event)
                for entry in recorded
                if isinstance(entry.event, PaymentPosted)
            ],
        )
        project_book(self._cursor, recorded)

    def _write_tenures(
        self, recorded: Sequence[Recorded], aggregates: Mapping[UUID, Aggregate]
    ) -> None:
        changed: dict[UUID, Any] = {
            entry.originator_id: aggregates[entry.originator_id]
            for entry in recorded
            if isinstance(entry.event, AccountOpened | AccountClosed)
        }
        [key] = KEYS[TENURES]
        rows = ({key: id_, **row} for id_, one in changed.items() if (row := one.tenure_row()))
        self._write(TENURES, list(rows))

    def _write(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        # One statement for each table, however many rows there are, and none waits for an answer:
        # in a group of commands they all travel together.
        if rows:
            self._cursor.execute(_UPSERTS[table], (msgspec.json.encode(rows).decode(),))

    def accounts_at_hand(self, ids: Sequence[UUID], payment_id: UUID) -> list[Aggregate]:
        """Return accounts from their rows, with a payment where it is posted to them already."""
        accounts = read_to_post(self._cursor, ids)
        recall_payments(self._cursor, [payment_id], accounts)
        return list(accounts.values())

    def balance(self, number: str) -> dict[str, Any] | None:
        """Return the row of one account."""
        self._cursor.execute(f"SELECT {_SNAPSHOT} FROM balances WHERE number = %s", (number,))
        return self._cursor.fetchone()  # type: ignore[no-any-return]

    def balances(self, numbers: Sequence[str]) -> list[dict[str, Any]]:
        """Return the rows of several accounts, in any order."""
        return find_balances(self._cursor, numbers)

    def tenures(self, numbers: Collection[str]) -> dict[str, tuple[Tenure, ...]]:
        """Return the tenures of numbers, in order; a number whose first one is open has none."""
        return read_tenures(self._cursor, numbers)

    def service_names(self, numbers: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the names of services by each account's last bill: number -> code -> name."""
        self._cursor.execute(
            "SELECT b.number, bill.state FROM balances AS b JOIN events AS bill"
            " ON bill.originator_id = b.account_id AND bill.originator_version = b.last_bill"
            " AND bill.topic = 'ledger.charges_posted.v1' WHERE b.number = ANY(%s)",
            (list(numbers),),
        )
        return _names_by_account(self._cursor.fetchall())

    def service_names_of_late_bills(self, numbers: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the names of services by each account's late bills, as `service_names` does.

        These are the bills among the 200 events up to the last bill: some years of a household's,
        and never more to read, however long the history is. A later bill's name wins.
        """
        self._cursor.execute(
            "SELECT b.number, bill.state FROM balances AS b JOIN events AS bill"
            " ON bill.originator_id = b.account_id"
            " AND bill.originator_version BETWEEN b.last_bill - 199 AND b.last_bill"
            " AND bill.topic = 'ledger.charges_posted.v1' WHERE b.number = ANY(%s)"
            " ORDER BY bill.originator_version",
            (list(numbers),),
        )
        return _names_by_account(self._cursor.fetchall())

    def owing(self, on: date) -> Iterator[dict[str, Any]]:
        """Yield the rows of accounts with an open period that was due before a day, by number."""
        self._cursor.execute(_OWING, (on,))
        yield from self._cursor

    def advances(self, after: str, limit: int) -> list[dict[str, Any]]:
        """Return the accounts with an advance after a number, by number."""
        self._cursor.execute(
            "SELECT number, payer_kind, advance FROM balances WHERE advance > 0 AND number > %s "
            "ORDER BY number LIMIT %s",
            (after, limit),
        )
        return self._cursor.fetchall()  # type: ignore[no-any-return]

    def advances_in_all(self) -> dict[str, int]:
        """Return how many accounts have an advance, and what these come to."""
        self._cursor.execute(
            "SELECT count(*) AS count, coalesce(sum(advance), 0)::bigint AS total "
            "FROM balances WHERE advance > 0"
        )
        return self._cursor.fetchone()  # type: ignore[no-any-return]

    def payments_of(self, account: UUID) -> Iterator[dict[str, Any]]:
        """Yield the payments in an account's stream, the newest first."""
        self._cursor.execute(
            f"SELECT {_PAYMENT} FROM events AS e WHERE originator_id = %s "
            "AND topic = 'ledger.payment_posted.v1' ORDER BY originator_version DESC",
            (account,),
        )
        yield from self._cursor

    def payments_sought(
        self,
        part: str,
        amount: Kopecks | None,
        paid_on: date | None,
        since: datetime | None,
        limit: int,
    ) -> list[dict[str, Any]]:
        """Return the payments that have this part in their id, this sum and this day.

        The newest come first; those recorded before ``since`` are left out.
        """
        sought = {
            "part": f"%{part}%",
            "amount": amount,
            "paid_on": paid_on and paid_on.isoformat(),
            "first": self.first_position(since) if since else 1,
            "limit": limit,
        }
        self._cursor.execute(_SOUGHT, sought)
        return self._cursor.fetchall()  # type: ignore[no-any-return]

    def taken_back_in(self, accounts: Collection[UUID]) -> list[dict[str, Any]]:
        """Return the reversals and refunds in the streams of accounts, in the order of the log."""
        self._cursor.execute(
            f"SELECT {_PAYMENT} FROM events AS e WHERE originator_id = ANY(%s) "
            "AND topic IN ('ledger.payment_reversed.v1', 'ledger.payment_refunded.v1') "
            "ORDER BY position",
            (list(accounts),),
        )
        return self._cursor.fetchall()  # type: ignore[no-any-return]

    def first_position(self, since: datetime) -> int:
        """Return the first position recorded since an instant."""
        return position_before(self._cursor, since) + 1

    def proposals(
        self, state: str | None = None, after: int = 0, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """Return the proposals in a state, or all, with the times of the log; oldest first.

        ``after`` is the position of the last one of the page before.
        """
        self._cursor.execute(
            f"{_PROPOSED} WHERE (%(state)s::text IS NULL OR p.state = %(state)s) "
            "AND made.notification_id > %(after)s ORDER BY made.notification_id LIMIT %(limit)s",
            {"state": state, "after": after, "limit": limit},
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
        """Return the last closed day; no month is closed until this transaction ends."""
        return closed_through(self._cursor)

    def strange(self, numbers: Collection[str]) -> Mapping[str, bool]:
        """Return those numbers that another book opens (True), or this one soon (False).

        It stays so until this transaction ends.
        """
        if self._is_split is None:
            self._is_split = hold_rules(self._cursor)
        return strange_numbers(self._cursor, numbers) if self._is_split else {}

    def granted(self, name: str, permission: str) -> staff.Grant | None:
        """Return what one of the staff is granted, or None."""
        return staff.granted(self._cursor, name, permission)

    def hold_movements(self) -> None:
        """Let nobody else add movements until this transaction ends."""
        hold_movements(self._cursor)

    def moved(self, name: str, day: date, *, by_approval: bool) -> Kopecks:
        """Return what one of the staff moved by a day: alone, or by approving."""
        return moved(self._cursor, name, day, by_approval=by_approval)

    def add_movement(
        self, correction_id: UUID, name: str, permission: str, day: date, amount: Kopecks
    ) -> None:
        """Add what one of the staff moved by one correction."""
        add_movement(self._cursor, correction_id, name, permission, day, amount)

    def postings_of_all(self, payment_ids: Sequence[UUID]) -> list[dict[str, Any]]:
        """Return where several payments stand in the log, by payment and account."""
        self._cursor.execute(
            "SELECT payment_id::text, account, position, amount, penalty, allocation "
            "FROM payment_postings WHERE payment_id = ANY(%s) ORDER BY position",
            (list(payment_ids),),
        )
        return self._cursor.fetchall()  # type: ignore[no-any-return]

    def postings_of(self, payment_id: UUID) -> list[dict[str, Any]]:
        """Return the positions of a payment in the log, by account."""
        self._cursor.execute(
            "SELECT account, position, amount, penalty, allocation FROM payment_postings "
            "WHERE payment_id = %s ORDER BY position",
            (payment_id,),
        )
        return self._cursor.fetchall()  # type: ignore[no-any-return]


def _names_by_account(bills: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    names: dict[str, dict[str, str]] = {}
    for bill in bills:
        lines = msgspec.json.decode(bill["state"])["lines"]
        names.setdefault(bill["number"], {}).update(
            {line["service"]: line["name"] for line in lines}
        )
    return names
