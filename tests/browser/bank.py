"""The acquirer's side of a payment: its faults, its orders, and the callbacks that it sends."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import requests

from deploy.doubles.acquirer.signature import checksum
from tests.browser.site import Site
from tests.waiting import eventually

SECONDS = 60


class Bank:
    """The simulated acquirer as it sees itself: what it says here is the truth about money."""

    def __init__(self, site: Site) -> None:
        self.url = site.acquirer_url
        self._callback_url = f"{site.url}/api/v1/acquirer/callback"
        self._secret = site.environment["SALDO_ACQUIRER_SECRET"]
        self._payments_url = site.environment["SALDO_DATABASE_URL_PAYMENTS"]
        self.breaks_pages = False

    def switch_on(self, **faults: Any) -> None:
        """Switch on these faults and no others."""
        self._admin("DELETE", "faults")
        self._admin("PUT", "faults", faults)
        self.breaks_pages = bool(faults.keys() & {"error_before_charge", "error_after_charge"})

    def has_charged(self, payment_id: str) -> bool:
        """Return whether the card of a payment was charged, whatever went back since."""
        return any(order["charged"] for order in self._orders_of(payment_id))

    def has_taken_money(self, payment_id: str) -> bool:
        """Return whether the bank holds money of a payment."""
        return any(one["charged"] > one["returned"] for one in self._orders_of(payment_id))

    def returned(self, payment_id: str) -> int:
        """Return the kopecks of a payment that went back to the card."""
        return sum(int(order["returned"]) for order in self._orders_of(payment_id))

    def refund(self, payment_id: str, amount: int) -> None:
        """Return money of a payment at the bank's own desk, without the merchant."""
        (order,) = (one for one in self._orders_of(payment_id) if one["charged"])
        self._admin("POST", f"orders/{order['orderId']}/refund", {"amount": amount})

    def call_back(self, payment_id: str, *, status: int = 1, forged: bool = False) -> int:
        """Send the callback of a payment as the bank signs it; return the answer's status."""
        order = self._order(payment_id)
        parameters = {
            "mdOrder": order["orderId"] if order else "",
            "orderNumber": order["orderNumber"] if order else payment_id.replace("-", ""),
            "operation": "deposited",
            "status": str(status),
        }
        signed = checksum(parameters, "not the key" if forged else self._secret)
        return _send("GET", self._callback_url, params={**parameters, "checksum": signed})[0]

    def call_back_at_once(self, payment_id: str, times: int) -> None:
        """Send one callback several times in parallel."""
        with ThreadPoolExecutor(times) as pool:
            list(pool.map(lambda _: self.call_back(payment_id), range(times)))

    def wait_for_scheduled_poll(self, payment_id: str) -> None:
        """Make the next poll of the schedule due, and wait until it has been made."""
        with psycopg.connect(self._payments_url, autocommit=True) as connection:
            connection.execute(
                "UPDATE payments.polls SET due_at = now() WHERE payment_id = %s", (payment_id,)
            )

            def is_over() -> bool:
                row = connection.execute(
                    "SELECT due_at > now() FROM payments.polls WHERE payment_id = %s", (payment_id,)
                ).fetchone()
                return row is None or row[0] is not False

            eventually(is_over, f"a scheduled poll about {payment_id}", SECONDS)

    def _order(self, payment_id: str) -> Mapping[str, Any] | None:
        """Return the newest order of a payment: the ones before were lost on their way."""
        return next(iter(self._orders_of(payment_id)), None)

    def _orders_of(self, payment_id: str) -> list[Mapping[str, Any]]:
        with psycopg.connect(self._payments_url, autocommit=True) as connection:
            rows = connection.execute(
                "SELECT order_number FROM payments.orders WHERE payment_id = %s ORDER BY lost",
                (payment_id,),
            ).fetchall()
        orders = {one["orderNumber"]: one for one in self._admin("GET", "orders")["orders"]}
        return [orders[number] for (number,) in rows if number in orders]

    def _admin(self, method: str, what: str, body: Any = None) -> Any:
        return _send(method, f"{self.url}/admin/{what}", json=body)[1]


def _send(method: str, url: str, **options: Any) -> tuple[int, Any]:
    with requests.Session() as session:
        session.trust_env = False
        response = session.request(method, url, timeout=SECONDS, **options)
    return response.status_code, response.json()
