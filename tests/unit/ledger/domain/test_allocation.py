"""Allocation of a sum to open items."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain.allocation import AllocatedPart, allocate
from shared.money import split_pro_rata

AMOUNTS = st.integers(min_value=1, max_value=10**9)
OPEN_ITEMS = st.dictionaries(
    st.sampled_from(["2026-01", "2026-02", "2026-03", "2026-04"]),
    st.dictionaries(st.sampled_from(["heating", "water", "waste"]), AMOUNTS, min_size=1),
)


def test_the_oldest_period_comes_first() -> None:
    owed = {"2026-02": {"heating": 300}, "2026-01": {"heating": 200}}
    assert allocate(owed, 250) == (
        (AllocatedPart("2026-01", "heating", 200), AllocatedPart("2026-02", "heating", 50)),
        0,
    )


def test_a_period_that_the_payer_names_comes_before_all() -> None:
    owed = {"2026-02": {"heating": 300}, "2026-01": {"heating": 200}}
    allocation, _ = allocate(owed, 350, first="2026-02")
    assert allocation == (
        AllocatedPart("2026-02", "heating", 300),
        AllocatedPart("2026-01", "heating", 50),
    )


def test_inside_a_period_the_parts_are_pro_rata_and_add_up() -> None:
    owed = {"2026-01": {"heating": 100, "waste": 100, "water": 100}}
    allocation, rest = allocate(owed, 100)
    assert [part.amount for part in allocation] == [34, 33, 33]
    assert rest == 0


def test_the_excess_over_the_debt_is_left_over() -> None:
    assert allocate({"2026-01": {"heating": 100}}, 150) == (
        (AllocatedPart("2026-01", "heating", 100),),
        50,
    )
    assert allocate({}, 150) == ((), 150)


@given(owed=OPEN_ITEMS, amount=st.integers(min_value=0, max_value=10**10))
def test_no_kopeck_is_lost_and_nothing_is_paid_twice(
    owed: dict[str, dict[str, int]], amount: int
) -> None:
    allocation, rest = allocate(owed, amount)
    assert sum(part.amount for part in allocation) + rest == amount
    assert rest == max(0, amount - sum(sum(items.values()) for items in owed.values()))
    assert len({(part.period, part.service) for part in allocation}) == len(allocation)
    assert all(0 < part.amount <= owed[part.period][part.service] for part in allocation)


@given(owed=OPEN_ITEMS, amount=AMOUNTS)
def test_a_later_period_is_touched_only_when_the_earlier_is_paid(
    owed: dict[str, dict[str, int]], amount: int
) -> None:
    allocation, _ = allocate(owed, amount)
    touched = sorted({part.period for part in allocation})
    for period in touched[:-1]:
        paid = sum(part.amount for part in allocation if part.period == period)
        assert paid == sum(owed[period].values())


@given(amount=st.integers(0, 10**12), weights=st.lists(st.integers(0, 10**9), min_size=1))
def test_largest_remainder_is_fair_within_a_kopeck(amount: int, weights: list[int]) -> None:
    if sum(weights) == 0:
        weights = [*weights, 1]
    parts = split_pro_rata(amount, weights)
    assert sum(parts) == amount
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * sum(weights) - amount * weight) < sum(weights)
