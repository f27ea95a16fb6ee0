"""Polling the acquirer about an order, and recording the outcome.

A callback or the payer's return is only a reason to poll; what the acquirer then reports is what
counts.
"""

from __future__ import annotations

from enum import StrEnum

from services.payments import application
from services.payments.acquirers import Acquirer, OrderReport, OrderState
from services.payments.application import PaymentSnapshot
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
    """The money differs from what was ordered: staff must decide."""


def poll_acquirer(store: Store, acquirer: Acquirer, payment: PaymentSnapshot) -> PollOutcome:
    """Ask the acquirer about an order, and record what it decided. Charges nothing."""
    report = acquirer.find_order(payment.order_number, payment.acquirer_order_id)
    if report is None:
        command = application.RecordAbsence(payment_id=payment.payment_id)
        failed = store.transact(application.record_absence, command)
        return PollOutcome.DECIDED if failed else PollOutcome.ABSENT
    match report.state:
        case OrderState.PENDING:
            return PollOutcome.PENDING
        case OrderState.PAID:
            return _capture(store, payment, report)
        case OrderState.DECLINED | OrderState.EXPIRED:
            expired = report.state is OrderState.EXPIRED
            return _fail(store, payment, Failure.EXPIRED if expired else Failure.DECLINED)
        case OrderState.RETURNED:
            return _record_return(store, payment, report)
        case OrderState.UNKNOWN:
            return PollOutcome.UNKNOWN


def _capture(store: Store, payment: PaymentSnapshot, report: OrderReport) -> PollOutcome:
    command = application.CapturePayment(
        payment_id=payment.payment_id,
        # What left the card, whatever was ordered.
        amount=report.charged,
        captured_at=report.charged_at,
        masked_card=report.masked_card,
    )
    try:
        store.transact(application.capture_payment, command)
    except Conflict as error:
        if error.code != "amount_mismatch":
            raise
        log.error("amount_mismatch", **error.params)  # noqa: TRY400 - decided, not crashed
        return PollOutcome.MISMATCH
    return PollOutcome.DECIDED


def _fail(store: Store, payment: PaymentSnapshot, reason: Failure) -> PollOutcome:
    command = application.FailPayment(payment_id=payment.payment_id, reason=reason)
    store.transact(application.fail_payment, command)
    return PollOutcome.DECIDED


def _record_return(store: Store, payment: PaymentSnapshot, report: OrderReport) -> PollOutcome:
    """Fail the payment after a full return; leave a partial one to staff."""
    if report.returned < report.ordered:
        log.error("partly_refunded_before_capture", payment_id=str(payment.payment_id))
        return PollOutcome.MISMATCH
    return _fail(store, payment, Failure.GIVEN_BACK)
