"""The programs of examples/: they know the contracts, and nothing of ours."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path

import pytest

from shared.contracts import contracts_of

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PROGRAMS = sorted(
    path.relative_to(EXAMPLES).as_posix()
    for path in EXAMPLES.glob("*/balances.*")
    if path.is_file()
)
ALLOWED = {"pika/balances.py": {"pika"}, "http/balances.py": set[str]()}


def test_there_is_one_for_each_way_to_subscribe() -> None:
    assert PROGRAMS == ["http/balances.py", "node/balances.mjs", "pika/balances.py"]
    readme = (EXAMPLES / "README.md").read_text("utf-8")
    assert all(f"]({program})" in readme for program in PROGRAMS)
    assert "examples/README.md" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_knows_every_type_that_changes_a_balance(program: str) -> None:
    text = (EXAMPLES / program).read_text("utf-8")
    known = re.search(r"TYPES = (?:new Set\(\[|\{)(.*?)[\]}]", text, re.DOTALL)
    assert known is not None
    published = {
        contract.type for contract in contracts_of("ledger") if "change" in contract.schema().fields
    }
    assert set(re.findall(r'"(\w+)"', known[1])) == published


@pytest.mark.parametrize("program", sorted(ALLOWED))
def test_it_needs_no_package_but_its_own(program: str) -> None:
    tree = ast.parse((EXAMPLES / program).read_text("utf-8"))
    modules = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert modules - set(sys.stdlib_module_names) == ALLOWED[program]


def test_the_packages_of_node_are_pinned_by_their_content() -> None:
    lock = json.loads((EXAMPLES / "node/package-lock.json").read_text("utf-8"))
    packages = {name: one for name, one in lock["packages"].items() if name}
    assert list(packages) == ["node_modules/amqplib"]
    assert all(one["integrity"].startswith("sha512-") for one in packages.values())
    assert all("resolved" not in one for one in packages.values())
