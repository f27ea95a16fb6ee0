"""What undoing a payment means to an account as it stands now.

Undone at once, everything is as it was before. Later, the money may have moved on: its advance has
paid other bills, or a bill that it paid was lowered, so that it became an advance by that. Then a
debt comes back only as far as there still is a bill that it paid, and the rest is taken out of
the advance, and out of the bills that were paid of advances, the last ones first. There is always
enough: all that is paid and all that is in advance came from the payments that still stand.
"""

from __future__ import annotations

import msgspec

from services.ledger.events import PaymentPosted
from services.ledger.settlement import Settled
from services.ledger.state import OPENING_PERIOD, AccountState
from shared.money import Kopecks


class Undone(msgspec.Struct, frozen=True, kw_only=True):
    """Where the money of a payment is taken from; the four add up to its sum."""

    restored: tuple[Settled, ...]
    penalty_restored: Kopecks
    advance_taken: Kopecks
    reopened: tuple[Settled, ...]


def undo(account: AccountState, payment: PaymentPosted) -> Undone:
    """Answer what is owed again when a payment that stands is undone."""
    paid = _Paid(account)
    restored = paid.take(payment.settled)
    penalty_paid = account.penalty_accrued - account.penalty_waived - account.penalty
    penalty_restored = min(payment.penalty_settled, penalty_paid)
    left = payment.amount + payment.penalty - _total(restored) - penalty_restored
    advance_taken = min(left, account.advance)
    return Undone(
        restored=restored,
        penalty_restored=penalty_restored,
        advance_taken=advance_taken,
        reopened=paid.take(tuple(reversed(account.paid_in_advance)), left - advance_taken),
    )


class _Paid:
    """What is paid of each bill as it stands now, and not taken back yet."""

    def __init__(self, account: AccountState) -> None:
        self._account = account
        self._bills: dict[str, dict[str, Kopecks]] = {}

    def take(self, parts: tuple[Settled, ...], limit: Kopecks | None = None) -> tuple[Settled, ...]:
        """Take parts back in their order, as far as they are paid, up to a limit in all."""
        left = _total(parts) if limit is None else limit
        taken = []
        for part in parts:
            amount = min(part.amount, left, self._of(part))
            if amount:
                taken.append(Settled(part.period, part.service, amount))
                self._lower(part, amount)
                left -= amount
        return tuple(taken)

    def _of(self, part: Settled) -> Kopecks:
        if part.period == OPENING_PERIOD:
            return part.amount  # Nothing lowers what was taken over.
        return self._bill(part.period)[part.service]

    def _lower(self, part: Settled, amount: Kopecks) -> None:
        if part.period != OPENING_PERIOD:
            self._bill(part.period)[part.service] -= amount

    def _bill(self, period: str) -> dict[str, Kopecks]:
        if period not in self._bills:
            owed = self._account.open_items.get(period, {})
            self._bills[period] = {
                service: amount - owed.get(service, 0)
                for service, amount in self._account.billed(period).items()
            }
        return self._bills[period]


def _total(parts: tuple[Settled, ...]) -> Kopecks:
    return sum(part.amount for part in parts)
