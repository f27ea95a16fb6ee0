"""What payers are shown, compared with what the banks have done: at any moment, not at the end.

The banks are read before and after a payment is shown. What a bank has charged stays charged, and
what went back stays returned, so a claim that neither reading allows was untrue when it was shown.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from deploy.demo.acquirer_page import PageError
from deploy.demo.client import CabinetClient, OutageError, Problem
from deploy.demo.database import open_snapshot
from shared.money import format_roubles
from tests.faults.thousand_orders.banks import Bank, Money
from tests.faults.thousand_orders.books import CREDITED, FAILED
from tests.faults.thousand_orders.payers import Started, Tally

_AT_ONCE = 24
_PAUSE_S = 0.5
_ORDERS = "SELECT order_number, payment_id::text AS id FROM payments.orders"


def untrue(view: Mapping[str, Any], before: Money, after: Money) -> str | None:
    """Return what is untrue in a payment as its payer is shown it; None where nothing is."""
    state = view["state"]
    if state in FAILED and before.kept > 0 and after.kept > 0:
        return f"{state} ({view['failure']}), and {format_roubles(before.kept)} are taken"
    if state == "created" and before.charged:
        return f"the card is untouched, and {format_roubles(before.charged)} were charged"
    if state in CREDITED and not after.charged:
        return f"{state}, and nothing was charged"
    if state in CREDITED and before.charged == after.charged != view["total"]:
        return (
            f"{state} over {format_roubles(view['total'])}, and {format_roubles(after.charged)} "
            "were charged"
        )
    if view["refunded"] > after.returned:
        return (
            f"{format_roubles(view['refunded'])} went back, and the bank has returned "
            f"{format_roubles(after.returned)}"
        )
    return None


class Watch:
    """Looks at payments as their payers do, again and again, until stopped."""

    def __init__(
        self, banks: Sequence[Bank], database_url: str, tally: Tally, clients: Mapping[int, str],
        url: str, seed: int,
    ) -> None:  # fmt: skip
        self._banks = banks
        self._database_url = database_url
        self._tally = tally
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self._clients: dict[int, CabinetClient] = {}
        for person, token in clients.items():
            self._clients[person] = CabinetClient(url)
            self._clients[person].token = token
        self.looks = 0
        self.found: list[str] = []

    def run(self, stop: threading.Event) -> None:
        """Look until stopped; what cannot be read now is read the next time."""
        while not stop.is_set():
            try:
                self._look()
            except (psycopg.Error, PageError):
                self._tally.count("watch could not read")
            stop.wait(_PAUSE_S)

    def _look(self) -> None:
        started = self._tally.started()
        chosen = self._random.sample(started, min(_AT_ONCE, len(started)))
        before = self._orders()
        views = [(one, view) for one in chosen if (view := self._shown(one))]
        after = self._orders()
        with open_snapshot(self._database_url) as cursor:
            rows = cursor.execute(_ORDERS).fetchall()
        numbers: dict[str, list[str]] = {}
        for row in rows:
            numbers.setdefault(row["id"], []).append(row["order_number"])
        for one, view in views:
            own = numbers.get(one.payment_id, [])
            self.looks += 1
            wrong = untrue(view, _sum(own, before), _sum(own, after))
            if wrong:
                self.found.append(f"payment {one.payment_id}: {wrong}")

    def _shown(self, one: Started) -> dict[str, Any] | None:
        try:
            return self._clients[one.person].payment(one.payment_id)
        except (Problem, OutageError):
            return None

    def _orders(self) -> dict[str, Money]:
        return {
            number: order.money for bank in self._banks for number, order in bank.orders().items()
        }


def _sum(numbers: Sequence[str], orders: Mapping[str, Money]) -> Money:
    own = [orders.get(number, Money()) for number in numbers]
    return Money(sum(one.charged for one in own), sum(one.returned for one in own))
