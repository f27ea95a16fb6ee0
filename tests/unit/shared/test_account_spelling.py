"""The number of an account is read in any spelling, and nothing is guessed."""

from __future__ import annotations

import pytest

from shared.account_spelling import clean_els, clean_number


@pytest.mark.parametrize(
    "typed",
    [
        "0100000001", " 0100000001 ", "0100 000 001", "01-0000-0001", "0100\u00a0000\u202f001",
        "０１０００００００１", "O1OOOOOOOl", "о1ооооооо1", "№ 0100000001",
        "0100\u2011000\u2011001",
        "0100.000.001", "\ufeff0100000001\u200b",
    ],
)  # fmt: skip
def test_a_number_is_read_in_any_spelling(typed: str) -> None:
    assert clean_number(typed) == "0100000001"


@pytest.mark.parametrize(
    "typed", ["", " ", "счёт", "01A", "0100000001x", "1" * 21, "0" * 65, "٠١٢", "+1", "1,5", "1/2"]
)
def test_what_holds_anything_else_is_no_number(typed: str) -> None:
    assert clean_number(typed) is None


@pytest.mark.parametrize(
    "typed", ["51АД600037", "51ад600037", "51 АД 600-037", "５１АД６０００３７", "51АД6OOO37"]
)
def test_an_els_is_read_in_any_spelling(typed: str) -> None:
    assert clean_els(typed) == "51АД600037"


@pytest.mark.parametrize("typed", ["51ОО600037", "51OO600037", " 51 оо 600 037"])
def test_an_els_whose_letters_look_like_digits_is_no_number(typed: str) -> None:
    assert clean_number(typed) is None
    assert clean_els(typed) == "51ОО600037"


def test_latin_letters_of_an_els_are_read_as_the_cyrillic_ones_they_look_like() -> None:
    assert clean_els("51AB600037") == "51АВ600037"


@pytest.mark.parametrize("typed", ["5100600037", "51АД60003", "АД51600037", "51QW600037", ""])
def test_what_is_not_spelled_as_an_els_is_none(typed: str) -> None:
    assert clean_els(typed) is None
