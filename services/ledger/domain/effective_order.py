"""The story of an account in the order in which things took effect.

It may differ from the order in which they were recorded: a payment of the 15th may be known only
after the bill of the 30th. Told again, each event makes its allocation anew, as it would have been
made had it been recorded on its day. The balance in the end is the same to the kopeck; only how it
divides into debts and an advance may differ.
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


def in_order_of_effect(events: Sequence[Any]) -> list[Any]:
    """Return the events of a stream in the order in which they took effect.

    The opening comes first, and takes effect with the first of them at the latest: what was owed
    when the account was taken over was owed before all that happened here. A correction takes
    effect no earlier than what it corrects, and events of one day stand as they were recorded.
    """
    happened = [event for event in events if not isinstance(event, _TAKEN_OVER)]
    happened.sort(key=lambda event: event.effective_on)
    day = happened[0].effective_on if happened else date.max
    opening = []
    for event in reversed([event for event in events if isinstance(event, _TAKEN_OVER)]):
        day = min(day, event.effective_on)
        opening.append(msgspec.structs.replace(event, effective_on=day))
    return [*reversed(opening), *happened]


def retold(
    id: UUID,  # noqa: A002 - the field's own word
    events: Sequence[Any],
    policies: Mapping[str, Policy] = POLICIES,
) -> list[Any]:
    """Return what would have happened had the events been recorded in the order of effect.

    Where they were, these are the very events. A payment settles by the policy that it was posted
    by, if ``policies`` has it.
    """
    order = in_order_of_effect(events)
    as_recorded = all(
        told is event or (isinstance(told, _TAKEN_OVER) and type(told) is type(event))
        for told, event in zip(order, events, strict=True)
    )
    if as_recorded:
        return order
    account = Account(id)
    for event in order:
        _happen_again(account, event, policies)
    return list(account.take_pending())


def _happen_again(account: Account, event: Any, policies: Mapping[str, Policy]) -> None:
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
            )
        case PaymentReversed():
            account.reverse_payment(event.payment_id, event.effective_on, event.reason)
        case ChargesAdjusted():
            account.adjust_charges(
                event.adjustment_id, event.period, event.effective_on, event.lines, event.reason
            )
        case PenaltyCorrected():
            # How much of it is no longer waived is a fact of its own, as the waiver was.
            paid_before = max(0, -event.amount - event.waived - account.penalty)
            account.trigger(msgspec.structs.replace(event, advance=paid_before))
        case PenaltyWrittenOff():
            paid_before = max(0, event.amount - account.penalty)
            account.trigger(msgspec.structs.replace(event, advance=paid_before))
        case _:
            account.trigger(event)
