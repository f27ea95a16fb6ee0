"""Bugs of the ledger: postings, allocations, the read model."""

from __future__ import annotations

from typing import Any

from tests.faults.bugs.planting import Function, plant
from tests.faults.bugs.switch import SWITCH

_PROJECT = "services.ledger.readmodel:ReadModel.project"


@plant("payment-is-posted-twice", "services.ledger.domain.account:Account.post_payment")
def _post_twice(original: Function) -> Function:
    def wrong(self: Any, payment_id: Any, *arguments: Any, **named: Any) -> Any:
        original(self, payment_id, *arguments, **named)
        self.payments.pop(payment_id, None)
        return original(self, payment_id, *arguments, **named)

    return wrong


@plant("kopeck-is-lost-in-a-split", "services.ledger.domain.row_decision:allocate")
def _lose_a_kopeck(original: Function) -> Function:
    def wrong(*arguments: Any, **named: Any) -> Any:
        from msgspec.structs import replace

        parts, rest = original(*arguments, **named)
        if len(parts) < 2:
            return parts, rest
        return (replace(parts[0], amount=parts[0].amount - 1), *parts[1:]), rest

    return wrong


@plant("penalty-is-paid-before-principal", "services.ledger.domain.account:Account.pay_by_row")
def _penalty_first(original: Function) -> Function:
    def wrong(self: Any, payment: Any, policy: Any) -> None:
        from msgspec.structs import replace

        from services.ledger.domain.allocation import allocate

        taken = min(self.penalty, payment.amount)
        allocation, rest = allocate(self.open_items, payment.amount - taken, None, policy)
        self.trigger(replace(payment, allocation=allocation, penalty_allocated=taken, advance=rest))

    return wrong


@plant("read-model-misses-an-event-type", _PROJECT)
def _miss(original: Function) -> Function:
    def wrong(self: Any, recorded: Any, aggregates: Any) -> None:
        left = [one for one in recorded if not one.event.topic.startswith("ledger.charges_adj")]
        original(self, left, aggregates)

    return wrong


@plant("balance-is-updated-twice", _PROJECT)
def _update_twice(original: Function) -> Function:
    def wrong(self: Any, recorded: Any, aggregates: Any) -> None:
        original(self, recorded, aggregates)
        for one in recorded:
            if one.event.topic.startswith("ledger.payment_posted"):
                self._cursor.execute(
                    "UPDATE balances SET principal = principal - %s WHERE account_id = %s",
                    (one.event.amount, one.originator_id),
                )

    return wrong


@plant("refund-is-credited-twice", "services.ledger.domain.account:Account.refund_payment")
def _refund_twice(original: Function) -> Function:
    def wrong(self: Any, payment_id: Any, refund_id: Any, *arguments: Any, **named: Any) -> Any:
        from uuid import uuid4

        first = original(self, payment_id, refund_id, *arguments, **named)
        if SWITCH.strikes("again"):
            original(self, payment_id, uuid4(), *arguments, **named)
        return first

    return wrong
