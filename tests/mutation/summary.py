"""The results of the mutants, from mutmut's records, counted by module."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_SURVIVED = 0
_NO_TESTS = (5, 33)
_KILLED = (1, 3)
_TIMEOUTS = (-24, 24, 36, 152, 255, -9)


@dataclass(frozen=True)
class Mutant:
    """One mutant: its module's path, mutmut's name for it, and its result."""

    path: str
    name: str
    result: str


@dataclass(frozen=True)
class Row:
    """The mutants of a module, or of all. A timeout counts as killed: it was noticed."""

    what: str
    killed: int
    timeouts: int
    survived: int
    untested: int
    unknown: int

    @property
    def mutants(self) -> int:
        """Return the number of all mutants."""
        return self.killed + self.timeouts + self.survived + self.untested + self.unknown

    @property
    def percent(self) -> float:
        """Return the percentage that the tests notice."""
        return 100 * (self.killed + self.timeouts) / self.mutants if self.mutants else 100.0


def mutants_in(folder: Path) -> list[Mutant]:
    """Return the mutants that ran, from mutmut's records in a folder.

    A partial run leaves the other mutants without a result.
    """
    found = []
    for record in sorted(folder.rglob("*.meta")):
        path = record.relative_to(folder).as_posix().removesuffix(".meta")
        codes = json.loads(record.read_text(encoding="utf-8"))["exit_code_by_key"]
        found += [
            Mutant(path, name, _result(code)) for name, code in codes.items() if code is not None
        ]
    return found


def rows(mutants: Iterable[Mutant], paths: Iterable[str]) -> list[Row]:
    """Count mutants by module, in the order of the paths, with the total last."""
    counts: dict[str, Counter[str]] = {}
    for mutant in mutants:
        counts.setdefault(mutant.path, Counter())[mutant.result] += 1
    by_module = [_row(path, counts[path]) for path in paths if path in counts]
    return [*by_module, _row("all", sum(counts.values(), Counter()))]


def as_markdown(table: Iterable[Row]) -> str:
    """Return the table of README.md."""
    lines = [
        "| module | mutants | killed | timeouts | survived | no test | % |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in table:
        lines.append(
            f"| {row.what} | {row.mutants} | {row.killed} | {row.timeouts} | {row.survived} "
            f"| {row.untested + row.unknown} | {row.percent:.1f} |"
        )
    return "\n".join(lines)


def _row(what: str, results: Counter[str]) -> Row:
    kinds = ("killed", "timeout", "survived", "untested", "unknown")
    return Row(what, *(results[kind] for kind in kinds))


def _result(code: int) -> str:
    if code in _KILLED:
        return "killed"
    if code == _SURVIVED:
        return "survived"
    if code in _NO_TESTS:
        return "untested"
    return "timeout" if code in _TIMEOUTS else "unknown"
