"""Refunds by staff: all of a payment or a part, by a second person above the limit of the day.

Here a refund is decided; the worker makes it (:mod:`services.payments.refunding`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from services.payments.domain import PaymentOrder
from services.payments.events import RefundLine, RefundSplit
from services.payments.staff_limits import (
    APPROVE,
    REFUND,
    Allowance,
    allowance,
    hold_movements,
    may,
)
from shared import context
from shared.errors import Forbidden, NotFound
from shared.eventstore import Session
from shared.eventstore.postgres import PostgresStore
from shared.ids import NAMESPACE, derived_id
from shared.money import Kopecks

C = TypeVar("C")

DONE, PROPOSED, APPROVED, REJECTED = "requested", "proposed", "approved", "rejected"


class RefundPayment(msgspec.Struct, frozen=True, kw_only=True):
    """Give money of a payment back: of some accounts, or all that is left."""

    payment_id: UUID
    refund_id: UUID
    lines: tuple[RefundLine, ...]
    reason: str


class DecideRefund(msgspec.Struct, frozen=True, kw_only=True):
    """Approve or reject a proposed refund."""

    payment_id: UUID
    refund_id: UUID
    command_id: UUID
    reason: str = ""


def refund_payment(
    store: PostgresStore,
    payment_id: UUID,
    lines: Sequence[RefundLine],
    reason: str,
    key: str | None,
    *,
    dry_run: bool,
) -> dict[str, Any]:
    """Refund a payment as the actor, or propose it; the same refund for the same reason once.

    Another `key` makes the same refund again. Returns {state, refund_id, payment_id, total, lines,
    repeated, refund}; `refund` is the state of the refund now.
    """
    sums = sorted(f"{line.account}={line.amount}" for line in lines)
    content = [key] if key else [reason, *sums]
    refund_id = _id("refund", payment_id, *content)
    command = RefundPayment(
        payment_id=payment_id, refund_id=refund_id, lines=tuple(lines), reason=reason
    )
    if dry_run:
        return store.query(lambda session: _preview(session, command))
    known = store.query(lambda session: session.read.refunds.find(refund_id))
    with context.bind(command_id=refund_id):
        result = store.execute(_refund, command)
    now = store.query(lambda session: session.read.refunds.find(refund_id))
    return {**result, "repeated": known is not None, "refund": now["state"] if now else None}


def approve_refund(
    store: PostgresStore, refund_id: UUID, reason: str, *, dry_run: bool
) -> dict[str, Any]:
    """Approve a proposed refund as the actor; it is then made by the worker.

    Raises NotFound `refund_not_found`, Conflict `refund_decided`, Forbidden `staff_may_not`,
    `second_person_needed`, `author_may_not` or `above_limit`, and what is refused today.
    """
    return _decide(store, APPROVED, refund_id, reason, _approve, _check_approval, dry_run)


def reject_refund(
    store: PostgresStore, refund_id: UUID, reason: str, *, dry_run: bool
) -> dict[str, Any]:
    """Reject a proposed refund as the actor, or withdraw one's own; raises as `approve_refund`."""
    return _decide(store, REJECTED, refund_id, reason, _reject, _check_rejection, dry_run)


def _refund(session: Session, command: RefundPayment) -> dict[str, Any]:
    actor = context.current().actor
    payment = loaded(session, command.payment_id)
    hold_movements(session)
    left = allowance(session, actor, REFUND)
    lines = payment.refundable(command.lines)
    total = _sum(lines)
    if left.covers(total):
        payment.request_refund(command.refund_id, lines, command.reason, actor)
        left.use(session, command.refund_id, total)
        return _result(DONE, command, lines)
    payment.propose_refund(command.refund_id, lines, command.reason, actor)
    return _result(PROPOSED, command, lines)


