"""The bank's own desk, for the local machine only: orders, refunds, faults, as JSON and as pages.

The JSON is for tests and reconciliation, the panel for people; both do the same.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from werkzeug.exceptions import Forbidden
from werkzeug.routing import Rule
from werkzeug.wrappers import Request, Response

from deploy.doubles.acquirer import panel
from deploy.doubles.acquirer.faults import FaultSwitch
from deploy.doubles.acquirer.order import OrderRefusedError
from deploy.doubles.acquirer.order_list import OrderList
from deploy.doubles.acquirer.orders import Orders
from deploy.doubles.acquirer.responses import json_response, page, redirect
from deploy.doubles.acquirer.settings import BankSettings
from deploy.doubles.fault_switch import InvalidFaultError

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})

Endpoint = Callable[..., Response]


class AdminPages:
    """The endpoints under /admin."""

    def __init__(
        self, orders: Orders, order_list: OrderList, faults: FaultSwitch, settings: BankSettings
    ) -> None:
        self._orders = orders
        self._list = order_list
        self._faults = faults
        self._hosts = _LOCAL_NAMES | {settings.host}
        self._root = root = f"{settings.prefix}/admin"
        self.rules = [
            self._rule(f"{root}", self.show_panel, "GET"),
            self._rule(f"{root}/order", self.show_order, "GET"),
            self._rule(f"{root}/panel/faults", self.faults_submitted, "POST"),
            self._rule(f"{root}/panel/order", self.action_submitted, "POST"),
            self._rule(f"{root}/orders", self.list_orders, "GET"),
            self._rule(f"{root}/orders/<order_id>/refund", self.refund, "POST"),
            self._rule(f"{root}/orders/<order_id>/reverse", self.reverse, "POST"),
            self._rule(f"{root}/orders/<order_id>/callback", self.call_back, "POST"),
            self._rule(f"{root}/faults", self.show_faults, "GET"),
            self._rule(f"{root}/faults", self.set_faults, "PUT", "POST"),
            self._rule(f"{root}/faults", self.clear_faults, "DELETE"),
        ]

    def _rule(self, path: str, endpoint: Endpoint, *methods: str) -> Rule:
        def guarded(request: Request, **arguments: Any) -> Response:
            self._only_local(request)
            return endpoint(request, **arguments)

        return Rule(path, endpoint=guarded, methods=methods, strict_slashes=False)

    def list_orders(self, _request: Request) -> Response:
        return json_response({"orders": self._list.brief()})

    def refund(self, request: Request, order_id: str) -> Response:
        """Return money without the merchant; `{"amount": kopecks}`, or {} for all that is left."""
        body = request.get_json(force=True) if request.get_data() else {}
        amount = body.get("amount") if isinstance(body, dict) else -1
        if amount is not None and (isinstance(amount, bool) or not isinstance(amount, int)):
            return json_response({"error": "amount is a whole number of kopecks."}, 422)
        return self._answer(lambda: self._orders.refund(order_id, amount))

    def reverse(self, _request: Request, order_id: str) -> Response:
        return self._answer(lambda: self._orders.reverse(order_id))

    def call_back(self, _request: Request, order_id: str) -> Response:
        return self._answer(lambda: self._orders.call_back_again(order_id))

    def show_faults(self, _request: Request) -> Response:
        return json_response(self._faults.change({}))

    def set_faults(self, request: Request) -> Response:
        try:
            return json_response(self._faults.change(request.get_json(force=True)))
        except InvalidFaultError as error:
            return json_response({"error": str(error)}, 422)

    def clear_faults(self, _request: Request) -> Response:
        return json_response(self._faults.clear())

    def show_panel(self, request: Request) -> Response:
        return self._panel(request, {}, "", 200)

    def faults_submitted(self, request: Request) -> Response:
        if "clear" in request.form:
            self._faults.clear()
            return redirect(f"{self._root}#faults")
        entered = request.form.to_dict()
        try:
            self._faults.change(panel.read_faults(entered))
        except InvalidFaultError:
            return self._panel(request, entered, panel.INVALID_FAULT, 422)
        return redirect(f"{self._root}#faults")

    def show_order(self, request: Request) -> Response:
        return self._order(request.args.get("mdOrder", ""), "", "", 200)

    def action_submitted(self, request: Request) -> Response:
        order_id = request.form.get("mdOrder", "")
        entered = request.form.get("roubles", "")
        try:
            self._act(order_id, request.form.get("action", ""), entered)
        except panel.InvalidAmountError as invalid:
            return self._order(order_id, entered, str(invalid), 422)
        except OrderRefusedError as refusal:
            if refusal.code == 6:
                raise
            return self._order(order_id, entered, refusal.text, 422)
        return redirect(f"{self._root}/order?mdOrder={order_id}")

    def _act(self, order_id: str, action: str, roubles: str) -> None:
        match action:
            case "refund":
                self._orders.refund(order_id)
            case "refund_part":
                self._orders.refund(order_id, panel.read_amount(roubles))
            case "reverse":
                self._orders.reverse(order_id)
            case "callback":
                self._orders.call_back_again(order_id)

    def _panel(
        self, request: Request, entered: dict[str, str], problem: str, status: int
    ) -> Response:
        before, state = (request.args.get(name, type=int) for name in ("before", "state"))
        number = request.args.get("number", "").strip()
        self._orders.expire()
        shown = panel.Listing(self._list.page(before, state, number), state, number)
        return page(
            panel.overview(
                shown,
                self._list.totals(),
                self._list.waiting_callbacks(),
                self._faults.now,
                self._root,
                entered,
                problem,
            ),
            status,
        )

    def _order(self, order_id: str, entered: str, problem: str, status: int) -> Response:
        order = self._orders.find(order_id=order_id or "-")
        callbacks = self._list.callbacks_of(order_id)
        return page(panel.one_order(order, callbacks, self._root, entered, problem), status)

    def _answer(self, act: Callable[[], Any]) -> Response:
        try:
            act()
        except OrderRefusedError as refusal:
            return json_response({"error": refusal.text}, 404 if refusal.code == 6 else 409)
        return json_response({"done": True})

    def _only_local(self, request: Request) -> None:
        """Refuse other machines, and pages of other sites in a browser of this one."""
        try:
            local = ipaddress.ip_address(request.remote_addr or "").is_loopback
        except ValueError:
            local = False
        if not local or urlsplit(f"//{request.host}").hostname not in self._hosts:
            raise Forbidden("This endpoint is open to the local machine only.")
        if request.method in _SAFE_METHODS:
            return
        origin = request.headers.get("Origin")
        own = origin is None or urlsplit(origin).netloc == request.host
        if not own or request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
            raise Forbidden("A page of another site may not do this.")
