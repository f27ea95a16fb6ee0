"""The RBS REST protocol, by which Sber and many other Russian banks take cards.

Server to server only: the card is entered on the acquirer's page and never comes here.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Final, TypeVar

import msgspec
import requests

from services.payments.acquirers import (
    Acquirer,
    Callback,
    CallbackRequest,
    NewOrder,
    NumberTaken,
    Order,
    OrderReport,
    OrderState,
    Refused,
    Registered,
    Registration,
    UnknownOutcome,
)
from shared.acquirer_settings import AcquirerSettings
from shared.logs import get_logger

log = get_logger(__name__)

#: Seconds to connect, and to wait for the response.
TIMEOUTS: Final = (3.05, 10.0)

_DONE: Final = "0"
_NUMBER_TAKEN: Final = "1"
_ORDER_ABSENT: Final = "6"

#: `actionCode` of an order that was declined because the payer did not pay in time.
_TIMED_OUT: Final = -2007

_MASKED_CARD: Final = re.compile(r"\d{4,6}\*{2,12}\d{4}")

T = TypeVar("T")


class OrderStatus(IntEnum):
    """`orderStatus` of the protocol."""

    REGISTERED = 0
    HELD = 1
    PAID = 2
    REVERSED = 3
    REFUNDED = 4
    ACS_STARTED = 5
    DECLINED = 6


_STATES: Final = {
    OrderStatus.REGISTERED: OrderState.PENDING,
    OrderStatus.HELD: OrderState.PENDING,
    OrderStatus.ACS_STARTED: OrderState.PENDING,
    OrderStatus.PAID: OrderState.PAID,
    OrderStatus.REVERSED: OrderState.RETURNED,
    OrderStatus.REFUNDED: OrderState.RETURNED,
    OrderStatus.DECLINED: OrderState.DECLINED,
}


class _RegisterResponse(msgspec.Struct, rename="camel"):
    order_id: str = ""
    form_url: str = ""
    error_code: str | int = _DONE


class _AmountInfo(msgspec.Struct, rename="camel"):
    deposited_amount: int | None = None
    refunded_amount: int = 0


class _CardInfo(msgspec.Struct, rename="camel"):
    masked_pan: str = ""
    pan: str = ""


class _StatusResponse(msgspec.Struct, rename="camel"):
    error_code: str | int = _DONE
    order_number: str = ""
    order_status: int | None = None
    action_code: int = 0
    amount: int = 0
    auth_date_time: int | None = None
    deposited_date: int | None = None
    date: int | None = None
    payment_amount_info: _AmountInfo | None = None
    card_auth_info: _CardInfo | None = None


def connect(settings: AcquirerSettings) -> Acquirer:
    """Return the bank of these settings."""
    return RbsAcquirer(settings)


class RbsAcquirer:
    """A bank on the RBS platform, reached over HTTP."""

    def __init__(self, settings: AcquirerSettings) -> None:
        self._url = settings.url
        self._secret = settings.secret
        self._credentials = {"userName": settings.user, "password": settings.password}

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
            _RegisterResponse,
        )
        if isinstance(response, UnknownOutcome):
            return response
        code = str(response.error_code)
        if code == _NUMBER_TAKEN:
            return NumberTaken()
        if code != _DONE:
            return Refused(code)
        if not response.order_id or not response.form_url.startswith(("https://", "http://")):
            return UnknownOutcome("neither order nor error")
        return Registered(response.order_id, response.form_url)

    def find_order(self, order: Order) -> OrderReport | None:
        """Call `getOrderStatusExtended.do`: nothing else is believed about money."""
        key = {"orderId": order.order_id} if order.order_id else {"orderNumber": order.order_number}
        response = self._call("getOrderStatusExtended.do", key, _StatusResponse)
        if isinstance(response, UnknownOutcome):
            return _unknown(response.reason)
        code = str(response.error_code)
        if code == _ORDER_ABSENT:
            return None
        if code != _DONE:
            return _unknown(f"error {code}")
        if response.order_number != order.order_number:
            return _unknown("another order")
        return _report(response)

    def read_callback(self, request: CallbackRequest) -> Callback | None:
        """Read the parameters of a callback; None when the checksum is wrong."""
        if not is_genuine(request.parameters, self._secret):
            return None
        return Callback(request.parameters.get("orderNumber", ""))

    def _call(self, call: str, parameters: Mapping[str, str], shape: type[T]) -> T | UnknownOutcome:
        try:
            response = requests.post(
                f"{self._url}/rest/{call}",
                data={**self._credentials, **parameters},
                timeout=TIMEOUTS,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            outcome = UnknownOutcome(type(error).__name__)
        else:
            outcome = UnknownOutcome(f"HTTP {response.status_code}")
            if response.status_code == 200:
                try:
                    return msgspec.json.decode(response.content, type=shape, strict=False)
                except msgspec.MsgspecError as error:
                    outcome = UnknownOutcome(type(error).__name__)
        log.warning("acquirer_outcome_unknown", call=call, reason=outcome.reason)
        return outcome


def _unknown(reason: str) -> OrderReport:
    return OrderReport(state=OrderState.UNKNOWN, reason=reason)


def _report(response: _StatusResponse) -> OrderReport:
    try:
        status = OrderStatus(-1 if response.order_status is None else response.order_status)
    except ValueError:
        return _unknown("unknown status")
    state = _STATES[status]
    if state is OrderState.DECLINED and response.action_code == _TIMED_OUT:
        state = OrderState.EXPIRED
    amounts = response.payment_amount_info or _AmountInfo()
    card = response.card_auth_info or _CardInfo()
    return OrderReport(
        state=state,
        ordered=response.amount,
        # Banks that omit the deposited amount deposit all of it: the payment has one stage.
        charged=(response.amount if amounts.deposited_amount is None else amounts.deposited_amount),
        # A reversal undoes the whole charge, whatever the bank reports as refunded.
        returned=response.amount if status is OrderStatus.REVERSED else amounts.refunded_amount,
        charged_at=_charged_at(response),
        masked_card=only_masked(card.masked_pan or card.pan),
        reason=str(response.action_code) if response.action_code else "",
    )


def _charged_at(response: _StatusResponse) -> datetime | None:
    # The order's own date is the last resort: it is at most a session earlier than the charge.
    epoch_ms = response.auth_date_time or response.deposited_date or response.date
    return datetime.fromtimestamp(epoch_ms / 1000, UTC) if epoch_ms else None


def only_masked(card: str) -> str | None:
    """Return the card as the acquirer shows it (`411111**1111`); None unless it is masked."""
    return card if _MASKED_CARD.fullmatch(card) else None


def is_genuine(parameters: Mapping[str, Any], secret: str) -> bool:
    """Return whether the acquirer signed a callback.

    The checksum is the upper-case hex HMAC-SHA256 over all other parameters, sorted by key, each
    `key;value;`. Without a secret nothing is genuine: anyone can sign with an empty key.
    """
    if not secret:
        return False
    text = "".join(
        f"{key};{value};" for key, value in sorted(parameters.items()) if key != "checksum"
    )
    right = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest().upper()
    return hmac.compare_digest(right.encode(), str(parameters.get("checksum", "")).encode())
