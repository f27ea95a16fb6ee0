from __future__ import annotations

import pytest
from payment_doubles import House


@pytest.fixture
def house() -> House:
    return House()
