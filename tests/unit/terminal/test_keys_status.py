"""``saldo keys status`` where the terminal has no keys."""

from __future__ import annotations

import os

import pytest
from typer.testing import CliRunner

from services.cli import app


def test_status_says_so_where_the_terminal_has_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SALDO_")]:
        monkeypatch.delenv(name)

    result = CliRunner().invoke(app, ["keys", "status"])

    assert result.exit_code == 2
    assert "this terminal has no keys" in result.output
