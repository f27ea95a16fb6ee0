"""Money is a whole number of kopecks, everywhere; this module reads, writes and divides it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

Kopecks: TypeAlias = int
"""An amount in kopecks (1/100 of a rouble); negative where a sign has a meaning."""

MAX_AMOUNT: Kopecks = 10**13
"""The largest amount of one posting: 100 billion roubles, far inside a signed 64-bit integer
even when a million of them are added up."""

_ROUBLES = re.compile(r"(?P<sign>[-+]?)(?P<whole>[0-9]{1,12})(?:[.,](?P<part>[0-9]{1,2}))?")


def parse_roubles(text: str) -> Kopecks:
    """Read an amount written in roubles: ``4 500,00``, ``4500.5``, ``-12``.

    Spaces (also the non-breaking ones of Russian typography) may group the thousands; either a
    comma or a full stop separates the kopecks. Raises ValueError for anything else: a third
    decimal is refused, not rounded.
    """
    compact = re.sub(r"[\s\u00a0\u202f]", "", text)
    match = _ROUBLES.fullmatch(compact)
    if match is None:
        raise ValueError(f"{text!r} is not an amount in roubles; write it like 4500,00")
    kopecks = int(match["whole"]) * 100 + int((match["part"] or "").ljust(2, "0"))
    if kopecks > MAX_AMOUNT:
        raise ValueError(f"{text!r} is more than the largest amount of one posting")
    return -kopecks if match["sign"] == "-" else kopecks


def format_roubles(amount: Kopecks) -> str:
    """Format an amount the Russian way: ``4 500,00`` (non-breaking spaces)."""
    roubles, kopecks = divmod(abs(amount), 100)
    grouped = f"{roubles:,}".replace(",", "\u00a0")
    return f"{'-' if amount < 0 else ''}{grouped},{kopecks:02d}"


def split_pro_rata(amount: Kopecks, weights: Sequence[int]) -> list[Kopecks]:
    """Divide an amount in proportion to weights by the largest-remainder method.

    The parts always add up to the amount. Ties go to the earlier part, so that the same input
    gives the same division everywhere. Raises ValueError for a negative amount or weight, and
    when there is something to divide but all weights are zero.
    """
    if amount < 0 or any(weight < 0 for weight in weights):
        raise ValueError("amounts and weights to divide must not be negative")
    total = sum(weights)
    if total == 0:
        if amount:
            raise ValueError("cannot divide an amount over weights that are all zero")
        return [0] * len(weights)
    if amount == total:
        return list(weights)
    if len(weights) == 1:
        return [amount]
    parts = [amount * weight // total for weight in weights]
    remainders = [amount * weight % total for weight in weights]
    left = amount - sum(parts)
    for index in sorted(range(len(parts)), key=lambda i: (-remainders[i], i))[:left]:
        parts[index] += 1
    return parts
