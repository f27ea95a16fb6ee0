"""The rules shipped, and files of rules that differ from them in one point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from penalty_rule_files import SHIPPED, WriteRules

from services.ledger.penalties.rules import PenaltyRules, load_rules


@pytest.fixture(scope="session")
def rules() -> PenaltyRules:
    return load_rules(environ={})


@pytest.fixture
def write_rules(tmp_path: Path) -> WriteRules:
    """Return a function that writes the rules shipped with some entries replaced."""

    def write(**changes: Any) -> Path:
        data = yaml.load(SHIPPED.read_text("utf-8"), yaml.BaseLoader)  # noqa: S506 - texts only
        path = tmp_path / "rules.yaml"
        path.write_text(yaml.safe_dump(data | changes, sort_keys=False, allow_unicode=True))
        return path

    return write
