"""YooKassa's API v3: payments are objects, and a card is charged in two steps.

Server to server only: the payer chooses how to pay, and enters the card, on YooKassa's page.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID, uuid4

from services.payments.acquirers import (
    Acquirer,
    Callback,
    CallbackRequest,
    Done,
    FasterPayment,
    NewOrder,
    Order,
    OrderReport,
    Outcome,
    Refused,
    Registered,
    Registration,
    UnknownOutcome,
)
from services.payments.acquirers.exchange import Deadline
from services.payments.acquirers.yookassa.api import Api
from services.payments.acquirers.yookassa.notifications import networks_of, read_notification
from services.payments.acquirers.yookassa.objects import (
    CANCELED,
    ORDER_NUMBER,
    PENDING,
    SUCCEEDED,
    Amount,
    Payment,
    PaymentPage,
    Refund,
    RefundPage,
    amount_of,
    kopecks_of,
    reason_of,
    report_of,
    unknown,
)
from shared.acquirer_settings import AcquirerSettings
from shared.errors import Unavailable
from shared.money import Kopecks

#: How far back an order is looked for by our number: longer than one whose registration was not
#: answered is polled.
_LOOK_BACK: Final = timedelta(days=8)
#: Seconds for a search through several pages.
_SEARCH_SECONDS: Final = 15.0
_LONGEST_DESCRIPTION: Final = 128

_ABSENT: Final = "not_found"


def connect(settings: AcquirerSettings) -> Acquirer:
    """Return the shop of these settings."""
    return YookassaAcquirer(settings)


class YookassaAcquirer:
    """A shop at YooKassa: `user` is its shopId, `password` its secret key."""

    two_steps = True

    def __init__(self, settings: AcquirerSettings) -> None:
        self._api = Api(settings)
        self._networks = networks_of(settings.networks)

    def register(self, order: NewOrder) -> Registration:
        """Create a payment in two steps; a repetition returns the same payment and its page.

        YooKassa closes an unpaid one after an hour, whatever our session is.
        """
        payment = self._api.call(
            "POST",
            "payments",
            Payment,
            key=f"order-{order.order_number}",
            json={
                "amount": amount_of(order.amount),
                "capture": False,
                "confirmation": {"type": "redirect", "return_url": order.return_url},
                "description": order.description[:_LONGEST_DESCRIPTION],
                "metadata": {ORDER_NUMBER: order.order_number},
            },
        )
        if not isinstance(payment, Payment):
            return payment
        page = payment.confirmation.confirmation_url if payment.confirmation else ""
        if payment.order_number != order.order_number:
            return UnknownOutcome("another order")
        if payment.status != PENDING or not page.startswith(("https://", "http://")):
            # A payment that was created before and is no longer open: `find_order` says what it is.
            return UnknownOutcome(f"no page, {payment.status[:32]}")
        return Registered(payment.id, page)

    def find_order(self, order: Order) -> OrderReport | None:
        """Return the payment by its id; by our number where the creation was not answered."""
        payment = self._payment(order)
        if payment is None:
            return None
        if not isinstance(payment, Payment):
            return unknown(payment.reason)
        if payment.order_number != order.order_number or order.order_id not in {None, payment.id}:
            return unknown("another order")
        return report_of(payment)

    def capture(self, order: Order, amount: Kopecks) -> Outcome:
        """Charge what is held, all of it or a part; the rest of it is released."""
        return self._conclude(order, "capture", {"amount": amount_of(amount)}, SUCCEEDED)

    def close(self, order: Order) -> Outcome:
        """Release what is held; one that waits for the payer cannot be closed, and is refused."""
        return self._conclude(order, "cancel", {}, CANCELED)

    def give_back(
        self, order: Order, amount: Kopecks, charged: Kopecks, refund_id: UUID
    ) -> Outcome:
        """Make a refund, once for a `refund_id`.

        YooKassa forgets the key of a call after a day; the refund also bears its id, and is looked
        for before another is made.
        """
        payment_id = self._id_of(order)
        if not isinstance(payment_id, str):
            return payment_id
        refund = self._refund(payment_id, refund_id)
        if isinstance(refund, Refused):
            return UnknownOutcome(refund.reason)
        if refund is None:
            refund = self._api.call(
                "POST",
                "refunds",
                Refund,
                key=f"refund-{refund_id}",
                json={
                    "payment_id": payment_id,
                    "amount": amount_of(amount),
                    "description": _mark_of(refund_id),
                },
            )
        if not isinstance(refund, Refund):
            return refund
        return _refunded(refund, payment_id, amount)

    def report(self, since: datetime, until: datetime) -> Iterator[OrderReport]:
        """Return the payments that were captured in a time, also those of other programs."""
        window = {"captured_at.gte": _instant(since), "captured_at.lt": _instant(until)}
        for page in self._api.pages("payments", PaymentPage, window):
            if not isinstance(page, PaymentPage):
                raise Unavailable("acquirer_unavailable", "The acquirer's report is not complete.")
            yield from map(report_of, page.items)

    def faster_payment(self, order: Order) -> FasterPayment | None:
        """Return None: «СБП» cannot be paid in two steps, and every payment here has two."""
        return None

    def read_callback(self, request: CallbackRequest) -> Callback | None:
        """Read a notification; None unless it comes from YooKassa's network."""
        return read_notification(request, self._networks)

    def _conclude(self, order: Order, step: str, body: Any, wanted: str) -> Outcome:
        payment_id = self._id_of(order)
        if not isinstance(payment_id, str):
            return payment_id
        path = f"payments/{quote(payment_id, safe='')}"
        # A fresh key: the state of the payment says whether the step is done, and a key would
        # bring back the refusal of an earlier try.
        payment = self._api.call("POST", f"{path}/{step}", Payment, key=str(uuid4()), json=body)
        if isinstance(payment, Refused):
            refusal = payment
            payment = self._api.call("GET", path, Payment)
            if not (isinstance(payment, Payment) and payment.status == wanted):
                return refusal
        if isinstance(payment, UnknownOutcome):
            return payment
        return Done() if payment.status == wanted else UnknownOutcome(payment.status[:32])

    def number_of(self, order_id: str) -> str:
        """Ask for the payment: a notification of its refund has its id alone."""
        payment = self._payment(Order(order_number="", order_id=order_id))
        if payment is None:
            return ""
        if not isinstance(payment, Payment):
            raise Unavailable("acquirer_unavailable", "The acquirer did not say whose order it is.")
        return payment.order_number

    def _payment(self, order: Order) -> Payment | Refused | UnknownOutcome | None:
        if order.order_id:
            path = f"payments/{quote(order.order_id, safe='')}"
            payment = self._api.call("GET", path, Payment)
            return None if payment == Refused(_ABSENT) else payment
        window = {"created_at.gte": _instant(datetime.now(UTC) - _LOOK_BACK)}
        for page in self._api.pages("payments", PaymentPage, window, Deadline(_SEARCH_SECONDS)):
            if not isinstance(page, PaymentPage):
                return page
            for payment in page.items:
                if payment.order_number == order.order_number:
                    return payment
        return None

    def _id_of(self, order: Order) -> str | Refused | UnknownOutcome:
        if order.order_id:
            return order.order_id
        payment = self._payment(order)
        if payment is None:
            return Refused(_ABSENT)
        return payment.id if isinstance(payment, Payment) else payment

    def _refund(self, payment_id: str, refund_id: UUID) -> Refund | Refused | UnknownOutcome | None:
        for page in self._api.pages("refunds", RefundPage, {"payment_id": payment_id}):
            if not isinstance(page, RefundPage):
                return page
            for refund in page.items:
                if refund.description == _mark_of(refund_id):
                    return refund
        return None


def _refunded(refund: Refund, payment_id: str, amount: Kopecks) -> Outcome:
    if refund.payment_id != payment_id or not _is_sum(refund.amount, amount):
        return UnknownOutcome("another refund")
    if refund.status == CANCELED:
        return Refused(reason_of(refund.cancellation_details) or CANCELED)
    return Done() if refund.status == SUCCEEDED else UnknownOutcome(refund.status[:32])


def _is_sum(amount: Amount, kopecks: Kopecks) -> bool:
    try:
        return kopecks_of(amount) == kopecks
    except ValueError:
        return False


def _mark_of(refund_id: UUID) -> str:
    """Return the description by which a refund is found again."""
    return f"Возврат {refund_id}"


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
