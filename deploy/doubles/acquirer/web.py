"""The bank over HTTP: the merchant's calls, the payer's pages, and the fault switches."""

from __future__ import annotations

import ipaddress
import json
import re
import time
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from werkzeug.exceptions import Forbidden, HTTPException, InternalServerError, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from deploy.doubles.acquirer import pages
from deploy.doubles.acquirer.cards import InvalidCardError, check_card
from deploy.doubles.acquirer.faults import FaultSwitch, InvalidFaultError
from deploy.doubles.acquirer.orders import (
    CODE_REQUESTED,
    PAID,
    REFUNDED,
    REVERSED,
    Order,
    OrderRefusedError,
    Orders,
)
from deploy.doubles.acquirer.protocol import MerchantApi

_LARGEST_BODY: Final = 64 * 1024
_WRONG_CODE: Final = "Код неверный. Введите код, показанный на этой странице."

Environ = dict[str, Any]


class BankRequest(Request):
    max_content_length = _LARGEST_BODY
    max_form_memory_size = _LARGEST_BODY


class BankApp:
    """The WSGI application. `prefix` is the path of the base URL."""

    def __init__(
        self, orders: Orders, api: MerchantApi, faults: FaultSwitch, prefix: str, log: Any
    ) -> None:
        self._orders = orders
        self._api = api
        self._faults = faults
        self._prefix = prefix
        self._log = log
        self._routes = Map(
            [
                # Banks differ in the path before /rest: both forms work.
                Rule(f"{prefix}/rest/<call>", endpoint=self.merchant_call),
                Rule(f"{prefix}/payment/rest/<call>", endpoint=self.merchant_call),
                Rule(f"{prefix}/payment/page", endpoint=self.card_form, methods=["GET"]),
                Rule(f"{prefix}/payment/page", endpoint=self.card_entered, methods=["POST"]),
                Rule(f"{prefix}/payment/code", endpoint=self.code_form, methods=["GET"]),
                Rule(f"{prefix}/payment/code", endpoint=self.code_entered, methods=["POST"]),
                Rule(f"{prefix}/admin/orders", endpoint=self.list_orders, methods=["GET"]),
                Rule(f"{prefix}/admin/faults", endpoint=self.show_faults, methods=["GET"]),
                Rule(f"{prefix}/admin/faults", endpoint=self.set_faults, methods=["PUT", "POST"]),
                Rule(f"{prefix}/admin/faults", endpoint=self.clear_faults, methods=["DELETE"]),
                Rule(f"{prefix}/healthz", endpoint=self.health, methods=["GET"]),
            ]
        )

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = BankRequest(environ)
        try:
            endpoint, arguments = self._routes.bind_to_environ(environ).match()
            response: Any = endpoint(request, **arguments)
        except OrderRefusedError as refusal:
            response = _html(pages.message(refusal.text), 404)
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
        faults = self._faults.now
        if call == "register.do" and faults.lose_register_call:
            raise InternalServerError("The call was lost: this fault is switched on.")
        if call == "getOrderStatusExtended.do":
            time.sleep(faults.status_delay_seconds)
        answer = self._api.answer(call, {**request.args.to_dict(), **request.form.to_dict()})
        self._log.info("merchant_call", call=call, error_code=answer.get("errorCode", "0"))
        lost = {
            "register.do": faults.lose_register_answer,
            "getOrderStatusExtended.do": faults.lose_status_answer,
        }
        if lost.get(call, False):
            raise InternalServerError("The response was lost: this fault is switched on.")
        return _json(answer)

    def card_form(self, request: Request) -> Response:
        order = self._order_of(request)
        return _next_page(order, self._prefix) or _html(pages.card_form(order, self._prefix))

    def card_entered(self, request: Request) -> Response:
        order = self._order_of(request)
        fields = {name: request.form.get(name, "") for name in ("card_number", "expiry", "cvc")}
        try:
            card = check_card(**fields, today=date.today())  # noqa: DTZ011 - cards know no zone
        except InvalidCardError as invalid:
            again = pages.card_form(order, self._prefix, invalid.problems)
            return _next_page(order, self._prefix) or _html(again, 422)
        if self._faults.now.error_before_charge:
            raise InternalServerError("Nothing was charged: this fault is switched on.")
        was_open = order.is_open
        order = self._orders.pay(order.order_id, card)
        return self._after_submit(order, was_open)

    def code_form(self, request: Request) -> Response:
        order = self._order_of(request)
        if order.status != CODE_REQUESTED:
            return _next_page(order, self._prefix) or _to_page(order, self._prefix)
        return _html(pages.code_form(order, self._prefix))

    def code_entered(self, request: Request) -> Response:
        order = self._order_of(request)
        was_open = order.is_open
        # Any code of the usual length is right, except the one reserved as wrong.
        code = request.form.get("code", "").strip()
        accepted = re.fullmatch(r"[0-9]{4,8}", code) is not None and code != pages.WRONG_CODE
        order = self._orders.confirm_code(order.order_id, accepted=accepted)
        if order.status == CODE_REQUESTED:
            return _html(pages.code_form(order, self._prefix, {"code": _WRONG_CODE}), 422)
        return self._after_submit(order, was_open)

    def list_orders(self, request: Request) -> Response:
        _only_loopback(request)
        orders = [
            {
                "orderId": order.order_id,
                "orderNumber": order.order_number,
                "amount": order.amount,
                "status": order.status,
                "refunded": order.refunded,
                "chargedAt": order.charged_at,
            }
            for order in self._orders.all_orders()
        ]
        return _json({"orders": orders})

    def show_faults(self, request: Request) -> Response:
        _only_loopback(request)
        return _json(self._faults.change({}))

    def set_faults(self, request: Request) -> Response:
        _only_loopback(request)
        try:
            return _json(self._faults.change(request.get_json(force=True)))
        except InvalidFaultError as error:
            return _json({"error": str(error)}, 422)

    def clear_faults(self, request: Request) -> Response:
        _only_loopback(request)
        return _json(self._faults.clear())

    def health(self, _request: Request) -> Response:
        return _json({"status": "ok"})

    def _order_of(self, request: Request) -> Order:
        return self._orders.find(order_id=request.args.get("mdOrder", "") or "-")

    def _after_submit(self, order: Order, was_open: bool) -> Response:
        if was_open and order.status == PAID and self._faults.now.error_after_charge:
            raise InternalServerError("The card was charged: this fault is switched on.")
        return _next_page(order, self._prefix) or _to_page(order, self._prefix)


