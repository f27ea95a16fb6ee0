"""The server-to-server half of the protocol: parameters in, one JSON object out.

As at the real banks every response is HTTP 200, and `errorCode` holds the result: 0 done, 1 order
number taken, 3 currency, 4 missing parameter, 5 access or amount, 6 unknown order, 7 not possible.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from deploy.doubles.acquirer.faults import FaultSwitch
from deploy.doubles.acquirer.orders import (
    BY_TIMEOUT,
    DECLINED,
    PAID,
    REFUNDED,
    REGISTERED,
    REVERSED,
    NewOrder,
    Order,
    OrderRefusedError,
    Orders,
)
from deploy.doubles.acquirer.settings import BankSettings

_LARGEST_AMOUNT: Final = 10**14
_DEFAULT_SESSION_SECONDS: Final = 1200
_LONGEST_SESSION_SECONDS: Final = 24 * 3600
_STATES: Final = {PAID: "DEPOSITED", REVERSED: "REVERSED", REFUNDED: "REFUNDED"}

Parameters = Mapping[str, str]


class MerchantApi:
    """The four calls of a merchant."""

    def __init__(self, orders: Orders, settings: BankSettings, faults: FaultSwitch) -> None:
        self._orders = orders
        self._settings = settings
        self._faults = faults
        self._calls: dict[str, Callable[[Parameters], dict[str, Any]]] = {
            "register.do": self._register,
            "getOrderStatusExtended.do": self._status,
            "reverse.do": self._reverse,
            "refund.do": self._refund,
        }

    @property
    def calls(self) -> frozenset[str]:
        return frozenset(self._calls)

    def answer(self, call: str, parameters: Parameters) -> dict[str, Any]:
        """Return the response to a call; a refusal is a response, too."""
        try:
            self._check_credentials(parameters)
            return self._calls[call](parameters)
        except OrderRefusedError as refusal:
            return {"errorCode": str(refusal.code), "errorMessage": refusal.text}

    def _check_credentials(self, parameters: Parameters) -> None:
        given = f"{parameters.get('userName', '')}\n{parameters.get('password', '')}"
        right = f"{self._settings.user}\n{self._settings.password}"
        if not hmac.compare_digest(given.encode(), right.encode()):
            raise OrderRefusedError(5, "Доступ запрещён")

    def _register(self, parameters: Parameters) -> dict[str, Any]:
        order_number = _required(parameters, "orderNumber")
        if len(order_number) > 36:
            raise OrderRefusedError(4, "Номер заказа длиннее 36 знаков")
        if parameters.get("currency", "643") != "643":
            raise OrderRefusedError(3, "Неизвестная валюта")
        return_url = _web_address(parameters, "returnUrl")
        session = parameters.get("sessionTimeoutSecs") or str(_DEFAULT_SESSION_SECONDS)
        order = self._orders.register(
            NewOrder(
                order_number=order_number,
                amount=_amount(parameters),
                return_url=return_url,
                fail_url=_web_address(parameters, "failUrl", return_url),
                description=parameters.get("description", "")[:512],
                session_seconds=_whole(session, 1, _LONGEST_SESSION_SECONDS),
            )
        )
        form_url = f"{self._settings.url}/payment/page?mdOrder={order.order_id}"
        return {"orderId": order.order_id, "formUrl": form_url}

    def _status(self, parameters: Parameters) -> dict[str, Any]:
        order_id = parameters.get("orderId", "")
        order_number = parameters.get("orderNumber", "")
        if not order_id and not order_number:
            raise OrderRefusedError(4, "Укажите orderId или orderNumber")
        order = self._orders.find(order_id=order_id, order_number=order_number)
        faults = self._faults.now
        if faults.status_denies:
            raise OrderRefusedError(6, "Заказ не найден")
        if faults.status_lags:
            order = replace(
                order, status=REGISTERED, action_code=0, charged_at=None, masked_pan=None
            )
        if faults.status_misreports:
            order = replace(order, amount=order.amount + 100)
        return describe(order)

    def _reverse(self, parameters: Parameters) -> dict[str, Any]:
        self._orders.reverse(_required(parameters, "orderId"))
        return {"errorCode": "0", "errorMessage": "Успешно"}

    def _refund(self, parameters: Parameters) -> dict[str, Any]:
        self._orders.refund(_required(parameters, "orderId"), _amount(parameters))
        return {"errorCode": "0", "errorMessage": "Успешно"}


def describe(order: Order) -> dict[str, Any]:
    """Return the response of `getOrderStatusExtended.do`; instants are epoch milliseconds."""
    deposited = order.amount if order.status in _STATES else 0
    answer: dict[str, Any] = {
        "errorCode": "0",
        "errorMessage": "Успешно",
        "orderNumber": order.order_number,
        "orderStatus": order.status,
        "actionCode": order.action_code,
        "actionCodeDescription": _why(order),
        "amount": order.amount,
        "currency": "643",
        "date": order.registered_at,
        "attributes": [{"name": "mdOrder", "value": order.order_id}],
        "paymentAmountInfo": {
            "paymentState": _STATES.get(order.status, "CREATED"),
            "approvedAmount": deposited,
            "depositedAmount": deposited,
            "refundedAmount": order.refunded,
        },
    }
    if order.status == DECLINED:
        answer["paymentAmountInfo"]["paymentState"] = "DECLINED"
    if order.masked_pan:
        answer["cardAuthInfo"] = {"maskedPan": order.masked_pan, "pan": order.masked_pan}
    if order.charged_at is not None:
        answer["authDateTime"] = answer["depositedDate"] = order.charged_at
    return answer


def _why(order: Order) -> str:
    if order.status != DECLINED:
        return ""
    if order.action_code == BY_TIMEOUT:
        return "Истекло время, отведённое на оплату"
    return "Операция отклонена"


def _required(parameters: Parameters, name: str) -> str:
    value = parameters.get(name, "")
    if not value:
        raise OrderRefusedError(4, f"Не указан параметр {name}")
    return value


def _web_address(parameters: Parameters, name: str, default: str = "") -> str:
    value = parameters.get(name, "") or default
    if not value:
        raise OrderRefusedError(4, f"Не указан параметр {name}")
    if urlsplit(value).scheme not in {"http", "https"} or len(value) > 512:
        raise OrderRefusedError(4, f"Неверный адрес в параметре {name}")
    return value


def _amount(parameters: Parameters) -> int:
    return _whole(_required(parameters, "amount"), 1, _LARGEST_AMOUNT)


def _whole(text: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise OrderRefusedError(5, "Неверное числовое значение параметра")
    value = int(text)
    if not least <= value <= most:
        raise OrderRefusedError(5, "Неверное числовое значение параметра")
    return value
