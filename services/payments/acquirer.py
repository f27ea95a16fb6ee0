"""The acquirer: the RBS REST protocol, by which Sber and many other banks take cards.

Server to server only: the card is entered on the acquirer's page and never comes here. Every
outcome is a value: what is not known for sure is an `UnknownOutcome`, never a guess, because a
timeout says nothing about what the acquirer did.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Final, Protocol, TypeVar

import msgspec
import requests

from shared.config import Settings
from shared.logs import get_logger
from shared.money import Kopecks

log = get_logger(__name__)

#: Seconds to connect, and to wait for the answer.
TIMEOUTS: Final = (3.05, 10.0)

_NUMBER_TAKEN: Final = "1"
_ORDER_ABSENT: Final = "6"
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


#: `actionCode` of an order that was declined because the payer did not come in time.
TIMED_OUT: Final = -2007


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order to register; the person returns to `return_url`, paid or not."""

    order_number: str
    amount: Kopecks
    description: str
    return_url: str
    session_seconds: int


class Registered(msgspec.Struct, frozen=True):
    """The acquirer took the order; the card is entered at `form_url`."""

    order_id: str
    form_url: str


class NumberTaken(msgspec.Struct, frozen=True):
    """The acquirer has an order of this number: an earlier call got through."""


class Refused(msgspec.Struct, frozen=True):
    """The acquirer did not take the order, for sure."""

    code: str


class OrderAbsent(msgspec.Struct, frozen=True):
    """The acquirer has no such order."""


class UnknownOutcome(msgspec.Struct, frozen=True):
    """No answer that can be relied on; `reason` is for the log."""

    reason: str


class OrderReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the acquirer says of an order. `deposited` and `refunded` are kopecks."""

    order_number: str
    status: OrderStatus
    action_code: int
    amount: Kopecks
    deposited: Kopecks
    refunded: Kopecks
    charged_at: datetime | None
    masked_card: str | None


Registration = Registered | NumberTaken | Refused | UnknownOutcome
Report = OrderReport | OrderAbsent | UnknownOutcome


class Acquirer(Protocol):
    """What payments need of an acquirer."""

    def register(self, order: NewOrder) -> Registration:
        """Register an order; never charges anything."""
        ...

    def report(self, order_number: str, order_id: str | None) -> Report:
        """Tell how an order stands; by our number when the acquirer's id is not known."""
        ...


class _RegisterAnswer(msgspec.Struct, rename="camel"):
    order_id: str = ""
    form_url: str = ""
    error_code: str | int = "0"


class _AmountInfo(msgspec.Struct, rename="camel"):
    deposited_amount: int | None = None
    refunded_amount: int = 0


class _CardInfo(msgspec.Struct, rename="camel"):
    masked_pan: str = ""
    pan: str = ""


class _StatusAnswer(msgspec.Struct, rename="camel"):
    error_code: str | int = "0"
    order_number: str = ""
    order_status: int | None = None
    action_code: int = 0
    amount: int = 0
    auth_date_time: int | None = None
    deposited_date: int | None = None
    date: int | None = None
    payment_amount_info: _AmountInfo | None = None
    card_auth_info: _CardInfo | None = None


class RbsAcquirer:
    """A bank on the RBS platform, reached over HTTP. Safe in threads and in greenlets."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.acquirer_url.rstrip("/")
        self._credentials = {
            "userName": settings.acquirer_user,
            "password": settings.acquirer_password,
        }

    def register(self, order: NewOrder) -> Registration:
        """`register.do`, one stage. A repeated number is refused by the acquirer, not by us."""
        answer = self._call(
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
            _RegisterAnswer,
        )
        if isinstance(answer, UnknownOutcome):
            return answer
        code = str(answer.error_code)
        if code == _NUMBER_TAKEN:
            return NumberTaken()
        if code != "0":
            return Refused(code)
        if not answer.order_id or not answer.form_url.startswith(("https://", "http://")):
            return UnknownOutcome("neither order nor error")
        return Registered(answer.order_id, answer.form_url)

    def report(self, order_number: str, order_id: str | None) -> Report:
        """`getOrderStatusExtended.do`: the only word about money that is believed."""
        key = {"orderId": order_id} if order_id else {"orderNumber": order_number}
        answer = self._call("getOrderStatusExtended.do", key, _StatusAnswer)
        if isinstance(answer, UnknownOutcome):
            return answer
        code = str(answer.error_code)
        if code == _ORDER_ABSENT:
            return OrderAbsent()
        if code != "0":
            return UnknownOutcome(f"error {code}")
        if answer.order_number != order_number:
            return UnknownOutcome("another order")
        return _as_report(answer)

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


def _as_report(answer: _StatusAnswer) -> Report:
    try:
        status = OrderStatus(-1 if answer.order_status is None else answer.order_status)
    except ValueError:
        return UnknownOutcome("unknown status")
    amounts = answer.payment_amount_info or _AmountInfo()
    # Banks that tell no deposited amount deposit all of it: one-stage payments.
    deposited = answer.amount if amounts.deposited_amount is None else amounts.deposited_amount
    # The charge itself first; the order's own date, at most a session earlier, as the last resort.
    charged = answer.auth_date_time or answer.deposited_date or answer.date
    card = answer.card_auth_info or _CardInfo()
    return OrderReport(
        order_number=answer.order_number,
        status=status,
        action_code=answer.action_code,
        amount=answer.amount,
        deposited=deposited,
        refunded=amounts.refunded_amount,
        charged_at=datetime.fromtimestamp(charged / 1000, UTC) if charged else None,
        masked_card=only_masked(card.masked_pan or card.pan),
    )


def only_masked(card: str) -> str | None:
    """The card as the acquirer shows it (`411111**1111`); None for whatever is not masked."""
    return card if _MASKED_CARD.fullmatch(card) else None


def is_genuine(parameters: Mapping[str, Any], secret: str) -> bool:
    """Whether a callback was signed by the acquirer.

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
