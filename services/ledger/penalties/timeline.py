"""The rate periods of a delay: runs of days that bear the same part of the rate.

They depend only on the payer's kind and the day the delay begins, so all accounts share a handful
of timelines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

import msgspec
from msgspec.structs import replace

from services.ledger.penalties.rules import Moratorium, PenaltyRules
from shared.errors import ValidationFailed
from shared.payer_kinds import PayerKind

Reason = Literal["accrual", "deferment", "moratorium"]
"""Why a day bears a part of the rate, or nothing."""

LAST_DAY = date(2199, 12, 31)
"""The last day of any calculation: far beyond any debt, and safe for date arithmetic."""

_A_DAY = timedelta(days=1)


class RatePeriod(msgspec.Struct, frozen=True):
    """Days (both included) on which a debt bears 1/divisor of the rate; None: it bears nothing.

    ``basis`` names the law, as the rules do.
    """

    first_day: date
    last_day: date
    divisor: int | None
    reason: Reason
    basis: tuple[str, ...]
    unconfirmed: bool = False


@lru_cache(maxsize=4096)
def timeline(rules: PenaltyRules, payer: PayerKind, first_day: date) -> tuple[RatePeriod, ...]:
    """Return the rate periods of a delay that begins on a day, until LAST_DAY without a gap.

    Raises ValidationFailed ``no_penalty_rule`` for a delay that begins before the first rule.
    """
    periods: list[RatePeriod] = []
    for period in _bands(rules, payer, first_day):
        pieces = [period] if period.divisor is None else _spare(period, rules, payer)
        for piece in pieces:
            if periods and _alike(periods[-1], piece):
                periods[-1] = replace(periods[-1], last_day=piece.last_day)
            else:
                periods.append(piece)
    return tuple(periods)


def _bands(rules: PenaltyRules, payer: PayerKind, first_day: date) -> Iterator[RatePeriod]:
    dated = rules.rules_of(payer)
    if first_day < dated[0].first_day:
        raise ValidationFailed(
            "no_penalty_rule",
            f"The penalty rules for {payer} begin on {dated[0].first_day}, and this delay on "
            f"{first_day}: add the rule of that day.",
            payer=payer,
            day=first_day.isoformat(),
        )
    ends = [rule.first_day - _A_DAY for rule in dated[1:]]
    for rule, end in zip(dated, [*ends, LAST_DAY], strict=True):
        for band in rule.bands:
            begin = max(first_day + timedelta(days=band.from_day - 1), rule.first_day)
            last = end
            if band.to_day is not None:
                last = min(first_day + timedelta(days=band.to_day - 1), end)
            if begin <= last:
                reason: Reason = "accrual" if band.divisor else "deferment"
                yield RatePeriod(begin, last, band.divisor, reason, (rule.source,))


def _spare(period: RatePeriod, rules: PenaltyRules, payer: PayerKind) -> Iterator[RatePeriod]:
    """Yield a period that accrues with the moratoria cut out of it."""
    begin = period.first_day
    moratoria: Sequence[Moratorium] = rules.moratoria_of(payer)
    for moratorium in moratoria:
        spared, last = max(moratorium.first_day, begin), min(moratorium.last_day, period.last_day)
        if spared > last:
            continue
        if begin < spared:
            yield replace(period, first_day=begin, last_day=spared - _A_DAY)
        yield RatePeriod(
            spared, last, None, "moratorium", (moratorium.source,), moratorium.unconfirmed
        )
        begin = last + _A_DAY
    if begin <= period.last_day:
        yield replace(period, first_day=begin)


def _alike(period: RatePeriod, after: RatePeriod) -> bool:
    return (period.divisor, period.reason, period.unconfirmed) == (
        after.divisor,
        after.reason,
        after.unconfirmed,
    )
