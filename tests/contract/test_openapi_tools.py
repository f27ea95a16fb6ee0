"""What others do with the API's description: lint it, compile its patterns, generate a client."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.npm_packages import NODE, SOURCES, Packages, installed_packages

DESCRIPTION = Path(__file__).parents[2] / "gateway/openapi.json"
SPECTRAL = "@stoplight/spectral-cli/dist/index.js"
GENERATOR = "openapi-typescript/bin/cli.js"
COMPILER = "typescript/bin/tsc"


@pytest.fixture(scope="module")
def packages() -> Packages:
    return installed_packages()


@pytest.fixture
def client(packages: Packages, tmp_path: Path) -> Path:
    """Return a folder with the program, the generated types and the packages."""
    for name in ("client.ts", "tsconfig.json", "package.json"):
        shutil.copy(SOURCES / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(packages.modules)
    types = str(tmp_path / "schema.d.ts")
    generated = packages.run(GENERATOR, str(DESCRIPTION), "-o", types, folder=tmp_path)
    assert generated.returncode == 0, generated.stdout + generated.stderr
    return tmp_path


def test_spectral_finds_nothing(packages: Packages, tmp_path: Path) -> None:
    rules = str(SOURCES / ".spectral.yaml")
    linted = _lint(packages, rules, DESCRIPTION, tmp_path)
    assert linted.returncode == 0, linted.stdout + linted.stderr

    poor = tmp_path / "poor.json"
    poor.write_text('{"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": {}}')
    assert "info-contact" in _lint(packages, rules, poor, tmp_path).stdout


def _lint(
    packages: Packages, rules: str, document: Path, folder: Path
) -> subprocess.CompletedProcess[str]:
    options = ("--ruleset", rules, "--fail-severity", "hint", "--format", "text")
    return packages.run(SPECTRAL, "lint", str(document), *options, folder=folder)


def test_generated_client_compiles_strictly(packages: Packages, client: Path) -> None:
    compiled = packages.run(COMPILER, "--project", ".", folder=client)
    assert compiled.returncode == 0, compiled.stdout

    program = client / "client.ts"
    text = program.read_text(encoding="utf-8")
    program.write_text(text.replace('"already_linked"', '"never_refused_so"'), encoding="utf-8")
    refused = packages.run(COMPILER, "--project", ".", folder=client)
    assert "TS2367" in refused.stdout, "codes that an operation does not have are no type errors"


def test_every_pattern_is_one_of_ecma_262(tmp_path: Path) -> None:
    document = json.loads(DESCRIPTION.read_text(encoding="utf-8"))
    patterns = sorted(set(_patterns(document)))
    assert patterns
    script = tmp_path / "compile.mjs"
    script.write_text(
        "for (const pattern of JSON.parse(process.argv[2])) {\n"
        "  try { new RegExp(pattern, 'u'); } catch (error) { console.log(error.message); }\n"
        "}\n",
        encoding="utf-8",
    )

    def refused(given: list[str]) -> str:
        command = [str(NODE / "bin/node"), str(script), json.dumps(given)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert refused(patterns) == ""
    for of_python in (r"^1\Z", r"\A1", "(?P<name>1)", "(?i)a", "a++"):
        assert refused([of_python]) != ""


def test_no_lock_file_names_a_registry() -> None:
    lock = json.loads((SOURCES / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert len(packages) > 100
    for name, package in packages.items():
        assert "integrity" in package, name
        assert "resolved" not in package, name


def _patterns(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield node["pattern"]
        for inner in node.values():
            yield from _patterns(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _patterns(inner)
