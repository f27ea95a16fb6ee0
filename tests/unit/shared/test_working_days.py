"""The production calendar: counting working days, and a file of the operator's own."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config import ConfigurationError
from shared.working_days import PATH_VARIABLE, load_working_days

SHIPPED = load_working_days({})
DAYS = st.dates(date(2025, 1, 1), date(2028, 12, 31))


@given(day=DAYS, count=st.integers(1, 30))
def test_so_many_working_days_lie_up_to_the_day_that_many_after(day: date, count: int) -> None:
    last = SHIPPED.after(day, count)
    assert not SHIPPED.is_off(last)
    assert SHIPPED.between(day, last) == count
    assert SHIPPED.between(day, last - timedelta(days=1)) == count - 1


@given(day=DAYS)
def test_no_working_day_lies_between_a_day_and_the_one_before(day: date) -> None:
    assert SHIPPED.between(day, day) == SHIPPED.between(day, day - timedelta(days=3)) == 0


def test_holidays_and_transferred_days_off_are_passed_over() -> None:
    assert SHIPPED.after(date(2026, 12, 30), 1) == date(2027, 1, 11)
    assert SHIPPED.after(date(2026, 11, 3), 1) == date(2026, 11, 5)


def test_an_operators_calendar_takes_the_place_of_the_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "days.yaml"
    path.write_text("{weekend: [7], yearly: [11-03], days_off: [], working_days: [2026-11-08]}")
    own = load_working_days({PATH_VARIABLE: str(path)})
    assert [own.is_off(date(2026, 11, day)) for day in (3, 4, 7, 8)] == [True, False, False, False]


@pytest.mark.parametrize("text", ["", "[", "{weekend: [8]}", "{weekend: [], more: 1}"])
def test_a_calendar_that_cannot_be_used_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "days.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"days\.yaml cannot be used"):
        load_working_days({PATH_VARIABLE: str(path)})
