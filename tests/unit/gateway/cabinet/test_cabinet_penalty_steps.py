"""The next day on which a penalty grows faster."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from gateway.cabinet.penalty_steps import next_step


def segment(first_day: str, divisor: int | None, base: int = 100_00) -> dict[str, Any]:
    return {"from": first_day, "base": base, "divisor": divisor}


def debt(*segments: dict[str, Any]) -> dict[str, Any]:
    return {"segments": list(segments)}


LATE = debt(segment("2026-04-16", None), segment("2026-05-16", 300), segment("2026-07-15", 130))


@pytest.mark.parametrize(
    ("on", "step"),
    [
        (date(2026, 4, 20), (date(2026, 5, 16), "", "1/300")),
        (date(2026, 5, 15), (date(2026, 5, 16), "", "1/300")),
        (date(2026, 5, 16), (date(2026, 7, 15), "1/300", "1/130")),
        (date(2026, 7, 15), None),
    ],
)
def test_step_is_the_next_larger_share(on: date, step: Any) -> None:
    assert next_step([LATE], on) == step


def test_the_earliest_step_of_several_debts_counts() -> None:
    later = debt(segment("2026-05-01", None), segment("2026-05-31", 300))
    assert next_step([later, LATE], date(2026, 5, 20)) == (date(2026, 5, 31), "", "1/300")


def test_a_smaller_debt_or_an_equal_share_is_no_step() -> None:
    paid = debt(segment("2026-05-16", 300), segment("2026-06-01", 130, base=50_00))
    rate = debt(segment("2026-05-16", 300), segment("2026-06-01", 300))
    assert next_step([paid, rate, debt()], date(2026, 5, 20)) is None
