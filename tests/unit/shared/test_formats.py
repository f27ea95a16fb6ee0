"""Sums, days and counts as people read them."""

from __future__ import annotations

import pytest

from shared import formats


@pytest.mark.parametrize(
    ("text", "russian", "english"),
    [
        (None, "", ""),
        ("0", "0", "0"),
        ("12.500", "12,5", "12.5"),
        ("1234567.25", "1\u00a0234\u00a0567,25", "1,234,567.25"),
        ("-0.5", "\u22120,5", "\u22120.5"),
        ("-1234.00", "\u22121\u00a0234", "\u22121,234"),
        ("-0.00", "0", "0"),
    ],
)
def test_a_decimal_keeps_its_sign(text: str | None, russian: str, english: str) -> None:
    assert formats.decimal(text) == russian
    assert formats.decimal(text, "en") == english
