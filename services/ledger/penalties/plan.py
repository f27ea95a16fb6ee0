"""The segments of a debt without its amounts: days, rates and divisors.

They depend only on the kind of payer, the day the delay begins, the day of the calculation and the
days on which parts of the debt were paid. There are few such combinations and many debts, so plans
are cached; only the sums differ from debt to debt.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache

import msgspec

from services.ledger.penalties.rules import PenaltyRules, Rate
from services.ledger.penalties.timeline import RatePeriod, Reason, timeline
from shared.money import Kopecks
from shared.payer_kinds import PayerKind

_A_DAY = timedelta(days=1)
_FEW_PARTS = 6
"""The plan of a debt paid in more parts than this is not cached: it is hardly used again."""


class PlannedSegment(msgspec.Struct, frozen=True):
    """A segment without its sums: its base is the sum of a group's parts from the ``start``-th on.

    ``over / under`` of the base is the penalty for all its days; ``under`` is 0 where nothing is
    borne. The other fields are those of a segment.
    """

    first_day: date
    last_day: date
    days: int
    rate: Decimal | None
    divisor: int | None
    reason: Reason
    basis: tuple[str, ...]
    provisional: bool
    unconfirmed: bool
    group: int
    start: int
    over: int
    under: int

    def amount(self, base: Kopecks) -> Kopecks:
        """Return the penalty on a base, rounded half up once."""
        under = self.under
        return (2 * base * self.over + under) // (2 * under) if under else 0


class Plan(msgspec.Struct, frozen=True):
    """The segments in the order of their days, and the groups: which parts, in which order."""

    groups: tuple[tuple[int, ...], ...]
    segments: tuple[PlannedSegment, ...]


def plan_of(
    rules: PenaltyRules,
    payer: PayerKind,
    first_day: date,
    on: date,
    paid_on: tuple[date | None, ...],
) -> Plan:
    """Return the plan of a debt whose delay begins on a day, as of a day.

    ``paid_on`` has the day on which each part was paid, None for what is unpaid; each is on
    ``first_day`` or later, and none is after ``on``. Raises ValidationFailed for days that
    the rules do not cover.
    """
    if len(paid_on) <= _FEW_PARTS:
        return _kept_plan(rules, payer, first_day, on, paid_on)
    return _plan(rules, payer, first_day, on, paid_on)


def _plan(
    rules: PenaltyRules,
    payer: PayerKind,
    first_day: date,
    on: date,
    paid_on: tuple[date | None, ...],
) -> Plan:
    everything = _Group(0, range(len(paid_on)), paid_on, on)
    groups, by_rate = [everything], list[_Group]()
    segments: list[PlannedSegment] = []
    for period in timeline(rules, payer, first_day):
        if period.first_day > everything.last_day:
            break
        if period.divisor is None:
            segments += everything.segments(period)
            continue
        if not by_rate:
            by_rate = _by_rate(paid_on, on, period.first_day, rules)
            groups += by_rate
        found = [segment for group in by_rate for segment in group.segments(period)]
        segments += sorted(found, key=lambda segment: segment.first_day)
    return Plan(tuple(group.order for group in groups), tuple(segments))


_kept_plan = lru_cache(maxsize=16_384)(_plan)


def _by_rate(
    paid_on: Sequence[date | None], on: date, first_day: date, rules: PenaltyRules
) -> list[_Group]:
    """Divide a debt by the rates of the days on which its parts were paid.

    Parts paid before the first day that bears anything are left out: their rate does not matter.
    Parts of one rate stay one debt: they are rounded together.
    """
    rates: dict[Decimal, tuple[Rate, list[int]]] = {}
    for part, day in enumerate(paid_on):
        if (day or on) >= first_day:
            rate = rules.rate_on(day or on)
            known = rates.setdefault(rate.percent, (rate, []))
            known[1].append(part)
            if rate.unconfirmed and not known[0].unconfirmed:
                rates[rate.percent] = (rate, known[1])
    return [
        _Group(number, alike, paid_on, on, rate)
        for number, (rate, alike) in enumerate(rates.values(), start=1)
    ]


class _Group:
    """Parts that bear the same rate, and the days on which they were open."""

    def __init__(
        self,
        number: int,
        parts: Sequence[int],
        paid_on: Sequence[date | None],
        on: date,
        rate: Rate | None = None,
    ) -> None:
        self._number = number
        self._rate = rate
        self.order = tuple(sorted(parts, key=lambda part: paid_on[part] or on))
        self._days = [paid_on[part] or on for part in self.order]
        self._unpaid = any(paid_on[part] is None for part in parts)

    @property
    def last_day(self) -> date:
        """The last day on which any of it was open."""
        return self._days[-1]

    def segments(self, period: RatePeriod) -> Iterator[PlannedSegment]:
        """Yield the segments of a rate period: a new one after each day of payment."""
        first_day = period.first_day
        start = bisect_left(self._days, first_day)
        while start < len(self._days) and first_day <= period.last_day:
            last_day = min(self._days[start], period.last_day)
            yield self._segment(period, first_day, last_day, start)
            first_day = last_day + _A_DAY
            start = bisect_left(self._days, first_day, start)

    def _segment(
        self, period: RatePeriod, first_day: date, last_day: date, start: int
    ) -> PlannedSegment:
        days, rate, divisor = (last_day - first_day).days + 1, self._rate, period.divisor
        bears = rate is not None and divisor is not None
        return PlannedSegment(
            first_day=first_day,
            last_day=last_day,
            days=days,
            rate=rate.percent if rate is not None and bears else None,
            divisor=divisor,
            reason=period.reason,
            basis=period.basis + rate.basis if rate is not None and bears else period.basis,
            # What is unpaid outlasts every part that was paid, so it is in each segment.
            provisional=self._unpaid and bears,
            unconfirmed=period.unconfirmed or (rate is not None and bears and rate.unconfirmed),
            group=self._number,
            start=start,
            over=days * rate.numerator if rate is not None else 0,
            under=rate.denominator * divisor if rate is not None and divisor is not None else 0,
        )
