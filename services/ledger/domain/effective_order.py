"""Effective order: an account's events as they would be, had they been recorded in this order.

It may differ from the order in which they were recorded: a payment of the 15th may be known only
after the bill of the 30th. Replayed in effective order, each event is settled as it would have been
on its day. The account stands the same in the end: each event that was recorded late has moved what
it changed (:mod:`services.ledger.domain.decision`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from services.ledger.domain import Account
from services.ledger.domain.decision import AccrualRules
from services.ledger.domain.order import TAKEN_OVER, in_order, place
from shared.cooperation import cooperatively


def by_effective_day(events: Sequence[Any]) -> list[Any]:
    """Return the events of a stream in the order of effect.

    The opening balance takes effect no later than the first of them: it was owed before all that
    happened here. Its debt is late from its own day all the same.
    """
    order = in_order(events)
    happened = [event for event in order if not isinstance(event, TAKEN_OVER)]
    day = happened[0].effective_on if happened else date.max
    opening = []
    for taken_over in reversed([event for event in order if isinstance(event, TAKEN_OVER)]):
        own = taken_over.effective_on
        day = min(day, own)
        due_on = taken_over.due_on if day == own else taken_over.due_on or own
        opening.append(replace(taken_over, effective_on=day, due_on=due_on))
    return [*reversed(opening), *happened]


def in_effective_order(
    id: UUID,
    events: Sequence[Any],
    law: AccrualRules | None = None,
) -> list[Any]:
    """Return the events as they would be, had they been recorded in the order of effect.

    Where they were, these are the very events. ``law`` says which penalty a payment found; None:
    what was accrued by then.
    """
    order = by_effective_day(events)
    if all(place(one) <= place(after) for one, after in cooperatively(pairwise(events))):
        return order
    account = Account(id)
    account.law = law
    for event in cooperatively(order):
        account.redo(event)
    return list(account.take_pending())
