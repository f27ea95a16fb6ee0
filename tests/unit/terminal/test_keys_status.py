"""``saldo keys status`` where the terminal has no keys."""

from __future__ import annotations

import os

import pytest
from typer.testing import CliRunner

from services.cli import app
from shared.config import SERVICES


def test_status_says_so_where_the_terminal_has_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SALDO_")]:
        monkeypatch.delenv(name)

    result = CliRunner().invoke(app, ["keys", "status"])

    assert result.exit_code == 2
    assert "this terminal has no keys" in result.output


def test_status_says_whose_keys_are_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SALDO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SALDO_SECRET_GATEWAY", f"new:{'00' * 32}")

    result = CliRunner().invoke(app, ["keys", "status"])

    assert result.exit_code == 0, result.output
    assert " gateway " in result.stdout
    [told] = [line for line in result.stderr.splitlines() if "This terminal has no keys" in line]
    assert f"no keys of {', '.join(SERVICES)}: see them on the machine of the services" in told


def test_only_owners_of_a_ring_are_named_where_a_key_is_dropped() -> None:
    result = CliRunner().invoke(app, ["keys", "drop", "seal", "old", "--dry-run"])
    assert result.exit_code == 2
    assert "seal has no key ring: name a service" in result.stderr
