"""The penalties on the bills of the demo's billing centre, simpler than the law.

A bill bears the rate of its payer as a whole. So capital repair inside a household's bill bears
1/130 from day 91 on like the rest of it, where the law has 1/300 for as long as it is late (ЖК РФ
ст. 155 ч. 14.1), and the ledger's rules do. These figures are part of the demo's input, like any
file from a billing centre; the ledger does not use this module.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from shared.money import Kopecks

RATE = Decimal("0.095")
"""The key rate, as the government caps it until 2026-12-31."""

DIVISORS: dict[str, tuple[tuple[int, int], ...]] = {
    "household": ((31, 300), (91, 130)),
    "capital_repair": ((31, 300),),
    "organisation": ((1, 130),),
    "managing_company": ((1, 300), (61, 170), (91, 130)),
}
"""By payer kind: (first day of delay, divisor of the rate).

ЖК РФ ст. 155 ч. 14-14.1, and the laws on supply.
"""


def penalty_of_month(
    payer_kind: str, unpaid: Iterable[tuple[Kopecks, date]], last_day: date
) -> Kopecks:
    """Return what debts, each (kopecks, due date), accrue in the month that ends on `last_day`.

    Rounded half-up to the kopeck once per debt and divisor.
    """
    return sum(_of_debt(payer_kind, debt, due_on, last_day) for debt, due_on in unpaid)


def _of_debt(payer_kind: str, debt: Kopecks, due_on: date, last_day: date) -> Kopecks:
    days: Counter[int] = Counter()
    for day in range(1, last_day.day + 1):
        delay = (last_day.replace(day=1) + timedelta(days=day - 1) - due_on).days
        in_force = [divisor for since, divisor in DIVISORS[payer_kind] if delay >= since]
        days.update(in_force[-1:])
    exact = (debt * RATE * count / divisor for divisor, count in days.items())
    return sum(int(part.quantize(Decimal(1), ROUND_HALF_UP)) for part in exact)
