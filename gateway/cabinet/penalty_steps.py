"""When a penalty grows faster: the next day on which the law takes a larger share of the rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import Any


def next_step(debts: Sequence[Mapping[str, Any]], on: date) -> tuple[date, str, str] | None:
    """Return the first day after ``on`` on which a debt bears a larger penalty a day.

    With that day come the shares of the yearly rate before and after it, as in ``1/300``; the one
    before is "" where nothing accrued. ``debts`` are those of a forecast well past the day.
    """
    steps = []
    for debt in debts:
        for before, after in pairwise(debt["segments"]):
            first_day = date.fromisoformat(after["from"])
            if (
                first_day > on
                and before["base"] == after["base"]
                and _share(after) > _share(before)
            ):
                steps.append((first_day, _written(before), _written(after)))
    return min(steps, default=None)


def _share(segment: Mapping[str, Any]) -> Fraction:
    return Fraction(1, segment["divisor"]) if segment["divisor"] else Fraction(0)


def _written(segment: Mapping[str, Any]) -> str:
    return f"1/{segment['divisor']}" if segment["divisor"] else ""
