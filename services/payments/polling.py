"""Polling the acquirer about an order, and recording the outcome.

A callback or the payer's return is only a reason to poll; what the acquirer then reports is what
counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from services.payments import application
from services.payments.acquirers import Acquirer, Done, Order, OrderReport, OrderState
from services.payments.snapshots import PaymentSnapshot
from services.payments.state import CAPTURED, State
from shared.contracts.payments import Failure
from shared.errors import Conflict
from shared.eventstore import Store
from shared.logs import get_logger

log = get_logger(__name__)


class PollOutcome(StrEnum):
    """The result of one poll."""

    DECIDED = "decided"
    """Captured or failed, and recorded."""
    PENDING = "pending"
    """The payer has not finished."""
    ABSENT = "absent"
    """The acquirer does not know the order, which may still be registered."""
    UNKNOWN = "unknown"
    """The acquirer did not answer, or not reliably."""
    MISMATCH = "mismatch"
    """Another sum was charged than ordered; it is polled on, returned or left to staff."""


class Acquirers(NamedTuple):
    """The acquirers by name, the first for new orders; and what becomes of a mismatch."""

    by_name: Mapping[str, Acquirer]
    returns_mismatch: bool = True

    @property
    def first(self) -> str:
        return next(iter(self.by_name))

    def of(self, name: str) -> Acquirer | None:
        """Return one; "" is the first. None for one that is not configured any more."""
        return self.by_name.get(name or self.first)


def order_of(payment: PaymentSnapshot) -> Order:
    """Return the order of a payment as the acquirer knows it."""
    return Order(order_number=payment.order_number, order_id=payment.acquirer_order_id)


def poll_acquirer(store: Store, acquirers: Acquirers, payment: PaymentSnapshot) -> PollOutcome:
    """Ask the acquirer about an order, and record what it decided. Charges what is held for it."""
    acquirer = acquirers.of(payment.acquirer)
    if acquirer is None:
        log.error("acquirer_not_configured", acquirer=payment.acquirer)
        return PollOutcome.UNKNOWN
    report = acquirer.find_order(order_of(payment))
    if report is not None and report.state is OrderState.HELD:
        report = _charge(store, acquirer, payment, report)
    if report is None:
        command = application.RecordAbsence(
            payment_id=payment.payment_id, order_number=payment.order_number
        )
        failed = store.transact(application.record_absence, command)
        return PollOutcome.DECIDED if failed else PollOutcome.ABSENT
    return record_report(store, acquirers, payment, report)


def record_report(
    store: Store, acquirers: Acquirers, payment: PaymentSnapshot, report: OrderReport
) -> PollOutcome:
    """Record what the acquirer says of an order; return what is known of it now."""
    match report.state:
        case OrderState.HELD:
            # It was to be charged, or released: that it is neither yet decides nothing.
            return PollOutcome.UNKNOWN
        case OrderState.PENDING:
            # An acquirer that has charged the card and says otherwise lags, or is mistaken.
            has_charged = payment.state in CAPTURED or payment.state is State.MISMATCH
            return PollOutcome.UNKNOWN if has_charged else PollOutcome.PENDING
        case OrderState.PAID | OrderState.RETURNED:
            return _record_charge(store, acquirers, payment, report)
        case OrderState.DECLINED | OrderState.EXPIRED:
            if payment.state in CAPTURED:
                return PollOutcome.UNKNOWN
            expired = report.state is OrderState.EXPIRED
            return _fail(store, payment, Failure.EXPIRED if expired else Failure.DECLINED)
        case OrderState.UNKNOWN:
            return PollOutcome.UNKNOWN


def _charge(
    store: Store, acquirer: Acquirer, payment: PaymentSnapshot, report: OrderReport
) -> OrderReport | None:
    """Charge what is held for an order as it was ordered, release any other; ask again."""
    order = order_of(payment)
    wanted = report.charged == payment.total and store.transact(
        application.decide_capture,
        application.DecideCapture(payment_id=payment.payment_id, order_number=payment.order_number),
    )
    outcome = acquirer.capture(order, payment.total) if wanted else acquirer.close(order)
    if not isinstance(outcome, Done):
        log.warning("held_order_not_settled", payment_id=str(payment.payment_id), wanted=wanted)
    return acquirer.find_order(order)


def _record_charge(
    store: Store, acquirers: Acquirers, payment: PaymentSnapshot, report: OrderReport
) -> PollOutcome:
    captured = payment.state in CAPTURED
    if not captured and report.returned >= report.charged:
        return _record_full_return(store, payment, report)
    if not captured and not _capture(store, payment, report):
        command = application.RecordMismatch(
            payment_id=payment.payment_id,
            charged=report.charged,
            returned=report.returned,
            returns=acquirers.returns_mismatch,
        )
        store.transact(application.record_mismatch, command)
        return PollOutcome.MISMATCH
    if report.returned and not _record_returns(store, payment, report):
        return PollOutcome.UNKNOWN
    return PollOutcome.DECIDED


def _record_full_return(store: Store, payment: PaymentSnapshot, report: OrderReport) -> PollOutcome:
    """Fail a payment whose charge went back before it was credited."""
    # By the payment as it is now: it may have been captured, or found to be a mismatch.
    if not _record_returns(store, payment, report):
        return PollOutcome.UNKNOWN
    return _fail(store, payment, Failure.GIVEN_BACK)


def _record_returns(store: Store, payment: PaymentSnapshot, report: OrderReport) -> bool:
    """Record what went back; return whether that may be recorded now."""
    command = application.RecordReturns(payment_id=payment.payment_id, returned=report.returned)
    return store.transact(application.record_returns, command)


def _capture(store: Store, payment: PaymentSnapshot, report: OrderReport) -> bool:
    """Credit the charge; return whether it is what was ordered."""
    command = application.CapturePayment(
        payment_id=payment.payment_id,
        # What left the card, whatever was ordered.
        amount=report.charged,
        captured_at=report.charged_at,
        masked_card=report.masked_card,
        order_number=payment.order_number,
    )
    try:
        store.transact(application.capture_payment, command)
    except Conflict as error:
        if error.code != "amount_mismatch":
            raise
        log.error("amount_mismatch", **error.params)  # noqa: TRY400 - decided, not crashed
        return False
    return True


def _fail(store: Store, payment: PaymentSnapshot, reason: Failure) -> PollOutcome:
    command = application.FailPayment(
        payment_id=payment.payment_id, reason=reason, order_number=payment.order_number
    )
    store.transact(application.fail_payment, command)
    return PollOutcome.DECIDED
