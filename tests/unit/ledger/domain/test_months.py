"""The months of an account's bills are kept as ranges, without losing one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain.months import month_ranges, months_in

MONTHS = st.builds("{:04}-{:02}".format, st.integers(1926, 2100), st.integers(1, 12))


@given(st.frozensets(MONTHS))
def test_every_month_comes_back_and_no_other(months: frozenset[str]) -> None:
    assert months_in(month_ranges(months)) == months


@given(st.frozensets(MONTHS))
def test_months_that_were_listed_one_by_one_are_read(months: frozenset[str]) -> None:
    assert months_in(tuple(sorted(months))) == months


@pytest.mark.parametrize(
    ("months", "ranges"),
    [
        ((), ()),
        (("2026-03",), ("2026-03",)),
        (("2025-12", "2026-01", "2025-11"), ("2025-11..2026-01",)),
        (("2025-12", "2026-02", "2026-03"), ("2025-12", "2026-02..2026-03")),
    ],
)
def test_adjoining_months_are_one_range(months: tuple[str, ...], ranges: tuple[str, ...]) -> None:
    assert month_ranges(frozenset(months)) == ranges


def test_ten_years_of_bills_are_one_range() -> None:
    months = frozenset(f"{year}-{month:02}" for year in range(2016, 2026) for month in range(1, 13))
    assert month_ranges(months) == ("2016-01..2025-12",)
