"""Penalties the slow way: part by part of a debt, day by day, written from the law alone.

Nothing here is shared with the product, the tables included, and nothing is clever.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction

KEY_RATES_TEXT = """
2019-06-17 7.50  2019-07-29 7.25  2019-09-09 7.00  2019-10-28 6.50  2019-12-16 6.25
2020-02-10 6.00  2020-04-27 5.50  2020-06-22 4.50  2020-07-27 4.25  2021-03-22 4.50
2021-04-26 5.00  2021-06-15 5.50  2021-07-26 6.50  2021-09-13 6.75  2021-10-25 7.50
2021-12-20 8.50  2022-02-14 9.50  2022-02-28 20.00 2022-04-11 17.00 2022-05-04 14.00
2022-05-27 11.00 2022-06-14 9.50  2022-07-25 8.00  2022-09-19 7.50  2023-07-24 8.50
2023-08-15 12.00 2023-09-18 13.00 2023-10-30 15.00 2023-12-18 16.00 2024-07-29 18.00
2024-09-16 19.00 2024-10-28 21.00 2025-06-09 20.00 2025-07-28 18.00 2025-09-15 17.00
2025-10-27 16.50 2025-12-22 16.00
"""
KEY_RATES = [
    (date.fromisoformat(since), Fraction(percent))
    for since, percent in re.findall(r"([0-9-]{10}) ([0-9.]+)", KEY_RATES_TEXT)
]

MORATORIA = (
    (date(2020, 4, 6), date(2020, 12, 31)),
    (date(2022, 4, 1), date(2022, 10, 1)),
)

DIVISORS = {
    "household": ((31, 300), (91, 130)),
    "organisation": ((1, 130),),
    "managing_company": ((1, 300), (61, 170), (91, 130)),
    "capital_repair": ((31, 300),),
}
"""Payer kind -> (first day of delay, divisor of the rate)."""

WHOLE = 66_300
"""Divides by 300, 170 and 130: the parts of the rate are whole numbers of 1/66300."""


def rate_on(day: date) -> Fraction:
    """Return the rate of a day, as a part of the debt a year."""
    rate = Fraction(0)
    for since, percent in KEY_RATES:
        if since <= day:
            rate = percent
    if date(2022, 2, 28) <= day <= date(2026, 12, 31):
        rate = min(rate, Fraction("9.5"))
    return rate / 100


def share(payer: str, number: int) -> int:
    """Return the part of the rate, in 1/66300, that a payer bears on a day by its number."""
    part = 0
    for first, divisor in DIVISORS[payer]:
        if number >= first:
            part = WHOLE // divisor
    return part


def of_part(payer: str, amount: int, due_on: date, paid_on: date) -> Fraction:
    """Return the exact penalty, in kopecks, on a part of a debt that was paid on a day."""
    shares, day = 0, due_on
    while day < paid_on:
        day += timedelta(days=1)
        if not any(first <= day <= last for first, last in MORATORIA):
            shares += share(payer, (day - due_on).days)
    return amount * rate_on(paid_on) * shares / WHOLE


def of_debts(
    payer: str, debts: Sequence[tuple[int, date]], paid: Sequence[tuple[date, int]], on: date
) -> Fraction:
    """Return the exact penalty on debts (amount, due date), payments paying the oldest first."""
    oldest_first = sorted(debts, key=lambda debt: debt[1])
    left = [amount for amount, _ in oldest_first]
    total = Fraction(0)
    for day, amount in sorted(paid):
        rest = amount if day <= on else 0
        for index, (_, due_on) in enumerate(oldest_first):
            part = min(rest, left[index])
            if part:
                total += of_part(payer, part, due_on, day)
            left[index] -= part
            rest -= part
    for index, (_, due_on) in enumerate(oldest_first):
        if left[index]:
            total += of_part(payer, left[index], due_on, on)
    return total
