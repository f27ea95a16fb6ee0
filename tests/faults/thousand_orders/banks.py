"""The banks as their own books show them, and their faults."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import requests

from deploy.demo.acquirer_page import PageError

T = TypeVar("T")

_TIMEOUTS = (3.05, 20)
_OPEN = frozenset({0, 1, 5, "pending", "waiting_for_capture"})
_CHARGED = frozenset({2, 3, 4})
_REVERSED = 3
_AGAIN_S = 0.2


class Money(NamedTuple):
    """What a bank has taken for an order, and what of it went back; kopecks."""

    charged: int = 0
    returned: int = 0

    @property
    def kept(self) -> int:
        return self.charged - self.returned


class BankOrder(NamedTuple):
    """An order in the books of a bank; `held` is not charged yet."""

    money: Money
    held: int
    is_open: bool
    order_id: str = ""
    """The bank's own."""


class Bank:
    """One of the simulated banks. It may be killed at any moment: questions wait for it."""

    def __init__(self, process: str, url: str, patience: float = 60.0) -> None:
        self.process = process
        self.url = url.rstrip("/")
        self._patience = patience

    def orders(self) -> dict[str, BankOrder]:
        """Return the orders by our numbers."""
        listed = self._ask(lambda: requests.get(f"{self.url}/admin/orders", timeout=_TIMEOUTS))
        return {one["orderNumber"]: _order(one) for one in listed["orders"]}

    def faults(self) -> dict[str, Any]:
        """Return all faults that there are, as they are now."""
        return self._ask(lambda: requests.get(f"{self.url}/admin/faults", timeout=_TIMEOUTS))

    def set_faults(self, **faults: Any) -> None:
        self._ask(lambda: requests.put(f"{self.url}/admin/faults", json=faults, timeout=_TIMEOUTS))

    def clear_faults(self) -> None:
        self._ask(lambda: requests.delete(f"{self.url}/admin/faults", timeout=_TIMEOUTS))

    def give_back(self, order: BankOrder, amount: int | None) -> bool:
        """Return money at the bank's own desk; False where it cannot be done any more."""
        url = f"{self.url}/admin/orders/{order.order_id}/refund"
        body = {} if amount is None else {"amount": amount}
        try:
            answer = requests.post(url, json=body, timeout=_TIMEOUTS)
        except requests.RequestException:
            return False
        return answer.ok

    def _ask(self, ask: Callable[[], requests.Response]) -> dict[str, Any]:
        ends = time.monotonic() + self._patience
        while True:
            try:
                answer = ask()
                if answer.ok:
                    return dict(answer.json())
                reason = f"status {answer.status_code}"
            except (requests.RequestException, ValueError) as error:
                reason = type(error).__name__
            if time.monotonic() > ends:
                raise PageError(f"{self.process} does not answer: {reason}")
            time.sleep(_AGAIN_S)


def _order(row: dict[str, Any]) -> BankOrder:
    status = row["status"]
    charged = row.get("charged", row["amount"] if status in _CHARGED else 0)
    returned = row.get("returned", row["amount"] if status == _REVERSED else row.get("refunded", 0))
    return BankOrder(
        Money(charged, returned), row.get("held") or 0, status in _OPEN, row["orderId"]
    )
