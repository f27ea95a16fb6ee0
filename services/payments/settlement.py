"""What the acquirer says of an order, made true here: asked by callback, return, and schedule.

Whoever tells us that something happened (a callback, a browser) only makes us ask; what the
status call answers is what counts.
"""

from __future__ import annotations

from enum import StrEnum

from services.payments import application
from services.payments.acquirer import (
    TIMED_OUT,
    Acquirer,
    OrderAbsent,
    OrderReport,
    OrderStatus,
    UnknownOutcome,
)
from services.payments.application import Standing
from services.payments.domain import Failure
from shared.errors import Conflict
from shared.eventstore import Store
from shared.logs import get_logger

log = get_logger(__name__)


class Outcome(StrEnum):
    """What the question brought."""

    SETTLED = "settled"
    """Taken or failed: the acquirer has decided, and we know."""
    PENDING = "pending"
    """The person is still at it."""
    ABSENT = "absent"
    UNKNOWN = "unknown"
    MISMATCH = "mismatch"
    """The money is not what we ordered: a matter for staff."""


def settle(store: Store, acquirer: Acquirer, payment: Standing) -> Outcome:
    """Ask the acquirer about an order, and record what it decided. Never charges."""
    report = acquirer.report(payment.order_number, payment.acquirer_order_id)
    match report:
        case UnknownOutcome():
            return Outcome.UNKNOWN
        case OrderAbsent():
            command = application.NoteAbsence(payment_id=payment.payment_id)
            failed = store.transact(application.note_absence, command)
            return Outcome.SETTLED if failed else Outcome.ABSENT
        case OrderReport():
            return _record(store, payment, report)


def _record(store: Store, payment: Standing, report: OrderReport) -> Outcome:
    match report.status:
        case OrderStatus.PAID:
            return _capture(store, payment, report)
        case OrderStatus.DECLINED:
            late = report.action_code == TIMED_OUT
            return _fail(store, payment, Failure.EXPIRED if late else Failure.DECLINED)
        case OrderStatus.REVERSED:
            return _fail(store, payment, Failure.GIVEN_BACK)
        case OrderStatus.REFUNDED:
            return _refunded(store, payment, report)
        case OrderStatus.REGISTERED | OrderStatus.HELD | OrderStatus.ACS_STARTED:
            return Outcome.PENDING


def _capture(store: Store, payment: Standing, report: OrderReport) -> Outcome:
    command = application.CapturePayment(
        payment_id=payment.payment_id,
        # The deposited amount is what left the card, whatever was ordered.
        amount=report.deposited,
        captured_at=report.charged_at,
        masked_card=report.masked_card,
    )
    try:
        store.transact(application.capture_payment, command)
    except Conflict as error:
        if error.code != "amount_mismatch":
            raise
        log.error("amount_mismatch", **error.params)  # noqa: TRY400 - decided, not crashed
        return Outcome.MISMATCH
    return Outcome.SETTLED


def _fail(store: Store, payment: Standing, reason: Failure) -> Outcome:
    command = application.FailPayment(payment_id=payment.payment_id, reason=reason)
    store.transact(application.fail_payment, command)
    return Outcome.SETTLED


def _refunded(store: Store, payment: Standing, report: OrderReport) -> Outcome:
    """All given back: as if it had not been. A part kept: neither ours nor theirs, so staff."""
    if report.refunded < report.amount:
        log.error("partly_refunded_before_capture", payment_id=str(payment.payment_id))
        return Outcome.MISMATCH
    return _fail(store, payment, Failure.GIVEN_BACK)
