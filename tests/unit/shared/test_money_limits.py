"""The limits of amounts: the largest, and zero."""

from __future__ import annotations

import pytest

from shared.money import MAX_AMOUNT, format_roubles, parse_roubles, split_pro_rata


def test_largest_amount_is_parsed_and_more_is_refused() -> None:
    assert parse_roubles("100 000 000 000,00") == MAX_AMOUNT
    assert parse_roubles("-100000000000") == -MAX_AMOUNT
    with pytest.raises(ValueError, match="is more than the largest amount of one posting"):
        parse_roubles("100000000000,01")


@pytest.mark.parametrize("blank", [" ", "\u00a0", "\u202f", "\t"])
def test_any_blank_may_group_thousands(blank: str) -> None:
    assert parse_roubles(f"4{blank}500,00") == 4_500_00
    assert parse_roubles(f"+4{blank}500,00") == 4_500_00


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0,00"),
        (1, "0,01"),
        (-1, "-0,01"),
        (100, "1,00"),
        (-1_234_567_89, "-1\u00a0234\u00a0567,89"),
    ],
)
def test_amounts_are_formatted_with_sign_and_two_decimals(amount: int, text: str) -> None:
    assert format_roubles(amount) == text


def test_zero_divides_into_zeros() -> None:
    assert split_pro_rata(0, [0, 0]) == [0, 0]
    assert split_pro_rata(0, []) == []
    assert split_pro_rata(0, [3, 1]) == [0, 0]
    assert split_pro_rata(5, [0, 3]) == [0, 5]


def test_remaining_kopeck_goes_to_the_largest_remainder_then_to_the_first() -> None:
    assert split_pro_rata(10, [1, 1, 1]) == [4, 3, 3]
    assert split_pro_rata(5, [1, 2, 4]) == [1, 1, 3]
    assert split_pro_rata(2, [1, 1, 1]) == [1, 1, 0]


def test_refused_division_names_its_reason() -> None:
    with pytest.raises(ValueError, match=r"^amounts and weights to divide must not be negative$"):
        split_pro_rata(1, [-1, 5])
    with pytest.raises(ValueError, match=r"^cannot divide an amount over weights that are all"):
        split_pro_rata(1, [0])
