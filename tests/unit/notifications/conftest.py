"""Fixtures for the tests of letters."""

from __future__ import annotations

import pytest

from tests import ports


@pytest.fixture
def free_port() -> int:
    """Return a free TCP port of 127.0.0.1."""
    return ports.free_port()
