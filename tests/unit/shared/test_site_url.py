"""The address of the site is written with or without a slash at its end."""

from __future__ import annotations

import pytest

from shared.config import load_settings


@pytest.mark.parametrize("end", ["", "/", "//"])
def test_the_slash_at_the_end_of_the_address_does_not_count(end: str) -> None:
    assert load_settings({"SALDO_URL": f"https://pay.example{end}"}).url == "https://pay.example"
