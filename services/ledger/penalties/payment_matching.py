"""Payment matching: which part of which charge was paid on which day."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from datetime import date

import msgspec

from services.ledger.penalties.calendar import due_day_of, due_on
from services.ledger.penalties.rules import PenaltyRules
from services.ledger.penalties.timeline import LAST_DAY
from shared.errors import ValidationFailed
from shared.money import MAX_AMOUNT, Kopecks, format_roubles


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """Principal charged for a month, in kopecks; only principal bears a penalty.

    ``due_on`` is the last day on which it is paid in time; None: the rules name it by ``period``
    (``2026-03``), and then the period is required. ``effective_on`` is the day from which it is
    owed at all; None: from the beginning. A charge that takes effect after its due date is late
    only from the day after it took effect: nobody is late with what he has not been billed.
    """

    amount: Kopecks
    period: str = ""
    due_on: date | None = None
    effective_on: date | None = None


class Credit(msgspec.Struct, frozen=True, kw_only=True):
    """A payment, or another credit to principal, on a day, in kopecks.

    ``charge`` is the index of the charge that it pays; None: the oldest first.
    """

    on: date
    amount: Kopecks
    charge: int | None = None


class Due(msgspec.Struct, frozen=True):
    """A charge whose due date is known."""

    amount: Kopecks
    period: str
    due_on: date
    effective_on: date | None = None
    unconfirmed: bool = False

    @property
    def late_after(self) -> date:
        """The last day that is not a day of delay."""
        return max(self.due_on, self.effective_on) if self.effective_on else self.due_on


class Part(msgspec.Struct, frozen=True):
    """A part of a charge, with the day on which it was paid; None: it is unpaid."""

    amount: Kopecks
    paid_on: date | None = None


class MatchedPayments(msgspec.Struct, frozen=True):
    """The parts of each charge, and what is left of the credits as an advance."""

    parts: list[list[Part]]
    advance: Kopecks


def due(charge: Charge, rules: PenaltyRules) -> Due:
    """Find the due date of a charge.

    Raises ValidationFailed ``invalid_amount``, ``invalid_day``, ``invalid_period``, ``no_due_day``.
    """
    if not 0 <= charge.amount <= MAX_AMOUNT:
        raise ValidationFailed("invalid_amount", "A charge is a positive sum of kopecks.")
    day, unconfirmed = charge.due_on, False
    if day is None:
        day = due_on(charge.period, rules)
        unconfirmed = due_day_of(charge.period, rules).unconfirmed
    for known in (day, charge.effective_on):
        if known is not None:
            check_day(known)
    return Due(charge.amount, charge.period, day, charge.effective_on, unconfirmed)


def check_day(day: date) -> None:
    """Raise ValidationFailed ``invalid_day`` for a day beyond LAST_DAY."""
    if day > LAST_DAY:
        raise ValidationFailed("invalid_day", f"{day} is beyond {LAST_DAY}: check the year.")


def match_payments(charges: Sequence[Due], credits: Sequence[Credit], on: date) -> MatchedPayments:
    """Divide charges into parts by the day each part was paid, as of a day.

    Credits count in the order of their days, those after ``on`` not at all. One that names its
    charge pays that, and may not exceed what is open of it (``credit_exceeds_charge``); others
    pay the oldest due date first, and what is left waits as an advance for charges that take
    effect later. Raises ValidationFailed ``invalid_amount`` and ``unknown_charge`` too.
    """
    matcher = _Matcher(charges)
    # What takes effect on one day comes oldest first too: an advance may be too small for all.
    arrivals = [
        (charge.effective_on or date.min, charge.due_on, charge.period, index)
        for index, charge in enumerate(charges)
    ]
    arrivals.sort(reverse=True)
    for credit in sorted(credits, key=lambda credit: credit.on):
        _check_credit(credit, charges)
        if credit.on > on:
            continue
        while arrivals and arrivals[-1][0] <= credit.on:
            matcher.charge(arrivals.pop()[-1])
        matcher.credit(credit)
    while arrivals and arrivals[-1][0] <= on:
        matcher.charge(arrivals.pop()[-1])
    return matcher.result()


class _Matcher:
    """The charges and their credits, day by day."""

    def __init__(self, charges: Sequence[Due]) -> None:
        self._charges = charges
        self._left = [charge.amount for charge in charges]
        self._parts: list[list[Part]] = [[] for _ in charges]
        self._open: list[tuple[date, str, int]] = []  # oldest first
        self._advances: list[Credit] = []

    def charge(self, index: int) -> None:
        """Let a charge take effect; advances pay it at once."""
        charge = self._charges[index]
        insort(self._open, (charge.due_on, charge.period, index))
        advances, self._advances = self._advances, []
        for credit in advances:
            self._pay_oldest(credit)

    def credit(self, credit: Credit) -> None:
        """Let a credit pay the charge that it names, or the oldest."""
        if credit.charge is None:
            self._pay_oldest(credit)
            return
        if credit.amount > self._left[credit.charge]:
            raise ValidationFailed(
                "credit_exceeds_charge",
                f"The {format_roubles(credit.amount)} of {credit.on} are more than what is open "
                f"of their charge, {format_roubles(self._left[credit.charge])}.",
            )
        self._take(credit.charge, credit.amount, credit.on)

    def result(self) -> MatchedPayments:
        """Return the parts, the unpaid ones last."""
        for parts, left in zip(self._parts, self._left, strict=True):
            if left:
                parts.append(Part(left))
        return MatchedPayments(self._parts, sum(credit.amount for credit in self._advances))

    def _pay_oldest(self, credit: Credit) -> None:
        amount = credit.amount
        while amount and self._open:
            index = self._open[0][2]
            taken = min(amount, self._left[index])
            if taken:
                self._take(index, taken, credit.on)
                amount -= taken
            if not self._left[index]:
                self._open.pop(0)
        if amount:
            self._advances.append(Credit(on=credit.on, amount=amount))

    def _take(self, index: int, amount: Kopecks, on: date) -> None:
        self._left[index] -= amount
        self._parts[index].append(Part(amount, on))


def _check_credit(credit: Credit, charges: Sequence[Due]) -> None:
    if not 0 < credit.amount <= MAX_AMOUNT:
        raise ValidationFailed("invalid_amount", "A payment is a positive sum of kopecks.")
    if credit.charge is not None and not 0 <= credit.charge < len(charges):
        raise ValidationFailed(
            "unknown_charge", f"There is no charge {credit.charge} for a payment to pay."
        )
