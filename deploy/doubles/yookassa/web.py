"""YooKassa over HTTP: the shop's calls, the payer's pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, Final

from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from deploy.doubles.acquirer.cards import InvalidCardError, check_card
from deploy.doubles.yookassa import pages
from deploy.doubles.yookassa.admin import Admin
from deploy.doubles.yookassa.api import Api, ApiRequest
from deploy.doubles.yookassa.faults import Faults, FaultSwitch
from deploy.doubles.yookassa.lists import Lists
from deploy.doubles.yookassa.objects import (
    PENDING,
    SUCCEEDED,
    WAITING_FOR_CAPTURE,
    Payment,
    RefusedError,
)
from deploy.doubles.yookassa.payments import Payments
from deploy.doubles.yookassa.responses import html, json_object, redirect

_LARGEST_BODY: Final = 64 * 1024
_WRONG_CODE: Final = "Код неверный. Введите код, показанный на этой странице."
_UNKNOWN_PAYMENT: Final = "Такого платежа нет"

Environ = dict[str, Any]


class LimitedRequest(Request):
    max_content_length = _LARGEST_BODY
    max_form_memory_size = _LARGEST_BODY


class App:
    """The WSGI application. `prefix` is the path of the base URL."""

    def __init__(
        self,
        payments: Payments,
        lists: Lists,
        api: Api,
        faults: FaultSwitch,
        prefix: str,
        log: Any,
    ) -> None:
        self._payments = payments
        self._api = api
        self._faults = faults
        self._prefix = prefix
        self._log = log
        confirm = f"{prefix}/payment-confirm"
        self._routes = Map(
            [
                Rule(f"{prefix}/v3/<path:path>", endpoint=self.call),
                Rule(f"{confirm}/card", endpoint=self.card_form, methods=["GET"]),
                Rule(f"{confirm}/card", endpoint=self.card_entered, methods=["POST"]),
                Rule(f"{confirm}/code", endpoint=self.code_form, methods=["GET"]),
                Rule(f"{confirm}/code", endpoint=self.code_entered, methods=["POST"]),
                Rule(f"{prefix}/healthz", endpoint=self.health, methods=["GET"]),
                *Admin(payments, lists, faults, prefix).rules(),
            ]
        )

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = LimitedRequest(environ)
        try:
            endpoint, arguments = self._routes.bind_to_environ(environ).match()
            response: Any = endpoint(request, **arguments)
        except RefusedError:
            response = html(pages.message(_UNKNOWN_PAYMENT), 404)
        except HTTPException as error:
            response = error
        except Exception:  # noqa: BLE001 - the last resort: log it, respond 500
            self._log.exception("request_failed", path=request.path)
            response = InternalServerError()
        body: Iterable[bytes] = response(environ, start_response)
        return body

    def call(self, request: Request, path: str) -> Response:
        credentials = request.authorization
        basic = credentials if credentials and credentials.type == "basic" else None
        name, status, described = self._api.answer(
            ApiRequest(
                method=request.method,
                path=path,
                user=(basic and basic.username) or "",
                password=(basic and basic.password) or "",
                key=request.headers.get("Idempotence-Key", ""),
                query=request.args.to_dict(),
                body=request.get_data(),
            )
        )
        self._log.info("shop_call", call=name, status=status)
        return json_object(described, status)

    def card_form(self, request: Request) -> Response:
        payment = self._payment_of(request)
        return self._next_page(payment) or html(pages.card_form(payment, self._prefix))

    def card_entered(self, request: Request) -> Response:
        payment = self._payment_of(request)
        fields = {name: request.form.get(name, "") for name in ("card_number", "expiry", "cvc")}
        try:
            card = check_card(**fields, today=date.today())  # noqa: DTZ011 - cards know no zone
        except InvalidCardError as invalid:
            again = pages.card_form(payment, self._prefix, invalid.problems)
            return self._next_page(payment) or html(again, 422)
        faults = self._faults.drawn("payment")
        if faults.error_before_charge:
            raise InternalServerError("Nothing was taken: this fault is switched on.")
        was_open = payment.status == PENDING
        payment = self._payments.pay(payment.payment_id, card, faults.charges_other_amount)
        return self._after_submit(payment, was_open, faults)

    def code_form(self, request: Request) -> Response:
        payment = self._payment_of(request)
        if payment.awaits_code:
            return html(pages.code_form(payment, self._prefix))
        return self._next_page(payment) or self._to_page(payment)

    def code_entered(self, request: Request) -> Response:
        payment = self._payment_of(request)
        was_open = payment.status == PENDING
        # Any code of the usual length is right, except the one reserved as wrong.
        code = request.form.get("code", "").strip()
        accepted = re.fullmatch(r"[0-9]{4,8}", code) is not None and code != pages.WRONG_CODE
        faults = self._faults.drawn("payment")
        payment = self._payments.confirm_code(
            payment.payment_id, accepted=accepted, other=faults.charges_other_amount
        )
        if payment.awaits_code:
            return html(pages.code_form(payment, self._prefix, {"code": _WRONG_CODE}), 422)
        return self._after_submit(payment, was_open, faults)

    def health(self, _request: Request) -> Response:
        return json_object({"status": "ok"})

    def _payment_of(self, request: Request) -> Payment:
        return self._payments.find(request.args.get("orderId", "") or "-")

    def _after_submit(self, payment: Payment, was_open: bool, faults: Faults) -> Response:
        taken = was_open and payment.status in {WAITING_FOR_CAPTURE, SUCCEEDED}
        if taken and faults.error_after_charge:
            raise InternalServerError("The sum was taken: this fault is switched on.")
        return self._next_page(payment) or self._to_page(payment)

    def _next_page(self, payment: Payment) -> Response | None:
        """Return the redirect to the payer's next page; None while the card form is right."""
        if payment.awaits_code:
            return redirect(f"{self._prefix}/payment-confirm/code?orderId={payment.payment_id}")
        return None if payment.status == PENDING else redirect(payment.return_url)

    def _to_page(self, payment: Payment) -> Response:
        return redirect(f"{self._prefix}/payment-confirm/card?orderId={payment.payment_id}")
