"""Comparison of the read model with a replay of the log, some streams at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from psycopg import sql

from services.ledger.domain import Account
from services.ledger.domain.proposal import Proposal
from services.ledger.replay.parallel import Range, block_ranges
from services.ledger.replay.streams import Difference, Replayed
from services.ledger.tables.columns import (
    BALANCES,
    COLUMNS,
    KEYS,
    NAMES,
    POSTINGS,
    PROPOSALS,
    TENURES,
    row_of,
)
from shared.eventstore.arrays import texts, uuids

Rows: TypeAlias = dict[tuple[Any, ...], dict[str, Any]]

AT_ONCE = 100
"""How many streams are compared by one query."""

# Orphan rows: rows of a range without a stream in the log, and postings without their event.
_ORPHANS: Mapping[str, str] = {
    BALANCES: (
        "SELECT * FROM balances AS row WHERE account_id BETWEEN %s AND %s "
        "AND NOT EXISTS (SELECT FROM events WHERE originator_id = row.account_id)"
    ),
    PROPOSALS: (
        "SELECT * FROM proposals AS row WHERE proposal_id BETWEEN %s AND %s "
        "AND NOT EXISTS (SELECT FROM events WHERE originator_id = row.proposal_id)"
    ),
    TENURES: (
        "SELECT * FROM tenures AS row WHERE account_id BETWEEN %s AND %s "
        "AND NOT EXISTS (SELECT FROM events WHERE originator_id = row.account_id)"
    ),
}
# As the postings lie, which is as their events do: the log is read in its order. Each event is
# looked up by its position, whatever the planner thinks of joins.
_ORPHAN_POSTINGS = """
SELECT p.*
  FROM (
        SELECT * FROM payment_postings WHERE ctid BETWEEN %s::tid AND %s::tid
         ORDER BY position
        OFFSET 0
       ) AS p
  LEFT JOIN LATERAL (
        SELECT topic, state FROM events WHERE notification_id = p.position
        OFFSET 0
       ) AS e ON true
 WHERE CASE WHEN starts_with(e.topic, 'ledger.payment_posted.')
            THEN convert_from(e.state, 'UTF8')::jsonb ->> 'payment_id'
                 IS DISTINCT FROM p.payment_id::text
              OR convert_from(e.state, 'UTF8')::jsonb ->> 'account' IS DISTINCT FROM p.account
            ELSE true END
"""
# By the whole key: a payment for many accounts has a row of each, in as many ranges. Each key is
# looked up by the index, however the planner takes the arrays.
_POSTINGS_OF = sql.SQL("""
SELECT {names}
  FROM unnest(%s::uuid[], %s::text[]) AS wanted (payment_id, account)
 CROSS JOIN LATERAL (
        SELECT * FROM payment_postings AS p
         WHERE p.payment_id = wanted.payment_id AND p.account = wanted.account
        OFFSET 0
       ) AS found
