"""The policy is a file: an operator's replaces the shipped one, an unusable one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.accounts.policy import PATH_VARIABLE, load_policy
from shared.config import ConfigurationError


def test_the_shipped_policy_requires_a_fact_of_the_bill() -> None:
    policy = load_policy({})
    assert policy.proof == "bill"
    assert policy.limits.longest.days == 1


def test_an_operator_may_allow_the_number_alone(tmp_path: Path) -> None:
    limit = "{attempts: 1, minutes: 2}"
    path = tmp_path / "policy.yaml"
    path.write_text(
        "proof: number\nlimits:\n"
        f"  lookups_per_person: {limit}\n  links_per_person: {limit}\n"
        f"  links_per_account: {limit}\n"
    )
    policy = load_policy({PATH_VARIABLE: str(path)})
    assert policy.proof == "number"
    assert policy.limits.links_per_account.attempts == 1


@pytest.mark.parametrize("text", ["proof: nothing", "", "proof: [", "proof: bill\nlimit: {}"])
def test_an_unusable_policy_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"policy\.yaml cannot be used"):
        load_policy({PATH_VARIABLE: str(path)})
    with pytest.raises(ConfigurationError, match="missing"):
        load_policy({PATH_VARIABLE: str(tmp_path / "missing")})
