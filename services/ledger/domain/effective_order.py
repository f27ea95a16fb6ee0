"""Effective order: replay of an account's events by the day they take effect.

It may differ from the order in which they were recorded: a payment of the 15th may be known only
after the bill of the 30th. Replayed in effective order, each event is allocated as it would have
been on its day. The final balance is the same to the kopeck; only its division into debts and
advance may differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from services.ledger.domain import Account
from services.ledger.domain.allocation import DEFAULT_POLICY, POLICIES, Policy
from services.ledger.domain.events import (
    AccountOpened,
    ChargesAdjusted,
    ChargesPosted,
    OpeningPosted,
    PaymentPosted,
    PaymentReversed,
    PenaltyCorrected,
    PenaltyWrittenOff,
)

_TAKEN_OVER = (AccountOpened, OpeningPosted)


def by_effective_day(events: Sequence[Any]) -> list[Any]:
    """Return the events of a stream sorted by the day they take effect, as they were recorded.

    The opening balance comes first, and takes effect no later than the first of them: it was owed
    before all that happened here. A correction takes effect no earlier than what it corrects, and
    events of one day keep their recorded order.
    """
    happened = [event for event in events if not isinstance(event, _TAKEN_OVER)]
    happened.sort(key=lambda event: event.effective_on)
    day = happened[0].effective_on if happened else date.max
    opening = []
    for event in reversed([event for event in events if isinstance(event, _TAKEN_OVER)]):
        day = min(day, event.effective_on)
        opening.append(msgspec.structs.replace(event, effective_on=day))
    return [*reversed(opening), *happened]


def in_effective_order(
    id: UUID,  # noqa: A002 - the name of the field
    events: Sequence[Any],
    policies: Mapping[str, Policy] = POLICIES,
) -> list[Any]:
    """Return the events as they would be, had they been recorded in the order of effect.

    Where they were, these are the very events. A payment is allocated by the policy that it was
    posted by, if ``policies`` has it.
    """
    order = by_effective_day(events)
    as_recorded = all(
        first is second or (isinstance(first, _TAKEN_OVER) and type(first) is type(second))
        for first, second in zip(order, events, strict=True)
    )
    if as_recorded:
        return order
    account = Account(id)
    for event in order:
        _reapply(account, event, policies)
    return list(account.take_pending())


def _reapply(account: Account, event: Any, policies: Mapping[str, Policy]) -> None:
    match event:
        case OpeningPosted():
            account.post_opening(event.effective_on, event.opening)
        case ChargesPosted():
            account.post_charges(
                event.period,
                event.effective_on,
                event.due_on,
                event.lines,
                bill_number=event.bill_number,
            )
        case PaymentPosted():
            account.post_payment(
                event.payment_id,
                event.effective_on,
                event.amount,
                event.penalty if event.penalty_named else None,
                first=event.named_period or None,
                policy=policies.get(event.policy, DEFAULT_POLICY),
                taken=event.taken,
            )
        case PaymentReversed():
            account.reverse_payment(event.payment_id, event.effective_on, event.reason)
        case ChargesAdjusted():
            account.adjust_charges(
                event.adjustment_id, event.period, event.effective_on, event.lines, event.reason
            )
        case PenaltyCorrected():
            # How much of it is no longer waived is a decision of its own, as the waiver was.
            paid_before = max(0, -event.amount - event.waived - account.penalty)
            account.trigger(msgspec.structs.replace(event, advance=paid_before))
        case PenaltyWrittenOff():
            paid_before = max(0, event.amount - account.penalty)
            account.trigger(msgspec.structs.replace(event, advance=paid_before))
        case _:
            account.trigger(event)
