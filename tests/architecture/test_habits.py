"""What runs before a commit, on a push and at a release is what a developer runs by hand."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]


def test_hosted_workflow_runs_the_ci_script_on_both_debian_releases() -> None:
    workflow = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yml").read_text())
    [job] = workflow["jobs"].values()
    assert job["strategy"]["matrix"]["debian"] == ["12", "13"]
    assert job["container"] == "debian:${{ matrix.debian }}"
    assert job["steps"][-1]["run"] == ".ci/run"


def test_hosted_workflow_pins_each_action_by_its_commit() -> None:
    text = (REPOSITORY / ".github/workflows/ci.yml").read_text()
    for action in re.findall(r"uses: (\S+)", text):
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), action


def test_pre_commit_runs_make_check() -> None:
    configuration = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repo in configuration["repos"] for hook in repo["hooks"]]
    assert [hook["entry"] for hook in hooks] == ["make check"]
