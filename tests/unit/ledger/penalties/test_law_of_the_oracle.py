"""The law of the oracle of accounts is what the law says day by day."""

from __future__ import annotations

import random
from datetime import date, timedelta

import penalty_oracle
import pytest

from services.ledger.penalties.calendar import due_on
from services.ledger.penalties.rules import load_rules
from tests.ledger_oracle import law


@pytest.mark.parametrize("seed", range(60))
def test_runs_are_what_the_law_says_day_by_day(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - reproducible
    kind = chance.choice(["household", "organisation", "managing_company", "capital_repair"])
    late_after = date(2019, 7, 1) + timedelta(chance.randint(0, 2_300))
    on = late_after + timedelta(chance.randint(1, 400))
    days = [late_after + timedelta(chance.randint(-30, 500)) for _ in range(3)]
    parts = [(chance.randint(1, 10**7), day if day <= on else None) for day in days]
    exact = sum(
        penalty_oracle.of_part(kind, amount, late_after, paid_on or on) for amount, paid_on in parts
    )
    # Each run is rounded; of a debt a million times as large next to nothing is.
    large = tuple((amount * 10**6, paid_on) for amount, paid_on in parts)
    assert abs(law.penalty(kind, late_after, large, on) - exact * 10**6) < 20


def test_due_days_are_those_of_the_product() -> None:
    rules = load_rules(environ={})
    for year in range(2019, 2027):
        for month in range(1, 13):
            first = date(year, month, 1)
            assert law.due_on(first) == due_on(f"{first:%Y-%m}", rules)
