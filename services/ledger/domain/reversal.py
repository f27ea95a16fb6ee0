"""What the reversal of a payment changes in an account's present state.

A payment reversed at once leaves no trace in the balance. Later, its money may have moved on: its
advance has paid other bills, or what it paid was lowered or taken back and so became an advance.
Then what it still pays is owed again, and the rest is taken from the advance, and from what
advances have paid, the last first. There is always enough: all that is paid or in advance came
from the payments that are not reversed, and from the advance at the opening.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from services.ledger.domain.allocation import AllocatedPart
from services.ledger.domain.events import (
    ChargesAdjusted,
    ChargesPosted,
    OpeningPosted,
    PaymentPosted,
    PaymentReversed,
    PenaltyCorrected,
    PenaltyWrittenOff,
)
from shared.money import Kopecks

_PENALTY = ("", "penalty")


class Undone(msgspec.Struct, frozen=True, kw_only=True):
    """The sources from which a payment's money is taken back; the four add up to its sum."""

    restored: tuple[AllocatedPart, ...]
    penalty_restored: Kopecks
    advance_taken: Kopecks
    reopened: tuple[AllocatedPart, ...]


def undo(payment: PaymentPosted, moves: Sequence[Any], advance: Kopecks) -> Undone:
    """Return what is owed again when a payment is reversed.

    ``moves`` are the events of the account that have moved money; ``advance`` is the present one.
    """
    parts = _still_paid(moves)
    own = [part for part in parts if part.payer == payment.payment_id]
    left = payment.amount + payment.penalty - sum(part.amount for part in own)
    taken = min(left, advance)
    left -= taken
    reopened = []
    for part in reversed(parts):
        amount = min(left, part.amount) if part.payer is None else 0
        if amount:
            reopened.append(part.allocated(amount))
            left -= amount
    return Undone(
        restored=tuple(part.allocated(part.amount) for part in own if part.item != _PENALTY),
        penalty_restored=sum(part.amount for part in own if part.item == _PENALTY),
        advance_taken=taken,
        reopened=tuple(reopened),
    )


@dataclass
class _Part:
    """A part of an item (period and service, or the penalty) that is paid; None: by an advance."""

    payer: UUID | None
    item: tuple[str, str]
    amount: Kopecks

    def allocated(self, amount: Kopecks) -> AllocatedPart:
        return AllocatedPart(*self.item, amount)


def _still_paid(moves: Sequence[Any]) -> list[_Part]:
    """Return what is paid of each item and by which payment, in the order of payment."""
    parts: list[_Part] = []
    for event in moves:
        match event:
            case PaymentPosted():
                parts += _of(event.allocation, event.payment_id)
                parts.append(_Part(event.payment_id, _PENALTY, event.penalty_allocated))
            case ChargesPosted() | OpeningPosted():
                parts += _of(event.allocation, None)
            case ChargesAdjusted():
                _give_back(parts, event)
                parts += _of(event.allocation, None)
            case PenaltyCorrected() | PenaltyWrittenOff():
                _lower(parts, _PENALTY, event.advance)
            case PaymentReversed():
                for part in parts:
                    if part.payer == event.payment_id:
                        part.amount = 0
                for reopened in event.reopened:
                    item = (reopened.period, reopened.service)
                    _lower([part for part in parts if part.payer is None], item, reopened.amount)
    return [part for part in parts if part.amount]


def _of(allocation: Iterable[AllocatedPart], payer: UUID | None) -> list[_Part]:
    return [_Part(payer, (part.period, part.service), part.amount) for part in allocation]


def _give_back(parts: Sequence[_Part], event: ChargesAdjusted) -> None:
    released = {part.service: part.amount for part in event.released}
    for line in event.lines:
        if line.amount < 0:
            # What is taken off beyond the bill was never paid, and finds nothing to lower.
            amount = -line.amount - released.get(line.service, 0)
            _lower(parts, (event.period, line.service), amount)


def _lower(parts: Sequence[_Part], item: tuple[str, str], amount: Kopecks) -> None:
    """Lower what is paid of an item by a sum, the last part first."""
    for part in reversed(parts):
        if part.item == item:
            taken = min(amount, part.amount)
            part.amount -= taken
            amount -= taken
