"""What each day of a delay bears, as few stretches of days that are alike.

It depends only on the payer's kind and the day the delay begins, so that the accounts of a city
share a handful of timelines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

import msgspec
from msgspec.structs import replace

from services.ledger.penalties.rules import Moratorium, PayerKind, PenaltyRules
from shared.errors import ValidationFailed

Reason = Literal["accrual", "deferment", "moratorium"]
"""Why a day bears what it bears: a part of the rate, or nothing."""

LAST_DAY = date(2199, 12, 31)
"""The last day that can be reckoned with: far beyond any debt, and safe to count on from."""

_A_DAY = timedelta(days=1)


class Stretch(msgspec.Struct, frozen=True):
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
def timeline(rules: PenaltyRules, payer: PayerKind, first_day: date) -> tuple[Stretch, ...]:
    """Return what the days bear of a delay that begins on a day, until LAST_DAY without a gap.

    Raises ValidationFailed ``no_penalty_rule`` for a delay that begins before the first rule.
    """
    stretches: list[Stretch] = []
    for stretch in _bands(rules, payer, first_day):
        pieces = [stretch] if stretch.divisor is None else _spare(stretch, rules, payer)
        for piece in pieces:
            if stretches and _alike(stretches[-1], piece):
                stretches[-1] = replace(stretches[-1], last_day=piece.last_day)
            else:
                stretches.append(piece)
    return tuple(stretches)


def _bands(rules: PenaltyRules, payer: PayerKind, first_day: date) -> Iterator[Stretch]:
    dated = rules.rules_of(payer)
    if first_day < dated[0].first_day:
        raise ValidationFailed(
            "no_penalty_rule",
            f"The penalty rules for {payer} begin on {dated[0].first_day}, and this delay on "
            f"{first_day}: add the rule that held then.",
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
                yield Stretch(begin, last, band.divisor, reason, (rule.source,))


def _spare(stretch: Stretch, rules: PenaltyRules, payer: PayerKind) -> Iterator[Stretch]:
    """Cut the moratoria out of a stretch that would accrue."""
    begin = stretch.first_day
    moratoria: Sequence[Moratorium] = rules.moratoria_of(payer)
    for span in moratoria:
        spared, last = max(span.first_day, begin), min(span.last_day, stretch.last_day)
        if spared > last:
            continue
        if begin < spared:
            yield replace(stretch, first_day=begin, last_day=spared - _A_DAY)
        yield Stretch(spared, last, None, "moratorium", (span.source,), span.unconfirmed)
        begin = last + _A_DAY
    if begin <= stretch.last_day:
        yield replace(stretch, first_day=begin)


def _alike(stretch: Stretch, after: Stretch) -> bool:
    return (stretch.divisor, stretch.reason, stretch.unconfirmed) == (
        after.divisor,
        after.reason,
        after.unconfirmed,
    )
