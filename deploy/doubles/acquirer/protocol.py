"""The server-to-server half of the protocol: parameters in, one JSON object out.

As at the real banks every response is HTTP 200, and `errorCode` holds the result: 0 done, 1 order
number taken, 3 currency, 4 missing parameter, 5 access or amount, 6 unknown order, 7 not possible.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from deploy.doubles.acquirer.faults import Faults
from deploy.doubles.acquirer.order import (
    BY_TIMEOUT,
    CHARGED,
    CODE_REQUESTED,
    DECLINED,
    PAID,
    REFUNDED,
    REGISTERED,
    REVERSED,
    NewOrder,
    Order,
    OrderRefusedError,
)
from deploy.doubles.acquirer.order_list import OrderList
from deploy.doubles.acquirer.orders import Orders
from deploy.doubles.acquirer.settings import BankSettings
from deploy.doubles.fault_switch import ROUBLE

_LARGEST_AMOUNT: Final = 10**14
_DEFAULT_SESSION_SECONDS: Final = 1200
_LONGEST_SESSION_SECONDS: Final = 24 * 3600
_LARGEST_PAGE: Final = 200
_ZONE: Final = ZoneInfo("Europe/Moscow")

#: `paymentState`, and the statuses that each comprises in the report of a period.
_STATES: Final = {PAID: "DEPOSITED", REVERSED: "REVERSED", REFUNDED: "REFUNDED"}
_STATUSES: Final = {
    "CREATED": {REGISTERED, CODE_REQUESTED},
    "APPROVED": set[int](),
    "DEPOSITED": {PAID},
    "DECLINED": {DECLINED},
    "REVERSED": {REVERSED},
    "REFUNDED": {REFUNDED},
}
_DONE: Final = {"errorCode": "0", "errorMessage": "Успешно"}

Parameters = Mapping[str, str]


class MerchantApi:
    """The calls of a merchant."""

    def __init__(self, orders: Orders, order_list: OrderList, settings: BankSettings) -> None:
        self._orders = orders
        self._list = order_list
        self._settings = settings
        self._calls: dict[str, Callable[[Parameters, Faults], dict[str, Any]]] = {
            "register.do": self._register,
            "getOrderStatusExtended.do": self._status,
            "decline.do": self._decline,
            "reverse.do": self._reverse,
            "refund.do": self._refund,
            "getLastOrdersForMerchants.do": self._report,
            "sbp/c2b/qr/dynamic/get.do": self._qr,
        }

    @property
    def calls(self) -> frozenset[str]:
        return frozenset(self._calls)

    def answer(self, call: str, parameters: Parameters, faults: Faults) -> dict[str, Any]:
        """Return the response to a call; a refusal is a response, too."""
        try:
            self._check_credentials(parameters)
            return self._calls[call](parameters, faults)
        except OrderRefusedError as refusal:
            return {"errorCode": str(refusal.code), "errorMessage": refusal.text}

    def _check_credentials(self, parameters: Parameters) -> None:
        given = f"{parameters.get('userName', '')}\n{parameters.get('password', '')}"
        right = f"{self._settings.user}\n{self._settings.password}"
        if not hmac.compare_digest(given.encode(), right.encode()):
            raise OrderRefusedError(5, "Доступ запрещён")

    def _register(self, parameters: Parameters, _faults: Faults) -> dict[str, Any]:
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

    def _status(self, parameters: Parameters, faults: Faults) -> dict[str, Any]:
        order_id = parameters.get("orderId", "")
        order_number = parameters.get("orderNumber", "")
        if not order_id and not order_number:
            raise OrderRefusedError(4, "Укажите orderId или orderNumber")
        order = self._orders.find(order_id=order_id, order_number=order_number)
        if faults.status_denies:
            raise OrderRefusedError(6, "Заказ не найден")
        if faults.status_lags:
            order = replace(
                order,
                status=REGISTERED,
                action_code=0,
                charged=0,
                returned=0,
                charged_at=None,
                masked_pan=None,
            )
        if faults.status_misreports:
            charged = order.charged + ROUBLE if order.charged else 0
            order = replace(order, amount=order.amount + ROUBLE, charged=charged)
        return describe(order)

    def _decline(self, parameters: Parameters, _faults: Faults) -> dict[str, Any]:
        _required(parameters, "merchantLogin")
        self._orders.close(_required(parameters, "orderId"))
        return _DONE

    def _reverse(self, parameters: Parameters, faults: Faults) -> dict[str, Any]:
        order_id = _required(parameters, "orderId")
        _refuse_returns(faults)
        self._orders.reverse(order_id)
        return _DONE

    def _refund(self, parameters: Parameters, faults: Faults) -> dict[str, Any]:
        order_id, amount = _required(parameters, "orderId"), _amount(parameters)
        _refuse_returns(faults)
        self._orders.refund(order_id, amount, parameters.get("externalRefundId", "")[:32])
        return _DONE

    def _report(self, parameters: Parameters, _faults: Faults) -> dict[str, Any]:
        states = [state.strip() for state in _required(parameters, "transactionStates").split(",")]
        if not set(states) <= _STATUSES.keys():
            raise OrderRefusedError(5, "Неверное состояние в параметре transactionStates")
        size = _whole(parameters.get("size") or "100", 1, _LARGEST_PAGE)
        page = _whole(parameters.get("page") or "0", 0, 10**6)
        self._orders.expire()
        orders, total = self._list.of_period(
            _instant(parameters, "from"),
            _instant(parameters, "to"),
            {status for state in states for status in _STATUSES[state]},
            created=parameters.get("searchByCreatedDate", "false") == "true",
            size=size,
            page=page,
        )
        return {
            "errorCode": "0",
            "orderStatuses": [describe(order) for order in orders],
            "totalCount": total,
            "page": page,
            "pageSize": size,
        }

    def _qr(self, parameters: Parameters, _faults: Faults) -> dict[str, Any]:
        order = self._orders.find(order_id=_required(parameters, "mdOrder"))
        if not order.is_open:
            raise OrderRefusedError(5, "Заказ уже оплачен или закрыт")
        return {
            "errorCode": "0",
            "qrId": f"AD{order.order_id.replace('-', '').upper()}",
            "payload": f"{self._settings.url}/payment/qr?mdOrder={order.order_id}",
            "qrStatus": "STARTED",
        }


def describe(order: Order) -> dict[str, Any]:
    """Return the response of `getOrderStatusExtended.do`; instants are epoch milliseconds."""
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
            "approvedAmount": order.charged,
            "depositedAmount": order.charged,
            "refundedAmount": 0 if order.status == REVERSED else order.returned,
        },
    }
    if order.status in CHARGED:
        answer["paymentWay"] = order.paid_by
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


def _refuse_returns(faults: Faults) -> None:
    if faults.refuse_refunds:
        raise OrderRefusedError(7, "Возврат временно невозможен")


def _instant(parameters: Parameters, name: str) -> int:
    """Read a time to the second, of the bank's zone."""
    text = _required(parameters, name)
    try:
        instant = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=_ZONE)
    except ValueError:
        raise OrderRefusedError(5, f"Неверное время в параметре {name}") from None
    return round(instant.timestamp() * 1000)


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
