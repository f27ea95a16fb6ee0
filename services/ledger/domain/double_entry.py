"""Double entry: every event of the ledger as postings that add up to zero.

An amount is positive on the debit side. The accounts, of which a trial balance is made:

- ``receivable:<service>``  what payers owe for a service (debit)
- ``receivable:penalty``    what payers owe as penalty (debit)
- ``advances``              what payers have paid before it was owed (credit)
- ``clearing``              money that acquirer and banks owe us for payments (debit)
- ``revenue:<service>``     what was charged (credit); ``revenue:penalty`` likewise
- ``opening``               the other side of balances that were taken over

None of them is a row that writers lock: they are derived from the events.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from services.ledger.domain.allocation import AllocatedPart
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
from shared.money import Kopecks

Posting: TypeAlias = tuple[str, Kopecks]

ADVANCES = "advances"
CLEARING = "clearing"
OPENING = "opening"
PENALTY = "receivable:penalty"
PENALTY_REVENUE = "revenue:penalty"


def postings(event: Any) -> list[Posting]:
    """Return the postings of an event; their amounts add up to zero."""
    own = _own(event)
    if event.moved or event.moved_penalty:
        return [
            *own,
            *_from_advances(event.moved or ()),
            (ADVANCES, event.moved_penalty),
            (PENALTY, -event.moved_penalty),
        ]
    return own


def _own(event: Any) -> list[Posting]:  # noqa: PLR0911 - one for each event
    match event:
        case ChargesPosted():
            return [*_charges(event), *_from_advances(event.allocation)]
        case PaymentPosted():
            return [
                (CLEARING, event.amount + event.penalty),
                *_receivables(event.allocation, -1),
                (PENALTY, -event.penalty_allocated),
                (ADVANCES, -event.advance),
            ]
        case PaymentReversed():
            return [(CLEARING, -event.amount - event.penalty), *_taken_back(event)]
        case PaymentRefunded():
            return [(CLEARING, -event.amount), *_taken_back(event)]
        case ChargesAdjusted():
            return [*_adjustment(event), *_from_advances(event.allocation)]
        case PenaltyAccrued():
            return [(PENALTY, event.amount), (PENALTY_REVENUE, -event.amount)]
        case PenaltyCorrected():
            return [
                (PENALTY, event.amount + event.waived + event.advance),
                (ADVANCES, -event.advance),
                (PENALTY_REVENUE, -event.amount - event.waived),
            ]
        case PenaltyWrittenOff():
            return [
                (PENALTY, event.advance - event.amount),
                (ADVANCES, -event.advance),
                (PENALTY_REVENUE, event.amount),
            ]
        case AccountOpened():
            return list(_opening(event))
        case OpeningPosted():
            return [*_opening(event), *_from_advances(event.allocation)]
        case PayerKindChanged() | AdvanceSettled() | AccountClosed():
            return []
    raise TypeError(f"no postings are known for {type(event).__name__}")


def _opening(event: AccountOpened | OpeningPosted) -> Iterator[Posting]:
    for item in event.opening:
        owed = item.amount > 0
        yield (f"receivable:{item.service}" if owed else ADVANCES), item.amount
        yield OPENING, -item.amount


def _charges(event: ChargesPosted) -> Iterator[Posting]:
    for line in event.lines:
        owed = line.payable > 0
        yield (f"receivable:{line.service}" if owed else ADVANCES), line.payable
        yield f"revenue:{line.service}", -line.payable


def _adjustment(event: ChargesAdjusted) -> Iterator[Posting]:
    for line in event.lines:
        yield f"revenue:{line.service}", -line.amount
        if line.amount > 0:
            yield f"receivable:{line.service}", line.amount
    yield from _receivables(event.released, -1)
    yield ADVANCES, -event.advance


def _taken_back(event: PaymentReversed | PaymentRefunded) -> Iterator[Posting]:
    yield from _receivables(event.restored, 1)
    yield PENALTY, event.penalty_restored
    yield ADVANCES, event.advance_taken + sum(part.amount for part in event.reopened)
    yield from _from_advances(event.reopened, -1)


def _receivables(parts: Sequence[AllocatedPart], sign: int) -> Iterator[Posting]:
    for part in parts:
        yield f"receivable:{part.service}", sign * part.amount


def _from_advances(parts: Sequence[AllocatedPart], sign: int = 1) -> Iterator[Posting]:
    for part in parts:
        yield ADVANCES, sign * part.amount
        yield f"receivable:{part.service}", -sign * part.amount
