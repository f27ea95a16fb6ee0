"""The AsyncAPI document, as the parser of the AsyncAPI Initiative reads it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.asyncapi import DOCUMENT
from tests.contract.npm_packages import NODE, SOURCES, Packages, installed_packages

EXPLAINED = {
    "asyncapi-latest-version": "3.1 adds nothing that we use, and many generators read 3.0 only",
}
"""What the parser may find: code → why it stays."""


@pytest.fixture(scope="module")
def packages() -> Packages:
    return installed_packages()


def findings(packages: Packages, document: Path, folder: Path) -> list[dict[str, Any]]:
    """Return what the parser finds: errors, warnings and hints alike."""
    script = folder / "asyncapi.mjs"
    shutil.copy(SOURCES / "asyncapi.mjs", script)
    modules = folder / "node_modules"
    if not modules.exists():
        modules.symlink_to(packages.modules)
    command = [str(NODE / "bin/node"), str(script), str(document)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_the_public_parser_finds_nothing(packages: Packages, tmp_path: Path) -> None:
    found = findings(packages, DOCUMENT, tmp_path)
    assert [one for one in found if one["code"] not in EXPLAINED] == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("action: send", "action: shout"),
        ("#/channels/ledger.events", "#/channels/ledger.happenings"),
        ("type: integer", "type: kopecks"),
    ],
)
def test_the_public_parser_finds_a_mistake(
    packages: Packages, tmp_path: Path, right: str, wrong: str
) -> None:
    poor = tmp_path / "poor.yaml"
    poor.write_text(DOCUMENT.read_text("utf-8").replace(right, wrong, 1), "utf-8")
    assert {one["code"] for one in findings(packages, poor, tmp_path)} - EXPLAINED.keys()
