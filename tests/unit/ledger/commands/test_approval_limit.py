"""The approval limit of a terminal."""

from __future__ import annotations

import pytest

from services.ledger.commands.corrections import approval_limit
from shared.config import ConfigurationError


def test_the_limit_of_one_person_is_a_sum() -> None:
    name = "SALDO_LEDGER_APPROVAL_OVER"
    assert approval_limit({}) == 50_000_00
    assert approval_limit({name: "0"}) == 0
    assert approval_limit({name: "1 500,50"}) == 1_500_50
    for text in ("-1", "much", "1,005"):
        with pytest.raises(ConfigurationError, match=name):
            approval_limit({name: text})