""").format(names=sql.SQL(", ").join(sql.Identifier("found", name) for name in NAMES[POSTINGS]))


class Deviation(NamedTuple):
    """A row that differs from the log: ``expected`` None, it should not be there; ``found`` None,
    it is missing."""

    table: str
    key: tuple[Any, ...]
    name: str
    expected: dict[str, Any] | None
    found: dict[str, Any] | None

    def differences(self) -> Iterator[Difference]:
        """Yield what differs, column by column."""
        if self.expected is None or self.found is None:
            there = "no events" if self.expected is None else "a row"
            yield Difference(
                self.name, _TITLES[self.table], there, "a row" if self.found else "no row"
            )
            return
        for column in COLUMNS[self.table]:
            expected, found = self.expected[column], self.found[column]
            if expected != found:
                what = f"{column.replace('_', ' ')} ({_TITLES[self.table]})"
                yield Difference(self.name, what, str(expected), str(found))


_TITLES = {
    BALANCES: "read model",
    PROPOSALS: "proposals",
    TENURES: "tenures",
    POSTINGS: "payment postings",
}


def deviations(cursor: Any, replayed: Sequence[Replayed]) -> Iterator[Deviation]:
    """Yield the rows of some streams, and of their payments, that differ from the log."""
    whole = [stream for stream in replayed if not stream.broken]
    for table, kind in ((BALANCES, Account), (PROPOSALS, Proposal), (TENURES, Account)):
        yield from _of_aggregates(
            cursor, table, [s.aggregate for s in whole if isinstance(s.aggregate, kind)]
        )
    yield from _of_payments(cursor, [row for stream in whole for row in stream.payments])


def orphan_rows(cursor: Any, part: Range) -> Iterator[Deviation]:
    """Yield the rows of a range that have no stream in the log."""
    for table, query in _ORPHANS.items():
        for row in cursor.execute(query, (part.first, part.last)).fetchall():
            key = tuple(row.pop(name) for name in KEYS[table])
            yield Deviation(table, key, str(row.get("number", key[0])), None, row)


def orphan_postings(cursor: Any, part: Range) -> Iterator[Deviation]:
    """Yield the postings of payments whose event is not in the log, or not at their position.

    ``part`` is a range of blocks of the postings.

    Raises psycopg.DataError when an event of a payment is not even JSON.
    """
    for row in cursor.execute(_ORPHAN_POSTINGS, (part.first, part.last)).fetchall():
        key = tuple(row.pop(name) for name in KEYS[POSTINGS])
        yield Deviation(POSTINGS, key, _payment(key), None, row)


def posting_ranges(cursor: Any) -> Iterator[Range]:
    """Yield ranges of blocks that cover ``payment_postings``."""
    return block_ranges(cursor, POSTINGS)


def in_batches(streams: Iterable[Replayed]) -> Iterator[list[Replayed]]:
    """Yield streams in the batches that are compared by one query."""
    rest = iter(streams)
    while batch := list(islice(rest, AT_ONCE)):
        yield batch


def _of_aggregates(
    cursor: Any, table: str, aggregates: Sequence[Account | Proposal]
) -> Iterator[Deviation]:
    rows = _rows(cursor, table, [aggregate.id for aggregate in aggregates])
    for aggregate in aggregates:
        expected, found = row_of(table, aggregate), rows.get((aggregate.id,))
        if found != expected:
            name = aggregate.number if isinstance(aggregate, Account) else str(aggregate.id)
            yield Deviation(table, (aggregate.id,), name, expected, found)


def _of_payments(cursor: Any, payments: Sequence[dict[str, Any]]) -> Iterator[Deviation]:
    rows = _rows_of_payments(cursor, payments)
    for payment in payments:
        key = (payment["payment_id"], payment["account"])
        expected = {name: payment[name] for name in COLUMNS[POSTINGS]}
        if (found := rows.get(key)) != expected:
            yield Deviation(POSTINGS, key, _payment(key), expected, found)


def _rows_of_payments(cursor: Any, payments: Sequence[dict[str, Any]]) -> Rows:
    """Return key -> the other columns, for the rows of these payments to these accounts."""
    if not payments:
        return {}
    keys = [uuids(one["payment_id"] for one in payments), texts(one["account"] for one in payments)]
    return _by_key(cursor.execute(_POSTINGS_OF, keys).fetchall(), KEYS[POSTINGS])


def _rows(cursor: Any, table: str, ids: Sequence[UUID]) -> Rows:
    """Return key -> the other columns, for the rows whose key is among ``ids``."""
    if not ids:
        return {}
    key = KEYS[table]
    query = sql.SQL("SELECT {} FROM {} WHERE {} = ANY (%s)").format(
        sql.SQL(", ").join(sql.Identifier(name) for name in NAMES[table]),
        sql.Identifier(table),
        sql.Identifier(key[0]),
    )
    return _by_key(cursor.execute(query, (list(ids),)).fetchall(), key)


def _by_key(rows: Iterable[dict[str, Any]], key: Sequence[str]) -> Rows:
    return {tuple(row.pop(name) for name in key): row for row in rows}


def _payment(key: Sequence[Any]) -> str:
    payment_id, account = key
    return f"{account} payment {payment_id}"
