"""The days that money may have, by the operator's settings."""

from __future__ import annotations

from datetime import date

import pytest

from services.ledger.days import AHEAD, BACK, DayLimits, read_limits
from shared.config import ConfigurationError
from shared.errors import ValidationFailed

TODAY = date(2026, 9, 1)


def test_the_operator_says_how_far_back_and_ahead() -> None:
    assert read_limits({}) == DayLimits()
    limits = read_limits({BACK: "31", AHEAD: "40"})
    for day in (date(2026, 8, 1), date(2026, 10, 11)):
        limits.check_bill(day, TODAY, "due_on")
    for day in (date(2026, 7, 31), date(2026, 10, 12)):
        with pytest.raises(ValidationFailed, match=f"due_on is {day}"):
            limits.check_bill(day, TODAY, "due_on")
    with pytest.raises(ValidationFailed):
        limits.check_payment(date(2026, 7, 31), TODAY)


@pytest.mark.parametrize("wrong", ["-1", "ten", "1.5", "99999999"])
def test_a_setting_that_is_no_number_of_days_is_named(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=BACK):
        read_limits({BACK: wrong})
