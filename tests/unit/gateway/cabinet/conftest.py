"""The cabinet, with services that are played by the test."""

from __future__ import annotations

import pytest
from cabinet_doubles import Cabinet
from gateway_doubles import Browser


@pytest.fixture
def cabinet(browser: Browser) -> Cabinet:
    return Cabinet(browser)