def _next_page(order: Order, prefix: str) -> Response | None:
    """Return the redirect to the payer's next page; None while the card form is the right one."""
    if order.status == CODE_REQUESTED:
        return _redirect(f"{prefix}/payment/code?mdOrder={order.order_id}")
    if order.is_open:
        return None
    paid = order.status in {PAID, REVERSED, REFUNDED}
    return _redirect(_with_order(order.return_url if paid else order.fail_url, order.order_id))


def _to_page(order: Order, prefix: str) -> Response:
    return _redirect(f"{prefix}/payment/page?mdOrder={order.order_id}")


def _with_order(url: str, order_id: str) -> str:
    parts = urlsplit(url)
    query = [*parse_qsl(parts.query, keep_blank_values=True), ("orderId", order_id), ("lang", "ru")]
    return urlunsplit(parts._replace(query=urlencode(query)))


def _redirect(location: str) -> Response:
    return Response(status=303, headers={"Location": location, "Cache-Control": "no-store"})


def _html(body: str, status: int = 200) -> Response:
    return Response(
        body,
        status=status,
        content_type="text/html; charset=utf-8",
        headers={
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline';"
            " base-uri 'none'; frame-ancestors 'none'",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        },
    )


def _json(answer: dict[str, Any], status: int = 200) -> Response:
    body = json.dumps(answer, ensure_ascii=False)
    return Response(body, status=status, content_type="application/json; charset=utf-8")


def _only_loopback(request: Request) -> None:
    try:
        local = ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        local = False
    if not local:
        raise Forbidden("This endpoint is open to the local machine only.")
