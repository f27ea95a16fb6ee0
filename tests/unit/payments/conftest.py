from __future__ import annotations

import pytest
from payment_doubles import Harness


@pytest.fixture
def harness() -> Harness:
    return Harness()
