"""An installation of one test's own, nodes included, with the demo company."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from deploy.demo.loading import load
from deploy.embedded.installation import Installation
from tests.nodes import ANY_PORTS


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """Run an installation; the environment has its settings and no others."""
    for name in [name for name in os.environ if name.startswith("SALDO_")]:
        monkeypatch.delenv(name)
    made = Installation(tmp_path / "saldo", ports=ANY_PORTS)
    try:
        made.up()
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        assert load(made.environment["SALDO_DATABASE_URL"], Console(quiet=True))
        yield made
    finally:
        made.reset()
