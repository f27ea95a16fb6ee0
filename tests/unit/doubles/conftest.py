from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bank_doubles import BankHarness


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[BankHarness]:
    bank = BankHarness(tmp_path)
    yield bank
    bank.database.close()
