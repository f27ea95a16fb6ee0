"""Keys of accounts: the first tenure of a number is the number itself."""

from __future__ import annotations

import re

import pytest

from shared.account_key import PATTERN, key_of, number_of, tenure_of

NUMBER = "0100000001"


def test_first_tenure_is_the_number_itself() -> None:
    assert key_of(NUMBER, 1) == NUMBER
    assert (number_of(NUMBER), tenure_of(NUMBER)) == (NUMBER, 1)


@pytest.mark.parametrize("tenure", [2, 10, 9_999])
def test_later_tenure_is_found_again_in_its_key(tenure: int) -> None:
    key = key_of(NUMBER, tenure)
    assert key == f"{NUMBER}-{tenure}"
    assert (number_of(key), tenure_of(key)) == (NUMBER, tenure)
    assert re.fullmatch(PATTERN, key)


@pytest.mark.parametrize("tenure", [0, -1, 10_000])
def test_what_is_no_ordinal_makes_no_key(tenure: int) -> None:
    with pytest.raises(ValueError, match="ordinal"):
        key_of(NUMBER, tenure)


@pytest.mark.parametrize("text", ["", "-2", "12-", "12-1", "12-0", "12-02", "12-2-3", "1 2", "a"])
def test_each_tenure_has_one_key_only(text: str) -> None:
    assert not re.fullmatch(PATTERN, text)
