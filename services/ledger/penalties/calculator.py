"""The penalty for late payment, as segments of days that bear the same (ЖК РФ ст. 155 ч. 14).

Pure functions of charges, credits, the kind of payer, a day and the rules. A part of a charge
bears, for every day of its delay, the day of payment included, a part of the rate of the day on
which it was paid; what is unpaid goes by the rate of the day of the calculation, and is
provisional. Amounts are kopecks, exact fractions inside, rounded half up once per segment.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import msgspec

from services.ledger.penalties.rules import PayerKind, PenaltyRules, Rate
from services.ledger.penalties.settling import Charge, Credit, Due, Part, check_day, due, settle
from services.ledger.penalties.timeline import Reason, Stretch, timeline
from shared.money import Kopecks

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
    """The penalty on one charge. ``late_after`` is the last day that was not a day of delay."""

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
        """Whether a later payment may change what has accrued."""
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


class Forecast(msgspec.Struct, frozen=True):
    """What there is to pay on a day: the open principal, the penalty by then, and their sum."""

    on: date
    principal: Kopecks
    penalty: Penalty
    total: Kopecks


def calculate(
    charges: Sequence[Charge],
    credits: Sequence[Credit],  # noqa: A002
    payer: PayerKind,
    on: date,
    rules: PenaltyRules,
) -> Penalty:
    """Calculate the penalty on charges as of a day; credits after the day are left out.

    Raises ValidationFailed for charges and credits that cannot be (see ``settling``), and for days
    on which the rules are silent (``no_key_rate``, ``no_penalty_rule``).
    """
    check_day(on)
    dues = [due(charge, rules) for charge in charges]
    settlement = settle(dues, credits, on)
    told = tuple(
        penalty_on(charge, parts, payer, on, rules)
        for charge, parts in zip(dues, settlement.parts, strict=True)
    )
    return Penalty(
        payer=payer,
        on=on,
        rule_version=rules.version,
        charges=told,
        total=sum(charge.total for charge in told),
        provisional=any(charge.provisional for charge in told),
        unconfirmed=any(charge.unconfirmed for charge in told),
        advance=settlement.advance,
        left_out=tuple(credit for credit in credits if credit.on > on),
    )


def forecast(
    charges: Sequence[Charge],
    credits: Sequence[Credit],  # noqa: A002
    payer: PayerKind,
    pay_on: date,
    rules: PenaltyRules,
) -> Forecast:
    """Answer what there is to pay on a day, should everything open be paid on it.

    Paid on that day, the open parts take its rate, so this is the calculation as of that day.
    """
    penalty = calculate(charges, credits, payer, pay_on, rules)
    return Forecast(pay_on, penalty.unpaid, penalty, penalty.unpaid + penalty.total)


def penalty_on(
    charge: Due, parts: Iterable[Part], payer: PayerKind, on: date, rules: PenaltyRules
) -> ChargePenalty:
    """Calculate the penalty on one charge, whose parts are known, as of a day.

    A part paid after the day counts as unpaid.
    """
    parts = [part if part.paid_on and part.paid_on <= on else Part(part.amount) for part in parts]
    late = [part for part in parts if (part.paid_on or on) > charge.late_after and part.amount]
    segments: tuple[Segment, ...] = ()
    if late:
        first_day = charge.late_after + _A_DAY
        last_day = max(part.paid_on or on for part in late)
        stretches = [
            stretch
            for stretch in timeline(rules, payer, first_day)
            if stretch.first_day <= last_day
        ]
        segments = tuple(_segments(stretches, late, on, rules))
    is_owed = charge.effective_on is None or charge.effective_on <= on
    return ChargePenalty(
        period=charge.period,
        due_on=charge.due_on,
        late_after=charge.late_after,
        principal=charge.amount,
        unpaid=sum(part.amount for part in parts if part.paid_on is None and is_owed),
        segments=segments,
        total=sum(segment.amount for segment in segments),
        unconfirmed=(charge.unconfirmed and bool(segments))
        or any(segment.unconfirmed for segment in segments),
    )


def _segments(
    stretches: Sequence[Stretch], parts: Sequence[Part], on: date, rules: PenaltyRules
) -> Iterator[Segment]:
    by_rate: list[_Debt] | None = None
    for stretch in stretches:
        if stretch.divisor is None:
            yield from _Debt(parts, on).segments(stretch)
        else:
            by_rate = by_rate or _debts_by_rate(parts, on, stretch.first_day, rules)
            if len(by_rate) == 1:
                yield from by_rate[0].segments(stretch)
            else:
                found = [segment for debt in by_rate for segment in debt.segments(stretch)]
                yield from sorted(found, key=lambda segment: segment.first_day)


def _debts_by_rate(
    parts: Sequence[Part], on: date, first_day: date, rules: PenaltyRules
) -> list[_Debt]:
    """Divide a debt by the rates of the days on which its parts were paid.

    Parts paid before the first day that bears anything are left out, their rate being of no
    account. Parts of one rate stay one debt: they are rounded together.
    """
    rates: dict[Decimal, tuple[Rate, list[Part]]] = {}
    for part in parts:
        paid_on = part.paid_on or on
        if paid_on >= first_day:
            rate = rules.rate_on(paid_on)
            known = rates.setdefault(rate.percent, (rate, []))
            known[1].append(part)
            if rate.unconfirmed and not known[0].unconfirmed:
                rates[rate.percent] = (rate, known[1])
    return [_Debt(alike, on, rate) for rate, alike in rates.values()]


class _Debt:
    """Parts that bear alike: how much of them was open on which days."""

    def __init__(self, parts: Sequence[Part], on: date, rate: Rate | None = None) -> None:
        self._rate = rate
        by_day: dict[date, Kopecks] = {}
        for part in parts:
            last_day = part.paid_on or on
            by_day[last_day] = by_day.get(last_day, 0) + part.amount
        self._last_days = sorted(by_day)
        self._bases = [by_day[day] for day in self._last_days]
        for index in range(len(self._bases) - 2, -1, -1):
            self._bases[index] += self._bases[index + 1]
        self._unpaid = any(part.paid_on is None for part in parts)

    def segments(self, stretch: Stretch) -> Iterator[Segment]:
        """Yield the segments of a stretch: a new one after each day on which a part was paid."""
        first_day = stretch.first_day
        for index in range(bisect_left(self._last_days, first_day), len(self._last_days)):
            if first_day > stretch.last_day:
                return
            last_day = min(self._last_days[index], stretch.last_day)
            yield self._segment(stretch, first_day, last_day, self._bases[index])
            first_day = last_day + _A_DAY

    def _segment(self, stretch: Stretch, first_day: date, last_day: date, base: Kopecks) -> Segment:
        days, rate, divisor = (last_day - first_day).days + 1, self._rate, stretch.divisor
        amount, percent = 0, None
        basis, unconfirmed = stretch.basis, stretch.unconfirmed
        if rate is not None and divisor is not None:
            percent = rate.percent
            basis, unconfirmed = basis + rate.basis, unconfirmed or rate.unconfirmed
            over, under = days * base * rate.numerator, rate.denominator * divisor
            amount = (2 * over + under) // (2 * under)
        return Segment(
            first_day=first_day,
            last_day=last_day,
            days=days,
            base=base,
            rate=percent,
            divisor=divisor,
            amount=amount,
            reason=stretch.reason,
            basis=basis,
            # What is unpaid outlasts every part that was paid, so it is in each segment.
            provisional=self._unpaid and percent is not None,
            unconfirmed=unconfirmed,
        )
