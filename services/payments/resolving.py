"""Resolving what is stuck, by staff: ask the acquirer again, return a charge, or credit it.

A charge of another sum than ordered is never credited by itself. It goes back in full, or staff say
how it is split over the accounts of the payment.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from services.payments import application, snapshots
from services.payments.acquirers import OrderReport, OrderState
from services.payments.application import CapturePayment
from services.payments.callback import poll_now
from services.payments.events import Line
from services.payments.polling import Acquirers, order_of
from services.payments.snapshots import PaymentSnapshot
from services.payments.splits import frozen_split, key_among
from services.payments.staff_refunds import loaded
from shared import context
from shared.errors import Conflict, NotFound, Unavailable, ValidationFailed
from shared.eventstore import Session
from shared.eventstore.postgres import PostgresStore
from shared.ids import NAMESPACE, derived_id


class How(StrEnum):
    """What staff decide about a payment that is stuck."""

    POLL = "poll"
    RETURN = "return"
    CREDIT = "credit"


def resolve(
    store: PostgresStore,
    acquirers: Acquirers,
    payment_id: UUID,
    how: How,
    lines: Sequence[Line],
    reason: str,
    *,
    dry_run: bool,
) -> dict[str, Any]:
    """Resolve a payment as the actor; return {payment_id, state, before, outcome, charged}.

    Raises NotFound `payment_not_found`, Conflict `nothing_to_return` and `nothing_to_credit`,
    Unavailable `acquirer_unavailable`, ValidationFailed for a split that does not fit.
    """
    if lines and how is not How.CREDIT:
        raise ValidationFailed("split_not_wanted", "Only a credit names accounts and sums.")
    payment = _found(store, payment_id)
    report = _asked(acquirers, payment)
    shown: dict[str, Any] = {
        "payment_id": str(payment_id),
        "before": payment.state.value,
        "bank": None if report is None else report.state.value,
        "charged": 0 if report is None else report.charged,
        "returned": 0 if report is None else report.returned,
        "dry_run": dry_run,
    }
    match how:
        case How.POLL:
            if not dry_run:
                poll_now(store, acquirers, payment)
        case How.RETURN:
            _return(store, payment, report, reason, dry_run=dry_run)
        case How.CREDIT:
            _credit(store, payment, report, lines, reason, dry_run=dry_run)
    return {**shown, "state": _found(store, payment_id).state.value}


def _found(store: PostgresStore, payment_id: UUID) -> PaymentSnapshot:
    found = store.query(lambda session: snapshots.snapshot(session, payment_id))
    if found is None:
        raise NotFound("payment_not_found", "There is no such payment.")
    return found


def _asked(acquirers: Acquirers, payment: PaymentSnapshot) -> OrderReport | None:
    acquirer = acquirers.of(payment.acquirer)
    report = None if acquirer is None else acquirer.find_order(order_of(payment))
    if acquirer is None or (report is not None and report.state is OrderState.UNKNOWN):
        raise Unavailable(
            "acquirer_unavailable",
            f"The acquirer {payment.acquirer} does not answer; nothing was done.",
            acquirer=payment.acquirer,
        )
    return report


def _return(
    store: PostgresStore,
    payment: PaymentSnapshot,
    report: OrderReport | None,
    reason: str,
    *,
    dry_run: bool,
) -> None:
    actor = context.current().actor
    returned = report.returned if report else 0
    refund_id = derived_id(NAMESPACE, "payments", "return", str(payment.payment_id), reason)

    def decide(session: Session, _: None = None) -> None:
        loaded(session, payment.payment_id).return_charge(refund_id, reason, actor, returned)

    if dry_run:
        # The session only reads: what this triggers is recorded nowhere.
        store.query(decide)
    else:
        store.transact(decide, None)


def _credit(
    store: PostgresStore,
    payment: PaymentSnapshot,
    report: OrderReport | None,
    lines: Sequence[Line],
    reason: str,
    *,
    dry_run: bool,
) -> None:
    """Credit what the acquirer charged, by the split that staff name."""
    if report is None or report.state is not OrderState.PAID or not report.charged:
        raise Conflict(
            "nothing_to_credit", "The acquirer does not say that it holds a charge of this payment."
        )
    if report.returned:
        raise Conflict("nothing_to_credit", "Some of the charge went back already: return it all.")
    own = store.query(lambda session: session.read.lines([payment.payment_id]))
    accounts = {line["account"] for line in own.get(payment.payment_id, ())}
    split = frozen_split(
        [replace(line, account=key_among(accounts, line.account)) for line in lines]
    )
    for line in split:
        if line.account not in accounts:
            raise ValidationFailed(
                "not_of_payment",
                f"{line.account} is no account of this payment; it has "
                f"{', '.join(sorted(accounts))}. Money is moved to another account in the ledger.",
                account=line.account,
            )
    if sum(line.total for line in split) != report.charged:
        raise ValidationFailed(
            "split_differs",
            f"The sums come to {sum(line.total for line in split)} kopecks, the charge to "
            f"{report.charged}.",
            given=sum(line.total for line in split),
            charged=report.charged,
        )
    if dry_run:
        return
    command = CapturePayment(
        payment_id=payment.payment_id,
        amount=report.charged,
        captured_at=report.charged_at,
        masked_card=report.masked_card,
        credited=split,
        reason=reason,
    )
    store.transact(application.capture_payment, command)
