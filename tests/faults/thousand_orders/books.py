"""The books at the end: banks, payments, ledger and cash register, each read at its own source.

`unresolved` is what time alone should settle, `differences` what must never be.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from deploy.demo.database import open_snapshot
from shared.books import SPLIT
from shared.money import format_roubles
from tests.faults.thousand_orders.banks import Bank, BankOrder, Money

UNDECIDED = frozenset({"created", "awaiting_payment", "unknown", "mismatch", "captured"})
CREDITED = frozenset({"captured", "completed", "partly_refunded", "refunded"})
FAILED = frozenset({"failed", "expired"})

_PAYMENTS = "SELECT payment_id::text AS id, state, total, refunded FROM payments.payments"
_ORDERS = "SELECT order_number, payment_id::text AS id FROM payments.orders"
_REFUNDS = "SELECT payment_id::text AS id, state, total FROM payments.refunds"
_RECEIPTS = "SELECT payment_id::text AS id, kind, state, total FROM payments.fiscal_receipts"
# {book} is the schema of a book of the ledger.
_POSTINGS = """
SELECT e.fact ->> 'payment_id' AS id, e.fact ->> 'account' AS account, e.topic,
       e.fact ->> 'refund_id' AS refund_id,
       (e.fact ->> 'amount')::bigint + coalesce((e.fact ->> 'penalty')::bigint, 0) AS amount
  FROM (SELECT topic, convert_from(state, 'UTF8')::jsonb AS fact FROM {book}.events
         WHERE topic IN ('ledger.payment_posted.v1', 'ledger.payment_refunded.v1',
                         'ledger.payment_reversed.v1')) AS e
 WHERE (e.fact -> 'taken') IS NULL OR e.fact -> 'taken' = 'null'
