"""The policy is a file: an operator's replaces the shipped one, an unusable one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.accounts.policy import PATH_VARIABLE, Policy, load_policy
from shared.config import ConfigurationError

SHIPPED = (Path(load_policy.__code__.co_filename).parent / "policy.yaml").read_text("utf-8")


def policy_of(tmp_path: Path, text: str) -> Policy:
    path = tmp_path / "policy.yaml"
    path.write_text(text, "utf-8")
    return load_policy({PATH_VARIABLE: str(path)})


def test_the_shipped_policy_requires_the_control_code() -> None:
    policy = load_policy({})
    assert policy.accepted == ("control_code",)
    assert policy.limits.longest.days == 1


@pytest.mark.parametrize(
    ("proof", "accepted"),
    [
        ("number", ("number",)),
        ("total_and_period", ("total_and_period",)),
        ("[control_code, total_and_period]", ("control_code", "total_and_period")),
    ],
)
def test_an_operator_chooses_what_proves_ownership(
    tmp_path: Path, proof: str, accepted: tuple[str, ...]
) -> None:
    policy = policy_of(tmp_path, SHIPPED.replace("proof: control_code", f"proof: {proof}"))
    assert policy.accepted == accepted


@pytest.mark.parametrize("text", ["proof: nothing", "", "proof: [", "proof: number\nlimit: {}"])
def test_an_unusable_policy_file_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"policy\.yaml cannot be used"):
        policy_of(tmp_path, text)
    with pytest.raises(ConfigurationError, match="missing"):
        load_policy({PATH_VARIABLE: str(tmp_path / "missing")})


def test_a_policy_that_accepts_no_proof_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="empty list"):
        policy_of(tmp_path, SHIPPED.replace("proof: control_code", "proof: []"))
