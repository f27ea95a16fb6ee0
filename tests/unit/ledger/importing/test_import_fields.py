"""The fields of an imported row: read exactly, or refused with what was expected."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.importing import fields as field
from shared.money import MAX_AMOUNT, format_roubles, parse_roubles


@given(st.integers(-MAX_AMOUNT, MAX_AMOUNT))
def test_every_sum_is_read_to_the_kopeck(amount: int) -> None:
    plain = f"{'-' if amount < 0 else ''}{abs(amount) // 100},{abs(amount) % 100:02}"
    assert field.kopecks(plain, "charged") == amount
    assert field.kopecks(plain.replace(",", "."), "charged") == amount
    assert field.kopecks(format_roubles(amount), "charged") == amount


@given(st.text(alphabet="0123456789,.- +\u00a0٣²", max_size=16))
def test_the_quick_reader_of_sums_agrees_with_the_exact_one(text: str) -> None:
    try:
        expected = parse_roubles(text)
    except ValueError:
        with pytest.raises(ValueError, match="charged: "):
            field.kopecks(text, "charged")
    else:
        assert field.kopecks(text, "charged") == expected


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "is empty"),
        ("1,234", "no sum in roubles"),
        ("12x", "no sum in roubles"),
        ("100000000000,01", "more than the largest sum"),
        ("9" * 30, "more than the largest sum"),
        ("1e5", "no sum in roubles"),
    ],
)
def test_a_wrong_sum_is_refused_with_its_fault(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        field.kopecks(text, "charged")


def test_a_refusal_repeats_no_long_value() -> None:
    with pytest.raises(ValueError, match="no sum") as refused:
        field.kopecks("x" * 10_000, "charged")
    assert len(str(refused.value)) < 200


def test_days_months_numbers_and_texts_are_read() -> None:
    assert field.day(" 2026-03-31 ", "due_on") == date(2026, 3, 31)
    assert field.month("2026-03", "period") == "2026-03"
    assert field.account_number("0012 ".strip()) == "0012"
    assert field.decimal("0,242911", "volume") == "0.242911"
    assert field.words("  Отопление ", "name", 20) == "Отопление"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: field.day("31.03.2026", "due_on"),
        lambda: field.day("2026-02-30", "due_on"),
        lambda: field.day("2026-W05-1", "due_on"),
        lambda: field.month("2026-13", "period"),
        lambda: field.month("0001-01", "period"),
        lambda: field.account_number("12a"),
        lambda: field.account_number("1" * 21),
        lambda: field.decimal("1,2345678", "volume"),
        lambda: field.words("a\0b", "name", 20),
        lambda: field.words("x" * 21, "name", 20),
        lambda: field.service_code(" "),
        lambda: field.positive("-1,00", "concession"),
    ],
)
def test_a_malformed_field_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match=": "):
        wrong()  # type: ignore[operator]
