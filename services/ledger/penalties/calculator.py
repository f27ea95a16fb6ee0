"""The penalty for late payment, as segments of days that bear the same (ЖК РФ ст. 155 ч. 14).

Pure functions of charges, credits, the kind of payer, a day and the rules. A part of a charge
bears, for every day of its delay, the day of payment included, a part of the rate of the day on
which it was paid; what is unpaid bears the rate of the day of the calculation, and is provisional.
Amounts are kopecks, exact fractions inside, rounded half up once per segment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import msgspec

from services.ledger.penalties.payment_matching import (
    Charge,
    Credit,
    Due,
    Part,
    check_day,
    due,
    match_payments,
)
from services.ledger.penalties.plan import Plan, plan_of
from services.ledger.penalties.rules import PenaltyRules
from services.ledger.penalties.timeline import Reason
from shared.money import Kopecks
from shared.payer_kinds import PayerKind

_A_DAY = timedelta(days=1)


class Segment(msgspec.Struct, frozen=True):
    """Days (both included) on which the same debt bears the same part of the same rate.

    ``base`` and ``amount`` are kopecks. ``rate`` is in % a year and ``divisor`` says which part of
    it a day bears; both are None where nothing is borne, and ``reason`` says why. ``provisional``:
    it bears a penalty on something unpaid, whose payment will decide the rate. ``unconfirmed``: it
    rests on a rule that is marked so. ``basis`` names the law.
    """

    first_day: date
    last_day: date
    days: int
    base: Kopecks
    rate: Decimal | None
    divisor: int | None
    amount: Kopecks
    reason: Reason
    basis: tuple[str, ...]
    provisional: bool
    unconfirmed: bool

    @property
    def exact(self) -> Fraction:
        """The penalty in kopecks before rounding."""
        if self.rate is None or self.divisor is None:
            return Fraction(0)
        return Fraction(self.rate) * (self.days * self.base) / (100 * self.divisor)


class ChargePenalty(msgspec.Struct, frozen=True):
    """The penalty on one charge, by the rules for ``payer``.

    ``late_after`` is the last day that was not a day of delay.
    """

    payer: PayerKind
    period: str
    due_on: date
    late_after: date
    principal: Kopecks
    unpaid: Kopecks
    segments: tuple[Segment, ...]
    total: Kopecks
    unconfirmed: bool

    @property
    def exact(self) -> Fraction:
        """The penalty in kopecks before rounding."""
        return sum((segment.exact for segment in self.segments), Fraction(0))

    @property
    def provisional(self) -> bool:
        """Whether a later payment may change what is accrued."""
        return any(segment.provisional for segment in self.segments)


class Penalty(msgspec.Struct, frozen=True):
    """The penalty on all charges as of a day, which counts as a day of delay.

    ``advance`` is what the credits hold beyond the charges; ``left_out`` the credits after the day.
    """

    payer: PayerKind
    on: date
    rule_version: str
    charges: tuple[ChargePenalty, ...]
    total: Kopecks
    provisional: bool
    unconfirmed: bool
    advance: Kopecks
    left_out: tuple[Credit, ...]

    @property
    def exact(self) -> Fraction:
        """The penalty in kopecks before rounding."""
        return sum((charge.exact for charge in self.charges), Fraction(0))

    @property
    def unpaid(self) -> Kopecks:
        """The principal that is still open on the day."""
        return sum(charge.unpaid for charge in self.charges)


def calculate(
    charges: Sequence[Charge],
    credits: Sequence[Credit],
    payer: PayerKind,
    on: date,
    rules: PenaltyRules,
) -> Penalty:
    """Calculate the penalty on charges as of a day; credits after the day are left out.

    Raises ValidationFailed for invalid charges and credits (see :mod:`payment_matching`), and for
    days that the rules do not cover (``no_key_rate``, ``no_penalty_rule``).
    """
    check_day(on)
    dues = [due(charge, rules) for charge in charges]
    matched = match_payments(dues, credits, on)
    penalties = tuple(
        penalty_on(charge, parts, payer, on, rules)
        for charge, parts in zip(dues, matched.parts, strict=True)
    )
    return Penalty(
        payer=payer,
        on=on,
        rule_version=rules.version,
        charges=penalties,
        total=sum(charge.total for charge in penalties),
        provisional=any(charge.provisional for charge in penalties),
        unconfirmed=any(charge.unconfirmed for charge in penalties),
        advance=matched.advance,
        left_out=tuple(credit for credit in credits if credit.on > on),
    )


def penalty_on(
    charge: Due, parts: Iterable[Part], payer: PayerKind, on: date, rules: PenaltyRules
) -> ChargePenalty:
    """Calculate the penalty on one charge, whose parts are known, as of a day.

    A part paid after the day counts as unpaid.
    """
    late_after = charge.late_after
    unpaid, days, amounts = 0, list[date | None](), list[Kopecks]()
    for part in parts:
        paid_on = part.paid_on
        if paid_on is None or paid_on > on:
            paid_on = None
            unpaid += part.amount
        if part.amount and (paid_on or on) > late_after:
            days.append(paid_on)
            amounts.append(part.amount)
    segments: tuple[Segment, ...] = ()
    if days:
        plan = plan_of(rules, payer, late_after + _A_DAY, on, tuple(days))
        segments = _segments(plan, amounts)
    is_owed = charge.effective_on is None or charge.effective_on <= on
    return ChargePenalty(
        payer=payer,
        period=charge.period,
        due_on=charge.due_on,
        late_after=late_after,
        principal=charge.amount,
        unpaid=unpaid if is_owed else 0,
        segments=segments,
        total=sum([segment.amount for segment in segments]),
        unconfirmed=(charge.unconfirmed and bool(segments))
        or any(segment.unconfirmed for segment in segments),
    )


def _segments(plan: Plan, amounts: Sequence[Kopecks]) -> tuple[Segment, ...]:
    """Put the amounts of a debt's parts into its plan."""
    open_from = []
    for group in plan.groups:
        sums, total = [0] * len(group), 0
        for place in range(len(group) - 1, -1, -1):
            total += amounts[group[place]]
            sums[place] = total
        open_from.append(sums)
    segments = []
    for planned in plan.segments:
        base = open_from[planned.group][planned.start]
        segments.append(
            # By position, for speed: this is done for every debt.
            Segment(
                planned.first_day,
                planned.last_day,
                planned.days,
                base,
                planned.rate,
                planned.divisor,
                planned.amount(base),
                planned.reason,
                planned.basis,
                planned.provisional,
                planned.unconfirmed,
            )
        )
    return tuple(segments)
