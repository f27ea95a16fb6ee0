"""The calls of the protocol: each response becomes a value of the port."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, TypeVar
from uuid import UUID

import msgspec

from services.payments.acquirers import (
    Callback,
    CallbackRequest,
    Done,
    FasterPayment,
    NewOrder,
    NumberTaken,
    Order,
    OrderReport,
    OrderState,
    Outcome,
    Refused,
    Registered,
    Registration,
    UnknownOutcome,
)
from services.payments.acquirers.exchange import exchange
from services.payments.acquirers.rbs.periods import PAGE_SIZE, orders_of_period
from services.payments.acquirers.rbs.responses import (
    DONE,
    ActionResponse,
    OrdersResponse,
    QrResponse,
    RegisterResponse,
    StatusResponse,
)
from services.payments.acquirers.rbs.signature import CallbackKeys, load_public_key
from services.payments.acquirers.rbs.translation import (
    charge_time,
    is_order_id,
    order_id_of,
    order_report,
    unknown,
)
from shared.acquirer_settings import AcquirerSettings
from shared.errors import Unavailable
from shared.logs import get_logger
from shared.money import Kopecks

log = get_logger(__name__)

_NUMBER_TAKEN: Final = "1"
_ORDER_ABSENT: Final = "6"
_NOT_IN_THIS_STATE: Final = "7"
_CODE: Final = re.compile(r"-?[0-9]{1,9}")

#: The states of an order whose card was charged, in the report's words.
_CHARGED: Final = "DEPOSITED,REVERSED,REFUNDED"

_LONGEST_URL: Final = 2048

T = TypeVar("T")


class RbsAcquirer:
    """A bank on the RBS platform, reached over HTTP."""

    two_steps = False

    def __init__(self, settings: AcquirerSettings) -> None:
        self._url = settings.url
        self._credentials = {"userName": settings.user, "password": settings.password}
        # The merchant's login is that of its API user without the ending.
        self._merchant = settings.user.removesuffix("-api")
        self._keys = CallbackKeys(
            settings.secret,
            load_public_key(settings.public_key_file) if settings.public_key_file else None,
        )

    def register(self, order: NewOrder) -> Registration:
        """Call `register.do`: one-stage payment. The bank itself refuses a repeated number."""
        response = self._call(
            "register.do",
            {
                "orderNumber": order.order_number,
                "amount": str(order.amount),
                "currency": "643",
                "description": order.description,
                "language": "ru",
                "returnUrl": order.return_url,
                "failUrl": order.return_url,
                "sessionTimeoutSecs": str(order.session_seconds),
            },
            RegisterResponse,
        )
        if isinstance(response, UnknownOutcome):
            return response
        code = _code(response.error_code)
        if code == _NUMBER_TAKEN:
            return NumberTaken()
        if code not in {DONE, None}:
            return Refused(str(code))
        if code is None or not is_order_id(response.order_id) or not _is_url(response.form_url):
            return UnknownOutcome("neither order nor error")
        return Registered(response.order_id, response.form_url)

    def find_order(self, order: Order) -> OrderReport | None:
        """Call `getOrderStatusExtended.do`: nothing else is believed about money."""
        key = {"orderId": order.order_id} if order.order_id else {"orderNumber": order.order_number}
        response = self._call("getOrderStatusExtended.do", key, StatusResponse)
        if isinstance(response, UnknownOutcome):
            return unknown(response.reason)
        code = _code(response.error_code)
        if code == _ORDER_ABSENT:
            return None
        if code != DONE:
            return unknown(f"error {code}")
        told = order_id_of(response)
        if response.order_number != order.order_number or (
            order.order_id and told and told != order.order_id
        ):
            return unknown("another order")
        return order_report(response)

    def capture(self, order: Order, amount: Kopecks) -> Outcome:
        """Refuse: what is confirmed is charged at once, and nothing is ever HELD."""
        return Refused("one_stage")

    def close(self, order: Order) -> Outcome:
        """Call `decline.do`; an order that the bank has closed already is closed, too."""
        outcome = self._act("decline.do", order, {"merchantLogin": self._merchant})
        if not isinstance(outcome, Refused):
            return outcome
        found = self.find_order(order)
        closed = found is not None and found.state in {OrderState.DECLINED, OrderState.EXPIRED}
        return Done() if closed else outcome

    def give_back(
        self, order: Order, amount: Kopecks, charged: Kopecks, refund_id: UUID
    ) -> Outcome:
        """Call `reverse.do` for the whole charge, else `refund.do`.

        A reversal costs nothing, but ends with the settlement; the bank then refuses it, and the
        whole is refunded. A refund that the bank knows by its id is not made twice.
        """
        if amount == charged:
            outcome = self._act("reverse.do", order, {})
            if outcome != Refused(_NOT_IN_THIS_STATE):
                return outcome
        refund = {"amount": str(amount), "externalRefundId": refund_id.hex}
        return self._act("refund.do", order, refund)

    def report(self, since: datetime, until: datetime) -> Iterator[OrderReport]:
        """Call `getLastOrdersForMerchants.do`, by the time of the charge."""
        for response in orders_of_period(self._report_page, since, until):
            code = _code(response.error_code)
            if code != DONE:
                reason = f"error {code}"
                yield unknown(reason, response.order_number, order_id_of(response))
                continue
            report = order_report(response)
            if report.state is OrderState.UNKNOWN:
                yield report
            elif report.charged:
                charged_at = charge_time(response)
                # Without the time of the charge the bank's choice of the period has to do.
                if charged_at is None or since <= charged_at < until:
                    yield report

    def faster_payment(self, order: Order) -> FasterPayment | None:
        """Call `sbp/c2b/qr/dynamic/get.do`; a repeated call returns the same code."""
        order_id = self._order_id(order)
        if not isinstance(order_id, str):
            return None
        response = self._call(
            "sbp/c2b/qr/dynamic/get.do", {"mdOrder": order_id, "qrFormat": "matrix"}, QrResponse
        )
        if isinstance(response, UnknownOutcome) or _code(response.error_code) != DONE:
            return None
        return FasterPayment(response.payload) if _is_url(response.payload) else None

    def read_callback(self, request: CallbackRequest) -> Callback | None:
        """Read the parameters of a callback; None when the checksum is wrong."""
        if not self._keys.verify(request.parameters):
            return None
        number = request.parameters.get("orderNumber", "")
        order_id = "" if number else request.parameters.get("mdOrder", "")
        return Callback(number, order_id) if number or order_id else None

    def number_of(self, order_id: str) -> str:
        """Ask for the order: a callback may name it by the bank's id alone."""
        response = self._call("getOrderStatusExtended.do", {"orderId": order_id}, StatusResponse)
        code = None if isinstance(response, UnknownOutcome) else _code(response.error_code)
        if isinstance(response, UnknownOutcome) or code not in {DONE, _ORDER_ABSENT}:
            raise Unavailable("acquirer_unavailable", "The acquirer did not say whose order it is.")
        return (response.order_number or "") if code == DONE else ""

    def _report_page(self, since: str, until: str, page: int) -> OrdersResponse:
        response = self._call(
            "getLastOrdersForMerchants.do",
            {
                "from": since,
                "to": until,
                "transactionStates": _CHARGED,
                "merchants": "",
                "page": str(page),
                "size": str(PAGE_SIZE),
                "searchByCreatedDate": "false",
            },
            OrdersResponse,
        )
        if isinstance(response, UnknownOutcome):
            reason = response.reason
        elif (code := _code(response.error_code)) == DONE:
            return response
        else:
            reason = f"error {code}"
        raise Unavailable(
            "acquirer_unavailable", f"The acquirer does not give its report ({reason})."
        )

    def _act(self, call: str, order: Order, parameters: Mapping[str, str]) -> Outcome:
        """Call what changes an order: done, refused with the bank's code, or unknown."""
        order_id = self._order_id(order)
        if not isinstance(order_id, str):
            return order_id
        response = self._call(call, {"orderId": order_id, **parameters}, ActionResponse)
        if isinstance(response, UnknownOutcome):
            return response
        code = _code(response.error_code)
        if code is None:
            return UnknownOutcome("neither done nor error")
        return Done() if code == DONE else Refused(code)

    def _order_id(self, order: Order) -> str | Refused | UnknownOutcome:
        """Return the bank's id, asked for by our number where we do not know it."""
        if order.order_id:
            return order.order_id
        found = self.find_order(order)
        if found is None:
            return Refused(_ORDER_ABSENT)
        if not found.order_id:
            return UnknownOutcome("no id of the order")
        return found.order_id

    def _call(self, call: str, parameters: Mapping[str, str], shape: type[T]) -> T | UnknownOutcome:
        answer = exchange(
            "POST", f"{self._url}/rest/{call}", data={**self._credentials, **parameters}
        )
        outcome: T | UnknownOutcome
        if isinstance(answer, UnknownOutcome):
            outcome = answer
        elif answer.status != 200:
            outcome = UnknownOutcome(f"HTTP {answer.status}")
        else:
            outcome = _decode(answer.body, shape)
        if isinstance(outcome, UnknownOutcome):
            log.warning("acquirer_outcome_unknown", call=call, reason=outcome.reason)
        return outcome


def _decode(body: bytes, shape: type[T]) -> T | UnknownOutcome:
    try:
        return msgspec.json.decode(body, type=shape, strict=False)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return UnknownOutcome(type(error).__name__)


def _code(code: str | int) -> str | None:
    """Return the bank's own code; None for anything that is no code."""
    return str(code) if _CODE.fullmatch(str(code)) else None


def _is_url(text: str) -> bool:
    return text.startswith(("https://", "http://")) and len(text) <= _LONGEST_URL
