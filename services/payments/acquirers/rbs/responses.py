"""The JSON of the bank's responses, as far as we read it."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec

DONE: Final = "0"


class OrderStatus(IntEnum):
    """`orderStatus` of the protocol."""

    REGISTERED = 0
    HELD = 1
    PAID = 2
    REVERSED = 3
    REFUNDED = 4
    ACS_STARTED = 5
    DECLINED = 6


class ActionResponse(msgspec.Struct, rename="camel"):
    """Of a call that changes an order: without a code nothing is known."""

    error_code: str | int = ""


class RegisterResponse(msgspec.Struct, rename="camel"):
    order_id: str = ""
    form_url: str = ""
    error_code: str | int = DONE


class QrResponse(msgspec.Struct, rename="camel"):
    payload: str = ""
    error_code: str | int = DONE


class AmountInfo(msgspec.Struct, rename="camel"):
    approved_amount: int | None = None
    deposited_amount: int | None = None
    refunded_amount: int = 0


class CardInfo(msgspec.Struct, rename="camel"):
    masked_pan: str = ""
    pan: str = ""


class Attribute(msgspec.Struct):
    name: str = ""
    value: str = ""


class StatusResponse(msgspec.Struct, rename="camel"):
    """One order, also as an item of the report."""

    error_code: str | int = DONE
    order_number: str = ""
    order_status: int | None = None
    action_code: int = 0
    amount: int = 0
    currency: str | int = ""
    auth_date_time: int | None = None
    deposited_date: int | None = None
    date: int | None = None
    attributes: tuple[Attribute, ...] = ()
    payment_amount_info: AmountInfo | None = None
    card_auth_info: CardInfo | None = None


class OrdersResponse(msgspec.Struct, rename="camel"):
    """A page of the report."""

    error_code: str | int = DONE
    order_statuses: tuple[StatusResponse, ...] = ()
    total_count: int | None = None
