"""The shipped penalty rules, files that differ from them, and the profile of mutation runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import Phase, settings
from penalty_rule_files import SHIPPED, WriteRules

from services.ledger.penalties.rules import PenaltyRules, load_rules

# For mutation testing, where each of a thousand mutants runs them: the same few examples, and the
# first one that breaks a rule will do.
settings.register_profile(
    "mutation",
    max_examples=8,
    derandomize=True,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    report_multiple_bugs=False,
)


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
