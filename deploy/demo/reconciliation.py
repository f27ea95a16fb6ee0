"""Reconciliation of acquirers, payments and ledger, to the kopeck, each read at its own source.

The orders come from the acquirers, the payments from their tables, the postings from the events in
the ledger's log. The comparison itself is a pure function.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import psycopg
import requests

from deploy.demo.client import PaymentLine
from deploy.demo.database import open_snapshot
from deploy.demo.loop import Belief
from deploy.embedded.surroundings import REPOSITORY
from shared.config import SERVICES
from shared.money import Kopecks, format_roubles

TAKEN = frozenset({"captured", "completed"})
POLL_SECONDS = 0.5
OUTAGES = (psycopg.OperationalError, requests.RequestException)
"""Raised while the database or an acquirer cannot be reached."""

_PAYMENTS = """
SELECT p.payment_id::text AS id, p.state, p.total,
       (SELECT array_agg(o.order_number) FROM payments.orders AS o
         WHERE o.payment_id = p.payment_id) AS order_numbers,
       array_agg(ARRAY[l.account, l.amount::text, l.penalty::text] ORDER BY l.line) AS lines
  FROM payments.payments AS p JOIN payments.payment_lines AS l USING (payment_id)
 GROUP BY p.payment_id
"""
_POSTINGS = """
SELECT e.posted ->> 'payment_id' AS payment_id, e.posted ->> 'account' AS account,
       (e.posted ->> 'amount')::bigint AS amount, (e.posted ->> 'penalty')::bigint AS penalty
  FROM (SELECT convert_from(state, 'UTF8')::jsonb AS posted
          FROM ledger.events WHERE topic = 'ledger.payment_posted.v1') AS e
 WHERE coalesce(e.posted ->> 'moved_from', '') = ''
