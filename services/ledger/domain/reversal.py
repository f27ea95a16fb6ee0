"""What undoing a payment means to an account as it stands now.

Undone at once, everything is as it was before. Later, the money may have moved on: its advance has
paid other bills, or what it paid was lowered or taken back, so that it became an advance by that.
Then what it still pays is owed again, and the rest is taken out of the advance, and out of what
advances have paid, the last first. There is always enough: all that is paid and all that is in
advance came from the payments that still stand, and from what was in advance at the beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from services.ledger.domain.allocation import Settled
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
    """Where the money of a payment is taken from; the four add up to its sum."""

    restored: tuple[Settled, ...]
    penalty_restored: Kopecks
    advance_taken: Kopecks
    reopened: tuple[Settled, ...]


def undo(payment: PaymentPosted, moves: Sequence[Any], advance: Kopecks) -> Undone:
    """Return what is owed again when a payment that stands is undone.

    ``moves`` are the events of the account that have moved money, ``advance`` is what there is of
    it now.
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
            reopened.append(part.settled(amount))
            left -= amount
    return Undone(
        restored=tuple(part.settled(part.amount) for part in own if part.item != _PENALTY),
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

    def settled(self, amount: Kopecks) -> Settled:
        return Settled(*self.item, amount)


def _still_paid(moves: Sequence[Any]) -> list[_Part]:
    """Return what is paid of each item and by whom, in the order in which it was paid."""
    parts: list[_Part] = []
    for event in moves:
        match event:
            case PaymentPosted():
                parts += _of(event.settled, event.payment_id)
                parts.append(_Part(event.payment_id, _PENALTY, event.penalty_settled))
            case ChargesPosted() | OpeningPosted():
                parts += _of(event.settled, None)
            case ChargesAdjusted():
                _give_back(parts, event)
                parts += _of(event.settled, None)
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


def _of(settled: Iterable[Settled], payer: UUID | None) -> list[_Part]:
    return [_Part(payer, (part.period, part.service), part.amount) for part in settled]


def _give_back(parts: Sequence[_Part], event: ChargesAdjusted) -> None:
    released = {part.service: part.amount for part in event.released}
    for line in event.lines:
        if line.amount < 0:
            # What is taken off beyond the bill was never paid, and finds nothing to lower.
            amount = -line.amount - released.get(line.service, 0)
            _lower(parts, (event.period, line.service), amount)


def _lower(parts: Sequence[_Part], item: tuple[str, str], amount: Kopecks) -> None:
    """Take a sum off what is paid of an item, what was paid last first."""
    for part in reversed(parts):
        if part.item == item:
            taken = min(amount, part.amount)
            part.amount -= taken
            amount -= taken
