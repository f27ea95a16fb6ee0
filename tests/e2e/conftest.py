"""A complete installation for each test, with the demo company loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded.installation import Installation
from tests.demo_installation import demo_installation


@pytest.fixture
def installation(database: Any, clean_bus: Any, tmp_path: Path) -> Iterator[Installation]:
    with demo_installation(database.settings, tmp_path / "saldo") as running:
        yield running
