"""Whatever spelling people use, the same number, sum or day comes out; nothing is guessed."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cabinet import spellings
from shared import formats

SPACES = st.sampled_from(["", " ", "\u00a0", "\u202f", "\t", "-", "\u2013", "  "])
WIDE = str.maketrans("0123456789", "".join(chr(0xFF10 + digit) for digit in range(10)))


@given(st.text("0123456789", min_size=1, max_size=20), st.lists(SPACES, max_size=8), st.booleans())
@settings(max_examples=3_000)
def test_account_number_is_read_in_any_spelling(number: str, spaces: list[str], wide: bool) -> None:
    typed = number
    for place, space in enumerate(spaces):
        at = (place * 3) % (len(typed) + 1)
        typed = typed[:at] + space + typed[at:]
    if wide:
        typed = typed.translate(WIDE)
    assert spellings.digits(typed) == number


@given(st.text("0123456789", min_size=1, max_size=20), st.data())
@settings(max_examples=1_000)
def test_letters_that_look_like_digits_are_read_as_those(number: str, data: st.DataObject) -> None:
    alike = {"0": "0OОoо", "1": "1lI|"}
    typed = "".join(data.draw(st.sampled_from(alike.get(digit, digit))) for digit in number)
    assert spellings.digits(typed) == number


@pytest.mark.parametrize("typed", ["12a4", "", "счёт", "12/34", "0x12"])
def test_text_that_is_no_number_comes_back_as_typed(typed: str) -> None:
    assert spellings.digits(typed) == typed


@given(
    st.integers(0, 10**12),
    st.sampled_from(["", " ", "\u00a0", "\u202f"]),
    st.sampled_from([",", "."]),
    st.sampled_from(["", " р", " р.", " руб.", " рублей", " ₽", "₽"]),
    st.booleans(),
)
@settings(max_examples=4_000)
def test_sum_is_read_in_any_spelling(
    kopecks: int, group: str, sign: str, currency: str, wide: bool
) -> None:
    roubles, part = divmod(kopecks, 100)
    typed = f"{roubles:,}".replace(",", group) + f"{sign}{part:02d}"
    if wide:
        typed = typed.translate(WIDE)
    assert spellings.sum_of_money(f" {typed}{currency} ") == kopecks


@pytest.mark.parametrize(
    ("typed", "kopecks"),
    [
        ("", 0),
        ("0", 0),
        ("1,234.56", 123_456),
        ("1.234,56", 123_456),
        ("4500", 450_000),
        ("4500,5", 450_050),
        ("-5", -500),
        ("\u22125,00", -500),
    ],
)
def test_sum_with_both_signs_and_whole_roubles(typed: str, kopecks: int) -> None:
    assert spellings.sum_of_money(typed) == kopecks


@pytest.mark.parametrize("typed", ["1.234", "1,234,56", "12,345", "сто", "1e5", "1 2 3,4567"])
def test_sum_that_could_be_read_in_two_ways_is_not_guessed(typed: str) -> None:
    assert spellings.sum_of_money(typed) == typed


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.integers(0, 6))
@settings(max_examples=2_000)
def test_day_is_read_in_any_spelling(day: date, form: int) -> None:
    month = formats.day(day, "ru", year=False).split("\u00a0")[1]
    typed = (
        day.isoformat(),
        f"{day:%d.%m.%Y}",
        f"{day:%d.%m.%y}",
        f"{day.day}/{day.month}/{day.year}",
        f"{day.day} {month} {day.year}",
        f"{day.day} {month} {day.year} г.",
        formats.day(day, "en"),
    )[form]
    assert spellings.day(typed) == day.isoformat()


@pytest.mark.parametrize("typed", ["31.02.2026", "вчера", "2026", "15.13.2026", ""])
def test_text_that_is_no_day_comes_back_as_typed(typed: str) -> None:
    assert spellings.day(typed) == typed


@given(
    st.text("0123456789", min_size=10, max_size=10),
    st.sampled_from(["+7", "8", "7", "+ 7", "8-"]),
    st.sampled_from(["", " ", "-", "\u00a0", "\u2013"]),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=1_000)
def test_telephone_is_read_in_any_spelling(
    number: str, prefix: str, space: str, brackets: bool, wide: bool
) -> None:
    code = f"({number[:3]})" if brackets else number[:3]
    typed = space.join((prefix, code, number[3:6], number[6:8], number[8:]))
    if wide:
        typed = typed.translate(WIDE)
    assert spellings.telephone(f" {typed} ") == f"+7{number}"


@pytest.mark.parametrize(
    "typed", ["+7 999 123-45-67", "8 (999) 123-45-67", "7 999 1234567", "+79991234567"]
)
def test_russian_telephone_gets_its_country_code(typed: str) -> None:
    assert spellings.telephone(typed) == "+79991234567"
