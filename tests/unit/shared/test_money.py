"""Parsing and formatting money."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.money import MAX_AMOUNT, format_roubles, parse_roubles, split_pro_rata


@pytest.mark.parametrize(
    ("text", "kopecks"),
    [
        ("4500,00", 450_000),
        ("4 500,00", 450_000),
        ("4\u00a0500.5", 450_050),
        ("-12", -1_200),
        ("0,07", 7),
        (" 1 ", 100),
    ],
)
def test_amounts_are_parsed_in_every_usual_notation(text: str, kopecks: int) -> None:
    assert parse_roubles(text) == kopecks


@pytest.mark.parametrize("text", ["", "1,234", "1e5", "12,", "--1", "NaN", "१२", "9" * 13])
def test_malformed_amount_is_refused_not_rounded(text: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        parse_roubles(text)


@given(st.integers(-MAX_AMOUNT, MAX_AMOUNT))
def test_formatted_amount_parses_to_itself(amount: int) -> None:
    assert parse_roubles(format_roubles(amount)) == amount


@pytest.mark.parametrize(("amount", "weights"), [(-1, [1]), (1, [-1, 2]), (1, [0, 0]), (1, [])])
def test_indivisible_input_is_refused(amount: int, weights: list[int]) -> None:
    with pytest.raises(ValueError, match=r"divide|negative"):
        split_pro_rata(amount, weights)