"""
"""What acquirers took; the rest, staff have posted from cash desks and banks."""


class Payment(NamedTuple):
    """A payment as the payments service has it."""

    state: str
    total: int
    refunded: int


class Entry(NamedTuple):
    """An entry of the ledger: what was posted of a payment, or taken back of it."""

    payment_id: str
    account: str
    amount: int
    refund_id: str = ""
    is_posting: bool = True


@dataclass(frozen=True)
class Books:
    """The books of all at one moment; the banks are read first."""

    orders: Mapping[str, BankOrder]
    payments: Mapping[str, Payment]
    payment_of: Mapping[str, str]
    """Order number -> payment."""
    entries: Sequence[Entry]
    refunds: Sequence[tuple[str, str, int]] = ()
    """(payment, state, total)."""
    receipts: Sequence[tuple[str, str, str, int]] = ()
    """(payment, kind, state, total)."""
    money: Mapping[str, Money] = field(init=False)

    def __post_init__(self) -> None:
        sums: dict[str, Money] = defaultdict(Money)
        for number, order in self.orders.items():
            payment_id = self.payment_of.get(number)
            if payment_id is not None:
                before = sums[payment_id]
                sums[payment_id] = Money(
                    before.charged + order.money.charged, before.returned + order.money.returned
                )
        object.__setattr__(self, "money", sums)


def read_books(
    banks: Sequence[Bank],
    database_url: str,
    known_before: frozenset[str] = frozenset(),
    *,
    ledgers: Mapping[str, str] | None = None,
) -> Books:
    """Read all books, without the ledger's entries of payments that were `known_before`.

    `ledgers` are the books that the ledger is split into, each with the URL of its database; what
    is in the same one as the payments is of the same moment.
    """
    orders = {number: order for bank in banks for number, order in bank.orders().items()}
    with open_snapshot(database_url) as cursor:

        def rows(query: str) -> list[dict[str, Any]]:
            return cursor.execute(query).fetchall()

        entries = [
            entry
            for log, url in (ledgers or {SPLIT: database_url}).items()
            for entry in (_entries(cursor, log) if url == database_url else _entries_of(url, log))
            if entry.payment_id not in known_before
        ]
        return Books(
            orders,
            {row["id"]: Payment(row["state"], row["total"], row["refunded"])
             for row in rows(_PAYMENTS)},
            {row["order_number"]: row["id"] for row in rows(_ORDERS)},
            entries,
            [(row["id"], row["state"], row["total"]) for row in rows(_REFUNDS)],
            [(row["id"], row["kind"], row["state"], row["total"]) for row in rows(_RECEIPTS)],
        )  # fmt: skip


def _entries_of(url: str, log: str) -> list[Entry]:
    with open_snapshot(url) as cursor:
        return _entries(cursor, log)


def _entries(cursor: Any, log: str) -> list[Entry]:
    """Return what a book of the ledger has of payments."""
    return [
        Entry(
            row["id"],
            row["account"],
            row["amount"],
            row["refund_id"] or "",
            row["topic"] == "ledger.payment_posted.v1",
        )
        for row in cursor.execute(_POSTINGS.replace("{book}", log)).fetchall()
    ]


def unresolved(books: Books) -> list[str]:
    """Return a sentence for each thing that is still under way."""
    found = [
        f"payment {payment_id} is {payment.state}"
        for payment_id, payment in books.payments.items()
        if payment.state in UNDECIDED
    ]
    found += [
        f"payment {payment_id}: a refund of {format_roubles(total)} is {state}"
        for payment_id, state, total in books.refunds
        if state in {"proposed", "requested"}
    ]
    found += [
        f"order {number} is {'held' if order.held else 'open'} at its bank"
        for number, order in books.orders.items()
        if order.is_open or order.held
    ]
    found += [
        f"payment {payment_id}: its fiscal receipt ({kind}) is {state}"
        for payment_id, kind, state, _ in books.receipts
        if state != "registered"
    ]
    return found


def differences(books: Books) -> list[str]:
    """Return a sentence for each kopeck that is not where it belongs."""
    return [
        *_strange_orders(books),
        *_twice(books.entries),
        *_against_ledger(books),
        *_against_payments(books),
        *_against_receipts(books),
    ]


def _strange_orders(books: Books) -> Iterator[str]:
    for number, order in books.orders.items():
        if order.money.kept and number not in books.payment_of:
            yield f"order {number}: charged, and no payment of ours"


def _twice(entries: Sequence[Entry]) -> Iterator[str]:
    postings = Counter((one.payment_id, one.account) for one in entries if one.is_posting)
    refunds = Counter((one.refund_id, one.account) for one in entries if one.refund_id)
    for (payment_id, account), times in postings.items():
        if times > 1:
            yield f"payment {payment_id}: posted {times} times to {account}"
    for (refund_id, account), times in refunds.items():
        if times > 1:
            yield f"refund {refund_id}: taken back {times} times from {account}"


def _against_ledger(books: Books) -> Iterator[str]:
    posted: Counter[str] = Counter()
    for one in books.entries:
        posted[one.payment_id] += one.amount if one.is_posting else -one.amount
    for payment_id in {*books.payments, *posted}:
        kept = books.money[payment_id].kept
        if posted[payment_id] != kept:
            state = books.payments[payment_id].state if payment_id in books.payments else "missing"
            yield (
                f"payment {payment_id} ({state}): the bank has kept {format_roubles(kept)}, "
                f"the ledger has {format_roubles(posted[payment_id])}"
            )


def _against_payments(books: Books) -> Iterator[str]:
    for payment_id, payment in books.payments.items():
        charged, returned = books.money[payment_id]
        right = {
            "completed": charged == payment.total and not returned,
            "partly_refunded": 0 < returned < charged == payment.total,
            "refunded": charged == returned > 0,
            "failed": charged == returned,
            "expired": charged == returned,
        }.get(payment.state, True)
        if payment.state in CREDITED:
            right = right and payment.refunded == returned
        if not right:
            yield (
                f"payment {payment_id} is {payment.state} over {format_roubles(payment.total)}, "
                f"returned {format_roubles(payment.refunded)}; the bank has charged "
                f"{format_roubles(charged)}, returned {format_roubles(returned)}"
            )


def _against_receipts(books: Books) -> Iterator[str]:
    sums: Counter[tuple[str, str]] = Counter()
    for payment_id, kind, _, total in books.receipts:
        sums[payment_id, kind] += total
    for payment_id, payment in books.payments.items():
        charged, returned = books.money[payment_id]
        credited = payment.state in CREDITED
        expected = (charged, returned) if credited else (0, 0)
        found = sums[payment_id, "income"], sums[payment_id, "income_return"]
        if found != expected:
            yield (
                f"payment {payment_id} ({payment.state}): fiscal receipts over "
                f"{format_roubles(found[0])} and {format_roubles(found[1])} back"
            )
