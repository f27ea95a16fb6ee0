"""The bank over HTTP: the merchant's calls, and the payer's pages; `admin.py` has the panel."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from werkzeug.exceptions import (
    HTTPException,
    InternalServerError,
    NotFound,
    ServiceUnavailable,
)
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from deploy.doubles.acquirer import pages
from deploy.doubles.acquirer.admin import AdminPages
from deploy.doubles.acquirer.cards import InvalidCardError, IssuerResponse, check_card
from deploy.doubles.acquirer.faults import Faults, FaultSwitch
from deploy.doubles.acquirer.order import CHARGED, CODE_REQUESTED, PAID, Order, OrderRefusedError
from deploy.doubles.acquirer.order_list import OrderList
from deploy.doubles.acquirer.orders import Orders
from deploy.doubles.acquirer.protocol import MerchantApi
from deploy.doubles.acquirer.responses import BankRequest, json_response, page, redirect
from deploy.doubles.acquirer.settings import BankSettings

_WRONG_CODE: Final = "Код неверный. Введите код, показанный на этой странице."

#: The fault that loses a call before it takes effect, and the one that loses its answer after.
_LOST_CALLS: Final = {
    "register.do": "lose_register_call",
    "decline.do": "lose_close_call",
    "reverse.do": "lose_refund_call",
    "refund.do": "lose_refund_call",
}
_LOST_ANSWERS: Final = {
    "register.do": "lose_register_answer",
    "getOrderStatusExtended.do": "lose_status_answer",
    "decline.do": "lose_close_answer",
    "reverse.do": "lose_refund_answer",
    "refund.do": "lose_refund_answer",
    "getLastOrdersForMerchants.do": "lose_report_answer",
}

Environ = dict[str, Any]


class BankApp:
    """The WSGI application, under the path of the base URL."""

    def __init__(
        self,
        orders: Orders,
        order_list: OrderList,
        faults: FaultSwitch,
        settings: BankSettings,
        log: Any,
    ) -> None:
        self._orders = orders
        self._api = MerchantApi(orders, order_list, settings)
        self._faults = faults
        self._prefix = prefix = settings.prefix
        self._log = log
        self._open = [
            # Banks differ in the path before /rest: both forms work.
            Rule(f"{prefix}/rest/<path:call>", endpoint=self.merchant_call),
            Rule(f"{prefix}/payment/rest/<path:call>", endpoint=self.merchant_call),
            Rule(f"{prefix}/payment/page", endpoint=self.card_form, methods=["GET"]),
            Rule(f"{prefix}/payment/page", endpoint=self.card_entered, methods=["POST"]),
            Rule(f"{prefix}/payment/code", endpoint=self.code_form, methods=["GET"]),
            Rule(f"{prefix}/payment/code", endpoint=self.code_entered, methods=["POST"]),
            Rule(f"{prefix}/payment/qr", endpoint=self.bank_app, methods=["GET"]),
            Rule(f"{prefix}/payment/qr", endpoint=self.account_chosen, methods=["POST"]),
        ]
        admin = AdminPages(orders, order_list, faults, settings)
        health = Rule(f"{prefix}/healthz", endpoint=self.health, methods=["GET"])
        self._routes = Map([*self._open, *admin.rules, health])

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = BankRequest(environ)
        try:
            rule, arguments = self._routes.bind_to_environ(environ).match(return_rule=True)
            if rule in self._open and self._faults.now.hang:
                self._hold("hang")
            response: Any = rule.endpoint(request, **arguments)
        except OrderRefusedError as refusal:
            response = page(pages.message(refusal.text), 404)
        except HTTPException as error:
            response = error
        except Exception:  # noqa: BLE001 - the last resort: log it, respond 500
            self._log.exception("request_failed", path=request.path)
            response = InternalServerError()
        body: Iterable[bytes] = response(environ, start_response)
        return body

    def merchant_call(self, request: Request, call: str) -> Response:
        if call not in self._api.calls:
            raise NotFound
        faults = self._faults.drawn(call)
        if faults.hang:
            self._hold("hang")
        if _is_on(faults, _LOST_CALLS.get(call)):
            raise InternalServerError("The call was lost: this fault is switched on.")
        if call == "getOrderStatusExtended.do":
            time.sleep(faults.status_delay_seconds)
        parameters = {**request.args.to_dict(), **request.form.to_dict()}
        answer = self._api.answer(call, parameters, faults)
        self._log.info("merchant_call", call=call, error_code=answer.get("errorCode", "0"))
        if call == "register.do" and faults.register_hangs:
            self._hold("register_hangs")
        if _is_on(faults, _LOST_ANSWERS.get(call)):
            raise InternalServerError("The response was lost: this fault is switched on.")
        return json_response(answer)

    def card_form(self, request: Request) -> Response:
        order = self._order_of(request)
        return _next_page(order, self._prefix) or page(pages.card_form(order, self._prefix))

    def card_entered(self, request: Request) -> Response:
        order = self._order_of(request)
        fields = {name: request.form.get(name, "") for name in ("card_number", "expiry", "cvc")}
        try:
            card = check_card(**fields, today=date.today())  # noqa: DTZ011 - cards know no zone
        except InvalidCardError as invalid:
            again = pages.card_form(order, self._prefix, invalid.problems)
            return _next_page(order, self._prefix) or page(again, 422)
        return self._submit(
            order, lambda difference: self._orders.pay(order.order_id, card, difference)
        )

    def bank_app(self, request: Request) -> Response:
        order = self._order_of(request)
        return _next_page(order, self._prefix) or page(pages.bank_app(order, self._prefix))

    def account_chosen(self, request: Request) -> Response:
        order = self._order_of(request)
        try:
            response = IssuerResponse(request.form.get("account", ""))
        except ValueError:
            again = pages.bank_app(order, self._prefix)
            return _next_page(order, self._prefix) or page(again, 422)
        return self._submit(
            order, lambda difference: self._orders.pay_by_qr(order.order_id, response, difference)
        )

    def code_form(self, request: Request) -> Response:
        order = self._order_of(request)
        if order.status != CODE_REQUESTED:
            return _next_page(order, self._prefix) or _to_page(order, self._prefix)
        return page(pages.code_form(order, self._prefix))

    def code_entered(self, request: Request) -> Response:
        order = self._order_of(request)
        # Any code of the usual length is right, except the one reserved as wrong.
        code = request.form.get("code", "").strip()
        accepted = re.fullmatch(r"[0-9]{4,8}", code) is not None and code != pages.WRONG_CODE
        response = self._submit(
            order,
            lambda difference: self._orders.confirm_code(
                order.order_id, accepted=accepted, difference=difference
            ),
        )
        if self._orders.find(order_id=order.order_id).status == CODE_REQUESTED:
            return page(pages.code_form(order, self._prefix, {"code": _WRONG_CODE}), 422)
        return response

    def health(self, _request: Request) -> Response:
        return json_response({"status": "ok"})

    def _order_of(self, request: Request) -> Order:
        return self._orders.find(order_id=request.args.get("mdOrder", "") or "-")

    def _submit(self, order: Order, pay: Callable[[int], Order]) -> Response:
        """Take the payer's answer, with the faults that a page has; lead him on."""
        faults = self._faults.drawn("payment")
        if faults.error_before_charge:
            raise InternalServerError("Nothing was charged: this fault is switched on.")
        was_open = order.is_open
        order = pay(faults.charges_other_amount)
        if was_open and order.status == PAID and faults.error_after_charge:
            raise InternalServerError("The card was charged: this fault is switched on.")
        return _next_page(order, self._prefix) or _to_page(order, self._prefix)

    def _hold(self, fault: str) -> None:
        if not self._faults.hold(fault):
            raise ServiceUnavailable("The bank stops.")


def _is_on(faults: Faults, name: str | None) -> bool:
    return name is not None and bool(getattr(faults, name))


def _next_page(order: Order, prefix: str) -> Response | None:
    """Return the redirect to the payer's next page; None while the card form is the right one."""
    if order.status == CODE_REQUESTED:
        return redirect(f"{prefix}/payment/code?mdOrder={order.order_id}")
    if order.is_open:
        return None
    paid = order.status in CHARGED
    return redirect(_with_order(order.return_url if paid else order.fail_url, order.order_id))


def _to_page(order: Order, prefix: str) -> Response:
    return redirect(f"{prefix}/payment/page?mdOrder={order.order_id}")


def _with_order(url: str, order_id: str) -> str:
    parts = urlsplit(url)
    query = [*parse_qsl(parts.query, keep_blank_values=True), ("orderId", order_id), ("lang", "ru")]
    return urlunsplit(parts._replace(query=urlencode(query)))
