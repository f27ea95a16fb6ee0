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


@plant("shares-are-rounded-by-place", "services.ledger.domain.allocation:split_pro_rata")
def _round_by_place(original: Function) -> Function:
    """What rounding down leaves goes to the first services, not to the largest remainders."""

    def wrong(amount: int, weights: Any) -> list[int]:
        total = sum(weights)
        if not total:
            return list(original(amount, weights))
        parts = [amount * weight // total for weight in weights]
        for place in range(amount - sum(parts)):
            parts[place] += 1
        return parts

    return wrong


@plant("newest-month-is-paid-first", "services.ledger.domain.allocation:allocate")
def _newest_first(original: Function) -> Function:
    def wrong(open_items: Any, amount: int, first: Any = None, policy: Any = None) -> Any:
        from msgspec.structs import replace

        from services.ledger.domain.allocation import DEFAULT_POLICY

        newest_first = replace(policy or DEFAULT_POLICY, periods="newest_first")
        return original(open_items, amount, first, newest_first)

    return wrong


@plant("penalty-counts-a-day-more", "services.ledger.penalties.law:penalty_on")
def _count_a_day_more(original: Function) -> Function:
    """The last day on which a bill can be paid counts as a day of delay."""

    def wrong(charge: Any, *others: Any) -> Any:
        from datetime import timedelta

        from msgspec.structs import replace

        before = timedelta(days=1)
        began = charge.effective_on and charge.effective_on - before
        charge = replace(charge, due_on=charge.due_on - before, effective_on=began)
        return original(charge, *others)

    return wrong


@plant("payment-is-posted-a-day-late", "services.ledger.reactions:post_payment")
def _post_late(original: Function) -> Function:
    def wrong(session: Any, command: Any) -> Any:
        from datetime import timedelta

        from msgspec.structs import replace

        return original(session, replace(command, paid_on=command.paid_on + timedelta(days=1)))

    return wrong


@plant("lines-change-accounts", "services.ledger.reactions:post_payment")
def _turn_lines(original: Function) -> Function:
    """The sum is right, and each account gets that of another one."""

    def wrong(session: Any, command: Any) -> Any:
        from msgspec.structs import replace

        turned = (*command.lines[1:], *command.lines[:1])
        lines = tuple(
            replace(one, amount=other.amount, penalty=other.penalty)
            for one, other in zip(command.lines, turned, strict=True)
        )
        return original(session, replace(command, lines=lines))

    return wrong


@plant("refund-is-divided-otherwise", "services.ledger.reactions:refund_payment")
def _divide_otherwise(original: Function) -> Function:
    """The sum is right, and a kopeck of it is taken from another account."""

    def wrong(session: Any, command: Any) -> Any:
        from msgspec.structs import replace

        if len(command.lines) < 2:
            return original(session, command)
        first, second, *others = command.lines
        lines = (
            replace(first, amount=first.amount - 1),
            replace(second, amount=second.amount + 1),
            *others,
        )
        return original(session, replace(command, lines=lines))

    return wrong


@plant("refund-is-not-taken-back", "services.ledger.reactions:refund_payment")
def _take_nothing_back(original: Function) -> Function:
    def wrong(session: Any, command: Any) -> Any:
        """Record nothing: the payer has his money, and owes nothing."""
        return {"without_effect": []}

    return wrong


@plant("posting-row-has-another-sum", "services.ledger.readmodel:posting_row")
def _show_another_sum(original: Function) -> Function:
    def wrong(*arguments: Any) -> dict[str, Any]:
        row: dict[str, Any] = original(*arguments)
        return {**row, "amount": row["amount"] + 1}

    return wrong
