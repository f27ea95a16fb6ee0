"""The code stays readable: small functions and modules, clear names, a README per service."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.config import SERVICES

REPOSITORY = Path(__file__).resolve().parents[2]
PRODUCT = ("services", "gateway", "shared", "deploy")

# Hard limits; the targets are 40 lines for a function and 300 for a module.
MAX_FUNCTION = 60
MAX_MODULE = 400
MAX_TEST_MODULE = 600

FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "misc", "tools", "base_utils"}

ROOT_FILES = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "pyproject.toml",
    "requirements.lock",
    "asyncapi.yaml",
    ".ci/run",
)

# Paths and package indexes of one machine; written so that this file does not match itself.
OF_ONE_MACHINE = re.compile(
    r"(?<![\w.])/(?:work|home/\w+|Users/\w+|root|workspace|mnt|opt/(?:wheels|pypi))/"
    r"|(?<!no-emit-)\b(?:extra-index|index)-ur[l]\b|\bfind-link[s]\b|\btrusted-hos[t]\b"
    r"|\bpypi\.or[g]\b|\bpythonhosted\b",
)


LEFT_BY_A_MERGE = re.compile(rf"^(?:{'<' * 7}|{'>' * 7}) ", re.MULTILINE)


def files() -> list[Path]:
    """Return all files of the checkout, those not yet added included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    if not listed:  # an unpacked archive
        pytest.skip("this is not a git checkout")
    return [path for line in listed if (path := REPOSITORY / line).is_file()]


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (REPOSITORY / folder).rglob("*.py"))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def test_functions_are_short() -> None:
    long = {
        f"{name_of(path)}:{name}": length
        for path in modules(*PRODUCT, "tests")
        for name, length in functions(path)
        if length > MAX_FUNCTION
    }
    assert long == {}


def test_modules_are_short() -> None:
    long = {}
    for folders, limit in ((PRODUCT, MAX_MODULE), (("tests",), MAX_TEST_MODULE)):
        for path in modules(*folders):
            length = len(path.read_text(encoding="utf-8").splitlines())
            if length > limit:
                long[name_of(path)] = length
    assert long == {}


def test_modules_are_named_for_their_subject() -> None:
    nameless = [
        name_of(path)
        for path in modules(*PRODUCT, "tests")
        if FORBIDDEN_NAMES & {path.stem, path.parent.name}
    ]
    assert nameless == []


def test_expected_documents_exist() -> None:
    expected = [
        *ROOT_FILES,
        *(f"services/{service}/README.md" for service in SERVICES),
        "gateway/README.md",
        "shared/README.md",
        "tests/README.md",
    ]
    assert [name for name in expected if not (REPOSITORY / name).is_file()] == []


def test_every_service_has_the_same_layout() -> None:
    for service in SERVICES:
        folder = REPOSITORY / "services" / service
        for name in ("domain", "application", "service", "schemas", "publishing", "readmodel"):
            module, package = folder / f"{name}.py", folder / name / "__init__.py"
            assert module.is_file() or package.is_file(), f"{service} has no {name}"
        assert list(folder.glob("migrations/0001_*.sql")), f"{service} has no first migration"


def test_every_module_has_a_docstring() -> None:
    silent = [
        name_of(path)
        for path in modules(*PRODUCT)
        if path.read_text(encoding="utf-8").strip()
        and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def texts_with(pattern: re.Pattern[str]) -> list[str]:
    """Return the names of the files of the checkout, but images and fonts, that have a pattern."""
    found = []
    for path in files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # an image or a font
            continue
        if pattern.search(text):
            found.append(name_of(path))
    return found


def test_no_file_names_a_developer_machine() -> None:
    assert texts_with(OF_ONE_MACHINE) == []


def test_no_merge_is_left_half_done() -> None:
    assert texts_with(LEFT_BY_A_MERGE) == []


def test_links_between_documents_resolve() -> None:
    broken = []
    for path in files():
        if path.suffix != ".md":
            continue
        text = path.read_text(encoding="utf-8")
        # The gateway shows the texts of identity, and has their pictures.
        published = path.parent == REPOSITORY / "services" / "identity" / "documents"
        folder = REPOSITORY / "shared" / "documents" if published else path.parent
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)", text):
            if "://" not in target and not (folder / target).exists():
                broken.append(f"{name_of(path)} -> {target}")
    assert broken == []


def test_tests_named_in_documents_exist() -> None:
    defined = {name for path in modules("tests") for name, _ in functions(path)}
    missing = [
        f"{name_of(path)}: {name}"
        for path in files()
        if path.suffix == ".md"
        for name in re.findall(r"`(test_\w+)`", path.read_text(encoding="utf-8"))
        if name not in defined
    ]
    assert missing == []


def backticked_paths(text: str) -> set[str]:
    """Return what a document names as a path from the root: ``services/x/y.py``, ``tests/z/``."""
    folders = "services|gateway|shared|deploy|tests"
    return set(re.findall(rf"`((?:{folders})/[\w./-]*\w/?)`", text))


def test_paths_named_in_documents_exist() -> None:
    missing = [
        f"{name_of(path)}: {named}"
        for path in files()
        if path.suffix == ".md"
        for named in backticked_paths(path.read_text(encoding="utf-8"))
        if not (REPOSITORY / named).exists()
    ]
    assert missing == []


def test_no_table_or_list_of_a_document_repeats_an_entry() -> None:
    """A merge that keeps both sides leaves the old entry beside the new one."""
    repeated = []
    for path in files():
        if path.suffix != ".md":
            continue
        for block in path.read_text(encoding="utf-8").split("\n\n"):
            rows = re.findall(r"^\| (`[^|]+`) \|", block, re.MULTILINE)
            items = re.findall(r"^- (\*\*[^*]+\*\*)", block, re.MULTILINE)
            for found in (rows, items):
                twice = {one for one in found if found.count(one) > 1}
                repeated += [f"{name_of(path)}: {one}" for one in twice]
    assert repeated == []


def test_readme_of_every_service_says_where_to_look() -> None:
    silent = [
        service
        for service in SERVICES
        if "| to change | look in |"
        not in (REPOSITORY / "services" / service / "README.md").read_text(encoding="utf-8")
    ]
    assert silent == []
