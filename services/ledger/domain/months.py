"""Months as ranges: what an account was billed for takes no more space with the years.

A range is ``2016-01..2026-03``, a single month ``2026-03``. Nearly all accounts have been billed
for the same months, so both directions are remembered.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

_BETWEEN = ".."


@lru_cache(maxsize=4_096)
def month_ranges(months: frozenset[str]) -> tuple[str, ...]:
    """Return the shortest list of ranges that covers these months, in order."""
    if not months:
        return ()
    ordered = sorted(months)
    ends = [month for month, later in pairwise(ordered) if _next(month) != later]
    starts = [later for month, later in pairwise(ordered) if _next(month) != later]
    return tuple(
        first if first == last else f"{first}{_BETWEEN}{last}"
        for first, last in zip([ordered[0], *starts], [*ends, ordered[-1]], strict=True)
    )


@lru_cache(maxsize=4_096)
def months_in(ranges: tuple[str, ...]) -> frozenset[str]:
    """Return the months of some ranges."""
    months = set[str]()
    for text in ranges:
        month, _, last = text.partition(_BETWEEN)
        months.add(month)
        while month < last:
            month = _next(month)
            months.add(month)
    return frozenset(months)


@lru_cache(maxsize=4_096)
def with_month(months: frozenset[str], month: str) -> frozenset[str]:
    """Return these months and one more."""
    return months | {month}


def _next(month: str) -> str:
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12:04}-{number % 12 + 1:02}"
