"""The order of effect: by the day, and within a day by a rule that knows no order of recording.

An opening comes before all that happened here. On one day a bill comes before a payment, and two of
a kind go by what they are about (period, payment id). Reversals and refunds are of one kind: they
take payments back. What has no such name, accruals and waivers, keeps its recorded order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, TypeAlias

from services.ledger.domain.events import (
    AccountClosed,
    AccountOpened,
    AdvanceSettled,
    ChargesAdjusted,
    ChargesPosted,
    OpeningPosted,
    PayerKindChanged,
    PaymentPosted,
    PaymentRefunded,
    PaymentReversed,
    PenaltyAccrued,
    PenaltyCorrected,
    PenaltyWrittenOff,
)
from shared.cooperation import cooperatively

OPENING_PERIOD = "0001-01"
"""The period of what was owed before the first bill here; it sorts before all others."""

OPENING_PLACE = "0001-01-01/0/"

TAKEN_OVER = (AccountOpened, OpeningPosted)
"""The events of an opening."""

_RANKS: dict[type[Any], int] = {
    PayerKindChanged: 1,
    ChargesPosted: 2,
    ChargesAdjusted: 3,
    PenaltyAccrued: 4,
    PenaltyCorrected: 4,
    PaymentPosted: 5,
    PaymentReversed: 6,
    PaymentRefunded: 6,
    PenaltyWrittenOff: 7,
    AdvanceSettled: 8,
    AccountClosed: 9,
}

_NO_FACTS = frozenset((PenaltyAccrued, PenaltyCorrected, AdvanceSettled, AccountClosed))

PAYMENTS = "{}/5/"
"""How the places of the payments of a day begin."""

Place: TypeAlias = str
"""A day, a rank within it, and a name within the rank: places compare as events take effect."""


def place(event: Any) -> Place:
    """Return where an event comes in the order of effect."""
    kind = type(event)
    if kind is ChargesPosted:
        return _place_of_bill(event.effective_on, event.period)
    if kind is PaymentPosted or kind is PaymentReversed:
        name = str(event.payment_id)
    elif kind is PaymentRefunded:
        name = str(event.refund_id)
    elif kind in TAKEN_OVER:
        return OPENING_PLACE
    else:
        name = str(event.adjustment_id) if kind is ChargesAdjusted else ""
    return f"{event.effective_on.isoformat()}/{_RANKS[kind]}/{name}"


@lru_cache(maxsize=4_096)
def _place_of_bill(effective_on: date, period: str) -> Place:
    # Nearly all accounts are billed for the same months.
    return f"{effective_on.isoformat()}/{_RANKS[ChargesPosted]}/{period}"


def is_fact(event: Any) -> bool:
    """Return whether an event is something that happened to the debts.

    Accruals only book what the rules say, and a closing leaves all debts as they are.
    """
    return type(event) not in _NO_FACTS


def in_order(events: Iterable[Any]) -> list[Any]:
    """Return events in the order of effect; those of one place keep the order given."""
    given = list(events)
    places = [place(event) for event in cooperatively(given)]
    return [given[at] for at in sorted(range(len(given)), key=places.__getitem__)]


def in_effect(facts: Sequence[Any], through: date) -> list[Any]:
    """Return the facts that have taken effect by a day.

    An account is opened, and what was taken over is owed, before whatever comes first.
    """
    there = [fact for fact in facts if fact.effective_on <= through]
    first: tuple[type[Any], ...] = ()
    if any(not isinstance(fact, TAKEN_OVER) for fact in there):
        first = TAKEN_OVER
    elif there:
        first = (AccountOpened,)
    return [fact for fact in facts if fact.effective_on <= through or isinstance(fact, first)]
