"""The story of an account in the order in which things took effect.

It may differ from the order in which they were recorded: a payment of the 15th may be known only
after the bill of the 30th. Told again, each event makes its allocation anew, as it would have been
made had it been recorded on its day; what is owed in the end is the same to the kopeck.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from services.ledger.domain import Account


def in_order_of_effect(events: Sequence[Any]) -> list[Any]:
    """Answer the events of a stream in the order in which they took effect.

    The opening comes first, and takes effect with the first of them at the latest: what was owed
    when the account was taken over was owed before all that happened here. A correction takes
    effect no earlier than what it corrects, and events of one day stand as they were recorded.
    """
    opening, *later = events
    later.sort(key=lambda event: event.effective_on)
    if later and later[0].effective_on < opening.effective_on:
        opening = msgspec.structs.replace(opening, effective_on=later[0].effective_on)
    return [opening, *later]


def retold(id: UUID, events: Sequence[Any]) -> list[Any]:  # noqa: A002
    """Answer what would have happened had the events been recorded in the order of effect."""
    if not events:
        return []
    order = in_order_of_effect(events)
    if all(told is event for told, event in zip(order[1:], events[1:], strict=True)):
        return order
    account = Account(id)
    for event in order:
        account.reenact(event)
    return list(account.take_pending())
