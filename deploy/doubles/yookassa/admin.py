"""What this machine alone may do: see the payments, switch faults, refund as the bank would."""

from __future__ import annotations

import ipaddress
from typing import Any

from werkzeug.exceptions import Forbidden
from werkzeug.routing import Rule
from werkzeug.wrappers import Request, Response

from deploy.doubles.fault_switch import InvalidFaultError
from deploy.doubles.yookassa import pages
from deploy.doubles.yookassa.bodies import amount_of
from deploy.doubles.yookassa.faults import FaultSwitch
from deploy.doubles.yookassa.lists import Lists
from deploy.doubles.yookassa.objects import (
    SUCCEEDED,
    WAITING_FOR_CAPTURE,
    Payment,
    RefusedError,
    invalid,
)
from deploy.doubles.yookassa.payments import NewRefund, Payments
from deploy.doubles.yookassa.responses import html, json_object, redirect

_BY_THE_BANK = "Возврат банком"


class Admin:
    """The panel in HTML, and the same as JSON for tests."""

    def __init__(self, payments: Payments, lists: Lists, faults: FaultSwitch, prefix: str) -> None:
        self._payments = payments
        self._lists = lists
        self._faults = faults
        self._prefix = prefix

    def rules(self) -> list[Rule]:
        """Return the routes, all below /admin."""
        routes = [
            ("", "GET", self.panel),
            ("", "POST", self.panel_switched),
            ("/orders", "GET", self.orders),
            ("/refunds", "POST", self.refund_submitted),
            ("/orders/<payment_id>/refund", "POST", self.refund),
            ("/faults", "GET", self.show_faults),
            ("/faults", "PUT", self.set_faults),
            ("/faults", "POST", self.set_faults),
            ("/faults", "DELETE", self.clear_faults),
        ]
        return [
            Rule(f"{self._prefix}/admin{path}", endpoint=_local(handler), methods=[method])
            for path, method, handler in routes
        ]

    def panel(self, _request: Request) -> Response:
        return self._panel()

    def panel_switched(self, request: Request) -> Response:
        """Switch the faults of the form; a box that is not ticked is not sent."""
        wanted: dict[str, Any] = {}
        for name, value in self._faults.change({}).items():
            given = request.form.get(name, "")
            wanted[name] = given == "true" if isinstance(value, bool) else _number(value, given)
        try:
            self._faults.change(wanted)
        except InvalidFaultError as error:
            return self._panel(str(error), 422)
        return redirect(f"{self._prefix}/admin")

    def orders(self, _request: Request) -> Response:
        return json_object({"orders": [_order(one) for one in self._lists.all_payments()]})

    def refund(self, request: Request, payment_id: str) -> Response:
        """Return money as the bank does by itself: `{"amount": kopecks}`, or {} for all of it."""
        body = request.get_json(force=True) if request.get_data() else {}
        amount = body.get("amount") if isinstance(body, dict) else -1
        if amount is not None and (isinstance(amount, bool) or not isinstance(amount, int)):
            return json_object({"error": "amount is a whole number of kopecks."}, 422)
        try:
            payment = self._payments.find(payment_id)
            left = payment.amount - payment.refunded
            self._return(payment_id, left if amount is None else amount)
        except RefusedError as refusal:
            return json_object({"error": refusal.description}, refusal.status)
        return json_object(_order(self._payments.find(payment_id)))

    def refund_submitted(self, request: Request) -> Response:
        """Return money as the bank does by itself: the form of the panel, in roubles."""
        value = request.form.get("roubles", "").strip().replace(",", ".")
        try:
            amount = amount_of({"amount": {"value": value, "currency": "RUB"}})
            self._return(request.form.get("payment_id", ""), amount)
        except RefusedError as refusal:
            return self._panel(f"Не возвращено: {refusal.description}", 422)
        return redirect(f"{self._prefix}/admin")

    def show_faults(self, _request: Request) -> Response:
        return json_object(self._faults.change({}))

    def set_faults(self, request: Request) -> Response:
        try:
            return json_object(self._faults.change(request.get_json(force=True)))
        except InvalidFaultError as error:
            return json_object({"error": str(error)}, 422)

    def clear_faults(self, _request: Request) -> Response:
        return json_object(self._faults.clear())

    def _panel(self, problem: str = "", status: int = 200) -> Response:
        self._payments.tidy()
        newest, _ = self._lists.payments({"limit": "100"})
        faults = self._faults.change({})
        return html(pages.panel(newest, faults, self._prefix, problem), status)

    def _return(self, payment_id: str, amount: int) -> None:
        if amount <= 0:
            raise invalid("A sum above nothing", "amount")
        self._payments.refund(NewRefund(payment_id, amount, _BY_THE_BANK))


def _order(payment: Payment) -> dict[str, Any]:
    return {
        "orderId": payment.payment_id,
        "orderNumber": payment.order_number,
        "amount": payment.amount,
        "status": payment.status,
        "held": payment.amount if payment.status == WAITING_FOR_CAPTURE else 0,
        "charged": payment.amount if payment.status == SUCCEEDED else 0,
        "returned": payment.refunded,
        "chargedAt": payment.captured_at,
    }


def _number(example: float, text: str) -> float | None:
    try:
        return type(example)(text.strip().replace(",", ".") or 0)
    except ValueError:
        return None


def _local(handler: Any) -> Any:
    """Return a handler that refuses other machines, and pages of other sites in a browser here."""

    def guarded(request: Request, **arguments: Any) -> Response:
        try:
            local = ipaddress.ip_address(request.remote_addr or "").is_loopback
        except ValueError:
            local = False
        if not local or request.headers.get("Sec-Fetch-Site", "none") not in {
            "none",
            "same-origin",
        }:
            raise Forbidden("This endpoint is open to the local machine only.")
        response: Response = handler(request, **arguments)
        return response

    return guarded
