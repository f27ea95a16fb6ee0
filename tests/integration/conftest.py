"""A worker for the tests of the bus."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.bus.worker import Worker


@pytest.fixture
def worker() -> Iterator[Worker]:
    """A worker that runs what the test starts, and stops at its end."""
    running = Worker()
    yield running
    running.join()
