"""The penalty for late payment, computed from the text of the law (ЖК РФ ст. 155 ч. 14, 14.1).

It is independent of the ledger's calculator: it has its own small table of key rates, and a debt is
a list of parts, each unpaid or paid on a day, charged by segments of days with the same sum and
rate. No moratorium falls within the simulated years.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction

DIVISORS: dict[str, list[tuple[int, int]]] = {
    # (first day of delay, divisor): from then on each day bears 1/divisor of the rate.
    "household": [(31, 300), (91, 130)],
    "capital_repair": [(31, 300)],
    "organisation": [(1, 130)],
    "managing_company": [(1, 300), (61, 170), (91, 130)],
}
KEY_RATES = [
    (date(2022, 9, 19), "7.50"),
    (date(2023, 7, 24), "8.50"),
    (date(2023, 8, 15), "12.00"),  # higher from then on, so the cap applies
]
CAP = Fraction("9.5")
CAPPED_TO = date(2026, 12, 31)
FOREVER = 10**6


@dataclass
class Late:
    """A debt: payer kind, last day in time, and parts as (kopecks, day paid or None)."""

    payer_kind: str
    in_time_to: date
    parts: list[tuple[int, date | None]] = field(default_factory=list)


def penalty_by_law(late: Late, on: date) -> int:
    """Return kopecks by the end of a day, each segment rounded half up."""
    total = 0
    by_rate: dict[Fraction, list[tuple[int, date]]] = {}
    for amount, paid_on in late.parts:
        end = on if paid_on is None or paid_on > on else paid_on
        if end > late.in_time_to:
            by_rate.setdefault(rate_on(end), []).append((amount, end))
    for rate, parts in by_rate.items():
        total += _of_one_rate(late, rate, parts)
    return total


def rate_on(day: date) -> Fraction:
    """Return per cent a year: the key rate on the day of payment, but not above the cap."""
    assert KEY_RATES[0][0] <= day <= CAPPED_TO, "the simulated days are within the table"
    place = bisect_right([since for since, _ in KEY_RATES], day) - 1
    return min(CAP, Fraction(KEY_RATES[place][1]))


def _of_one_rate(late: Late, rate: Fraction, parts: list[tuple[int, date]]) -> int:
    total, bands = 0, DIVISORS[late.payer_kind]
    ends = [first - 1 for first, _ in bands[1:]] + [FOREVER]
    last_paid = max(end for _, end in parts)
    for (first, divisor), last in zip(bands, ends, strict=True):
        begin = late.in_time_to + timedelta(first)
        while begin <= last_paid and (begin - late.in_time_to).days <= last:
            unpaid = [(amount, end) for amount, end in parts if end >= begin]
            end = min(end for _, end in unpaid)
            if (end - late.in_time_to).days > last:
                end = late.in_time_to + timedelta(last)
            base, days = sum(amount for amount, _ in unpaid), (end - begin).days + 1
            exact = base * days * rate / (100 * divisor)
            total += int(exact + Fraction(1, 2))
            begin = end + timedelta(1)
    return total
