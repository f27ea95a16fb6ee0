"""Making refunds: the acquirer is called once for each, and what it then reports is recorded.

An acquirer may not know a repeated call, so a call that was lost is repeated only when the acquirer
reports, a while later, that nothing went back.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from services.payments import snapshots
from services.payments.acquirers import Done, OrderReport, OrderState, Refused, UnknownOutcome
from services.payments.domain import PaymentOrder
from services.payments.polling import Acquirers, order_of, record_report
from services.payments.snapshots import PaymentSnapshot
from shared.eventstore import Session, Store
from shared.logs import get_logger
from shared.money import Kopecks

log = get_logger(__name__)

#: When a refund that is not made is looked at again.
RETRY: Final = timedelta(seconds=10)
#: How long a call may take to show in the acquirer's report, before it is repeated.
SHOWN_AFTER: Final = timedelta(seconds=45)


class DueRefund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund to make, and its payment."""

    refund_id: UUID
    total: Kopecks
    payment: PaymentSnapshot


class RefuseRefund(msgspec.Struct, frozen=True, kw_only=True):
    """The acquirer refused a refund; `reason` is its own code."""

    payment_id: UUID
    refund_id: UUID
    reason: str


def due_refunds(session: Session, limit: int) -> list[DueRefund]:
    """Return the refunds to make now, the longest overdue first."""
    return [_due(session, row) for row in session.read.refunds.due(session.now, limit)]


def _due(session: Session, row: dict[str, Any]) -> DueRefund:
    payment = snapshots.snapshot(session, row["payment_id"])
    if payment is None:
        raise RuntimeError(f"refund {row['refund_id']} is of no payment")
    return DueRefund(refund_id=row["refund_id"], total=row["total"], payment=payment)


def make_refund(store: Store, acquirers: Acquirers, refund: DueRefund) -> None:
    """Have money go back, unless it has already; record what the acquirer reports."""
    payment = refund.payment
    acquirer = acquirers.of(payment.acquirer)
    report = None if acquirer is None else acquirer.find_order(order_of(payment))
    if acquirer is None or report is None or not _is_charged(report):
        # Nothing is sure, so nothing is done.
        store.transact(postpone, refund.refund_id)
        return
    record_report(store, acquirers, payment, report)
    if not store.transact(send, refund.refund_id):
        return
    outcome = acquirer.give_back(order_of(payment), refund.total, report.charged, refund.refund_id)
    match outcome:
        case Refused(reason=reason):
            log.error("refund_refused", refund_id=str(refund.refund_id), reason=reason)
            command = RefuseRefund(
                payment_id=payment.payment_id, refund_id=refund.refund_id, reason=reason
            )
            store.transact(refuse_refund, command)
        case UnknownOutcome(reason=reason):
            log.warning("refund_unanswered", refund_id=str(refund.refund_id), reason=reason)
        case Done():
            again = acquirer.find_order(order_of(payment))
            if again is not None and _is_charged(again):
                record_report(store, acquirers, _now(store, payment), again)


def _now(store: Store, payment: PaymentSnapshot) -> PaymentSnapshot:
    found = store.query(lambda session: snapshots.snapshot(session, payment.payment_id))
    return found or payment


def _is_charged(report: OrderReport) -> bool:
    return report.state in {OrderState.PAID, OrderState.RETURNED}


def postpone(session: Session, refund_id: UUID) -> None:
    """Look at a refund again a little later."""
    session.read.refunds.postpone(refund_id, session.now + RETRY)


def send(session: Session, refund_id: UUID) -> bool:
    """Return whether the acquirer is to be called now; then it is noted before the call."""
    now = session.now
    if session.read.refunds.send(refund_id, now, now - SHOWN_AFTER, now + RETRY):
        return True
    session.read.refunds.postpone(refund_id, now + RETRY)
    return False


def refuse_refund(session: Session, command: RefuseRefund) -> None:
    """Record that the acquirer refused."""
    session.load(PaymentOrder, command.payment_id).refuse_refund(command.refund_id, command.reason)