def _preview(session: Session, command: RefundPayment) -> dict[str, Any]:
    payment = loaded(session, command.payment_id)
    left = allowance(session, context.current().actor, REFUND)
    known = payment.refunds.get(command.refund_id)
    if known is not None:
        result = _result("dry_run", command, known.lines)
        return {**result, "would_be": known.state, "repeated": True, "refund": known.state}
    lines = payment.refundable(command.lines)
    would_be = DONE if left.covers(_sum(lines)) else PROPOSED
    result = _result("dry_run", command, lines)
    return {**result, "would_be": would_be, "repeated": False, "refund": None}


def _decide(
    store: PostgresStore,
    decided: str,
    refund_id: UUID,
    reason: str,
    handler: Callable[[Session, DecideRefund], dict[str, Any]],
    check: Callable[[Session, DecideRefund], Any],
    dry_run: bool,
) -> dict[str, Any]:
    row = store.query(lambda session: session.read.refunds.find(refund_id))
    if row is None:
        raise NotFound("refund_not_found", "There is no such refund.")
    command = DecideRefund(
        payment_id=row["payment_id"],
        refund_id=refund_id,
        # The actor is part of the id: a second approver is refused instead of getting a repeat.
        command_id=_id(decided, refund_id, context.current().actor, reason),
        reason=reason,
    )
    shown = {"refund_id": str(refund_id), "payment_id": str(command.payment_id)}
    shown |= {"total": row["total"], "lines": row["lines"]}
    if dry_run:
        store.query(lambda session: check(session, command))
        return {**shown, "state": "dry_run", "would_be": decided}
    with context.bind(command_id=command.command_id):
        return {**shown, **store.execute(handler, command)}


def _approve(session: Session, command: DecideRefund) -> dict[str, Any]:
    hold_movements(session)
    left, total = _check_approval(session, command)
    payment = loaded(session, command.payment_id)
    payment.approve_refund(command.refund_id, context.current().actor)
    left.use(session, command.command_id, total)
    return {"state": APPROVED}


def _check_approval(session: Session, command: DecideRefund) -> tuple[Allowance, Kopecks]:
    """Return what may still be approved today, and the sum; both people need their permission."""
    actor = context.current().actor
    left = allowance(session, actor, APPROVE)
    proposed = loaded(session, command.payment_id).proposed_refund(command.refund_id)
    if proposed.by == actor:
        raise Forbidden(
            "second_person_needed", "Somebody else than who proposed it must approve it."
        )
    if not may(session, proposed.by, REFUND):
        raise Forbidden(
            "author_may_not",
            f"{proposed.by}, who proposed it, may no longer do so: reject it, and propose it "
            "again.",
        )
    left.refuse_beyond(proposed.total)
    return left, proposed.total


def _reject(session: Session, command: DecideRefund) -> dict[str, Any]:
    _check_rejection(session, command)
    payment = loaded(session, command.payment_id)
    payment.reject_refund(command.refund_id, command.reason, context.current().actor)
    return {"state": REJECTED}


def _check_rejection(session: Session, command: DecideRefund) -> None:
    actor = context.current().actor
    proposed = loaded(session, command.payment_id).proposed_refund(command.refund_id)
    if proposed.by != actor:
        allowance(session, actor, APPROVE)


def loaded(session: Session, payment_id: UUID) -> PaymentOrder:
    """Return a payment. Raises NotFound `payment_not_found`."""
    # Any id may be given, even that of another stream of the log.
    if session.read.payment(payment_id) is None:
        raise NotFound("payment_not_found", "There is no such payment.")
    return session.load(PaymentOrder, payment_id)


def _result(state: str, command: RefundPayment, lines: RefundSplit) -> dict[str, Any]:
    return {
        "state": state,
        "refund_id": str(command.refund_id),
        "payment_id": str(command.payment_id),
        "total": _sum(lines),
        "lines": msgspec.to_builtins(list(lines)),
    }


def _sum(lines: Sequence[RefundLine]) -> Kopecks:
    return sum(line.amount for line in lines)


def _id(*parts: object) -> UUID:
    return derived_id(NAMESPACE, "payments", *map(str, parts))