"""


class Order(msgspec.Struct, frozen=True, rename="camel"):
    """An order at an acquirer: what it has charged, and returned since, in kopecks."""

    order_number: str
    amount: Kopecks
    charged: Kopecks = 0
    returned: Kopecks = 0

    @property
    def deposited(self) -> Kopecks:
        return self.charged - self.returned


@dataclass(frozen=True)
class Payment:
    """A payment as the payments service has it."""

    payment_id: str
    order_numbers: tuple[str, ...]
    state: str
    total: Kopecks
    lines: tuple[PaymentLine, ...]

    @property
    def taken(self) -> Kopecks:
        return self.total if self.state in TAKEN else 0


@dataclass(frozen=True)
class Snapshot:
    """The records of all three at one moment. `postings` holds (payment, line) per event."""

    orders: Sequence[Order]
    payments: Sequence[Payment]
    postings: Sequence[tuple[str, PaymentLine]]

    @property
    def sums(self) -> dict[str, Kopecks]:
        """Return the total of each, in kopecks."""
        return {
            "acquirer": sum(order.deposited for order in self.orders),
            "payments": sum(payment.taken for payment in self.payments),
            "ledger": sum(line.total for _, line in self.postings),
        }


def compare(snapshot: Snapshot) -> list[str]:
    """Return a sentence for each difference between the three."""
    orders = {order.order_number: order for order in snapshot.orders}
    numbers = {number for payment in snapshot.payments for number in payment.order_numbers}
    found: list[str] = []
    for number, order in orders.items():
        if order.deposited and number not in numbers:
            found.append(f"order {number}: charged, and no payment has this number")
    for payment in snapshot.payments:
        found += _against_orders(payment, _orders_of(payment, orders))
    found += _against_ledger(snapshot.payments, snapshot.postings)
    sums = snapshot.sums
    if len(set(sums.values())) > 1:
        found.append("sums: " + ", ".join(f"{who} {format_roubles(sums[who])}" for who in sums))
    return found


def compare_beliefs(beliefs: Sequence[Belief], snapshot: Snapshot) -> list[str]:
    """Return a sentence for each payment that differs from what its payer saw."""
    orders = {order.order_number: order for order in snapshot.orders}
    payments = {payment.payment_id: payment for payment in snapshot.payments}
    found: list[str] = []
    for belief in beliefs:
        payment = payments.get(belief.payment_id)
        if payment is None:
            if belief.payment_id:
                found.append(f"payment {belief.payment_id}: was started, and is missing")
            continue
        charged = sum(order.deposited for order in _orders_of(payment, orders))
        expected = {"yes": {belief.total}, "no": {0}}.get(belief.charged, {0, belief.total})
        if charged not in expected:
            found.append(
                f"payment {payment.payment_id}: the payer saw charged={belief.charged} "
                f"({format_roubles(belief.total)}), the acquirer has {format_roubles(charged)}"
            )
        requested = [PaymentLine(*line) for line in belief.lines]
        if sorted(requested, key=_by_account) != sorted(payment.lines, key=_by_account):
            found.append(f"payment {payment.payment_id}: the lines differ from those requested")
    return found


def acquirer_urls(environ: Mapping[str, str]) -> list[str]:
    """Return where the acquirers of an installation answer."""
    names = ("SALDO_ACQUIRER_URL", "SALDO_ACQUIRER_KASSA_URL")
    return [environ[name].rstrip("/") for name in names if environ.get(name)]


def take_snapshot(database_url: str, acquirers: Sequence[str]) -> Snapshot:
    """Read all three, the acquirers first: what they charge later is still under way."""
    orders: list[Order] = []
    for url in acquirers:
        response = requests.get(f"{url}/admin/orders", timeout=(3.05, 30))
        response.raise_for_status()
        orders += msgspec.json.decode(response.content, type=dict[str, list[Order]])["orders"]
    with open_snapshot(database_url) as cursor:
        payments = [
            Payment(row["id"], tuple(row["order_numbers"]), row["state"], row["total"], _lines(row))
            for row in cursor.execute(_PAYMENTS).fetchall()
        ]
        postings = [
            (row["payment_id"], PaymentLine(row["account"], row["amount"], row["penalty"]))
            for row in cursor.execute(_POSTINGS).fetchall()
        ]
    return Snapshot(orders, payments, postings)


def wait_for_agreement(
    look: Callable[[], Snapshot], seconds: float, judge: Callable[[Snapshot], list[str]] = compare
) -> tuple[Snapshot, list[str]]:
    """Compare until nothing differs or time is up: payments may be under way.

    An outage is retried as well: a process may be restarting.
    """
    ends = time.monotonic() + seconds
    while True:
        try:
            snapshot = look()
        except OUTAGES:
            if time.monotonic() > ends:
                raise
        else:
            found = judge(snapshot)
            if not found or time.monotonic() > ends:
                return snapshot, found
        time.sleep(POLL_SECONDS)


def parked_messages(database_url: str) -> list[str]:
    """Return a sentence for each parked message."""
    found: list[str] = []
    with open_snapshot(database_url) as cursor:
        for service in SERVICES:
            query = f"SELECT upstream, type, reason FROM {service}.parked ORDER BY id"  # noqa: S608
            for row in cursor.execute(query).fetchall():  # the names are constants
                found.append(
                    f"{service}: a parked {row['upstream']}.{row['type']} ({row['reason']})"
                )
    return found


def audit() -> list[str]:
    """Run `saldo ledger audit`; return a sentence for each of its findings."""
    command = [sys.executable, "-m", "services.cli", "ledger", "audit", "--json"]
    result = subprocess.run(command, cwd=REPOSITORY, check=False, capture_output=True, text=True)
    if result.returncode not in {0, 1}:
        return [f"saldo ledger audit ended with exit code {result.returncode}: {result.stderr}"]
    written: Any = msgspec.json.decode(result.stdout)
    reports = [one["result"] for one in written] if isinstance(written, list) else [written]
    found = [
        f"audit: {one['account'] or 'log'}: {one['what']}: {one['replayed']} by replay, "
        f"{one['found']} found"
        for report in reports
        for one in report["differences"]
    ]
    if bool(found) != bool(result.returncode):
        found.append(f"saldo ledger audit: exit code {result.returncode} with {len(found)} found")
    return found


def _orders_of(payment: Payment, orders: Mapping[str, Order]) -> list[Order]:
    """Return the orders of a payment: one whose page was lost has a successor."""
    return [orders[number] for number in payment.order_numbers if number in orders]


def _against_orders(payment: Payment, orders: Sequence[Order]) -> Iterator[str]:
    deposited = sum(order.deposited for order in orders)
    name = f"payment {payment.payment_id} ({payment.state})"
    for order in orders:
        if order.amount != payment.total:
            yield (
                f"{name}: an order over {format_roubles(order.amount)} for a payment of "
                f"{format_roubles(payment.total)}"
            )
    if deposited and payment.state != "completed":
        yield f"{name}: the acquirer has taken {format_roubles(deposited)}"
    if payment.taken and deposited != payment.total:
        total = format_roubles(payment.total)
        yield f"{name}: the acquirer has {format_roubles(deposited)} of {total}"


def _against_ledger(
    payments: Sequence[Payment], postings: Sequence[tuple[str, PaymentLine]]
) -> Iterator[str]:
    expected = Counter(
        (payment.payment_id, line)
        for payment in payments
        if payment.state in TAKEN
        for line in payment.lines
    )
    posted = Counter(postings)
    for (payment_id, line), count in (expected - posted).items():
        yield f"payment {payment_id}: {_describe(line)} is missing in the ledger ({count} times)"
    for (payment_id, line), count in (posted - expected).items():
        yield f"payment {payment_id}: {_describe(line)} is in the ledger {count} times too often"


def _lines(row: Mapping[str, Any]) -> tuple[PaymentLine, ...]:
    return tuple(PaymentLine(line[0], int(line[1]), int(line[2])) for line in row["lines"])


def _by_account(line: PaymentLine) -> str:
    return line.account


def _describe(line: PaymentLine) -> str:
    penalty = f" and penalty {format_roubles(line.penalty)}" if line.penalty else ""
    return f"account {line.account}, {format_roubles(line.amount)}{penalty}"
