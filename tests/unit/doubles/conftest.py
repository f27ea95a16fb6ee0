from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bank_doubles import BankHarness
from kassa_doubles import KassaHarness


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[BankHarness]:
    bank = BankHarness(tmp_path)
    yield bank
    bank.database.close()


@pytest.fixture
def kassa(tmp_path: Path) -> Iterator[KassaHarness]:
    kassa = KassaHarness(tmp_path)
    yield kassa
    kassa.database.close()
