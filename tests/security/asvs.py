"""The table of ASVS 5.0: read, checked, and written as a page.

`python -m tests.security.asvs` writes docs/security/asvs.md; with --check it fails unless the page
is current. The answers stand in docs/security/asvs.yaml, the ids and levels of the standard in
docs/security/asvs-5.0.0.csv.
"""

from __future__ import annotations

import ast
import csv
import re
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "docs" / "security"
ANSWERS = FOLDER / "asvs.yaml"
STANDARD = FOLDER / "asvs-5.0.0.csv"
PAGE = FOLDER / "asvs.md"

KINDS = {
    "test": "met, and tests prove it",
    "document": "met by a document or by design, which no test can prove",
    "operator": "answered by the operator: a setting, the reverse proxy, network or machines",
    "not applicable": "there is no such thing in Saldo",
    "not met": "not met",
}

TABLE = ("| id | level | what | answer |", "|---|---|---|---|")
HEAD = """\
# ASVS 5.0, levels 1 and 2

Generated from [asvs.yaml](asvs.yaml) by `make contracts`. `make check` fails when it is not
current, and `test_every_requirement_is_answered` when a requirement or a test is missing.

Each requirement of the OWASP Application Security Verification Standard 5.0.0, with what answers it
here. Ids and levels are those of the standard (© The OWASP Foundation, CC BY-SA 4.0); the words are
ours and short, so read the standard beside them. This table is licensed CC BY-SA 4.0, too.
"""


@dataclass(frozen=True)
class Answer:
    """How a requirement is answered: by tests, or by a reason."""

    id: str
    level: int
    what: str
    answer: str
    tests: tuple[str, ...]
    reason: str


def answers() -> list[Answer]:
    """Return the answers as they stand in the file."""
    rows = yaml.safe_load(ANSWERS.read_text(encoding="utf-8"))
    return [
        Answer(
            id=row["id"],
            level=row["level"],
            what=row["what"],
            answer=row["answer"],
            tests=tuple(row.get("tests", ())),
            reason=row.get("reason", ""),
        )
        for row in rows
    ]


def standard() -> dict[str, int]:
    """Return the level of each requirement of levels 1 and 2, in the order of the standard."""
    with STANDARD.open(encoding="utf-8", newline="") as file:
        return {row["id"]: int(row["level"]) for row in csv.DictReader(file)}


def chapters() -> dict[str, str]:
    """Return the names of the chapters by the beginning of their ids."""
    with STANDARD.open(encoding="utf-8", newline="") as file:
        return {row["id"].split(".")[0]: row["chapter"] for row in csv.DictReader(file)}


@cache
def tests_of(path: str) -> frozenset[str]:
    """Return the test functions that a file defines."""
    file = REPOSITORY / path
    if not file.is_file():
        return frozenset()
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    )


def problems(found: list[Answer]) -> list[str]:
    """Return what is wrong with the answers, a sentence each."""
    wrong = []
    levels = standard()
    times = Counter(answer.id for answer in found)
    wrong += [f"{id_} has no answer" for id_ in levels if not times[id_]]
    wrong += [f"{id_} stands twice" for id_, number in times.items() if number > 1]
    for answer in found:
        wrong += [f"{answer.id}: {each}" for each in _problems(answer, levels.get(answer.id))]
    return wrong


def _problems(answer: Answer, level: int | None) -> list[str]:
    wrong = []
    if level is None:
        wrong.append("is no requirement of levels 1 and 2")
    elif level != answer.level:
        wrong.append(f"has level {level}")
    if answer.answer not in KINDS:
        wrong.append(f"{answer.answer} is no answer")
    if not answer.what.strip():
        wrong.append("does not say what it is about")
    if answer.answer == "test" and not answer.tests:
        wrong.append("names no test")
    if answer.answer != "test" and len(answer.reason.split()) < 3:
        wrong.append("gives no reason")
    for node in answer.tests:
        path, _, name = node.partition("::")
        if name not in tests_of(path):
            wrong.append(f"{node} does not exist")
    return wrong


def page(found: list[Answer]) -> str:
    """Return the page."""
    numbers = Counter(answer.answer for answer in found)
    lines = [
        *HEAD.splitlines(),
        "",
        "| answer | means | number |",
        "|---|---|---|",
        *(f"| {kind} | {meaning} | {numbers[kind]} |" for kind, meaning in KINDS.items()),
        f"| | | {len(found)} |",
        "",
        "## Not met",
        "",
        *(f"- **{each.id}** {each.what} {_said(each)}" for each in found if _is_open(each)),
    ]
    for chapter, name in chapters().items():
        lines += ["", f"## {chapter} {name}", "", *TABLE]
        lines += [_row(each) for each in found if each.id.split(".")[0] == chapter]
    return "\n".join(lines) + "\n"


def _is_open(answer: Answer) -> bool:
    return answer.answer == "not met"


def _said(answer: Answer) -> str:
    """Return the reason; tests in it are marked, so that tests/architecture looks for them."""
    return re.sub(r"\b(test_\w+)(?![\w.])", r"`\1`", answer.reason)


def _row(answer: Answer) -> str:
    tests = ", ".join(f"`{node.partition('::')[2]}`" for node in answer.tests)
    kind = "" if answer.answer == "test" else f"{answer.answer}: "
    if _is_open(answer):
        text = "**not met**, see above"
    else:
        text = kind + " ".join(filter(None, (f"{tests}." if tests else "", _said(answer))))
    return f"| {answer.id} | {answer.level} | {answer.what} | {text} |".replace("\n", " ")


def main(arguments: list[str]) -> int:
    """Write the page, or compare it."""
    found = answers()
    if wrong := problems(found):
        sys.stderr.write("\n".join(wrong) + "\n")
        return 1
    written = page(found)
    if "--check" not in arguments:
        PAGE.write_text(written, encoding="utf-8")
        return 0
    if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != written:
        sys.stderr.write("docs/security/asvs.md is not current: make contracts\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
