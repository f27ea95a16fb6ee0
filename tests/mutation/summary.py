"""What became of the mutants: mutmut's own records, counted by module."""

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
    """One mutant: its module's path, mutmut's name for it, and what became of it."""

    path: str
    name: str
    end: str


@dataclass(frozen=True)
class Row:
    """The mutants of a module, or of all. What ran out of time counts as killed: it was noticed."""

    what: str
    killed: int
    timeouts: int
    survived: int
    untested: int
    unknown: int

    @property
    def mutants(self) -> int:
        """All of them."""
        return self.killed + self.timeouts + self.survived + self.untested + self.unknown

    @property
    def percent(self) -> float:
        """The part that is noticed, in per cent."""
        return 100 * (self.killed + self.timeouts) / self.mutants if self.mutants else 100.0


def mutants_in(folder: Path) -> list[Mutant]:
    """Read what mutmut has recorded under its folder of mutants, those that were not run left out.

    A run of a part leaves the other mutants without an end.
    """
    found = []
    for record in sorted(folder.rglob("*.meta")):
        path = record.relative_to(folder).as_posix().removesuffix(".meta")
        ends = json.loads(record.read_text(encoding="utf-8"))["exit_code_by_key"]
        found += [Mutant(path, name, _end(code)) for name, code in ends.items() if code is not None]
    return found


def rows(mutants: Iterable[Mutant], paths: Iterable[str]) -> list[Row]:
    """Count by module, in the order of the paths, the sum of all last."""
    counts: dict[str, Counter[str]] = {}
    for mutant in mutants:
        counts.setdefault(mutant.path, Counter())[mutant.end] += 1
    told = [_row(path, counts[path]) for path in paths if path in counts]
    return [*told, _row("all", sum(counts.values(), Counter()))]


def as_markdown(told: Iterable[Row]) -> str:
    """Return the table that README.md holds."""
    lines = [
        "| module | mutants | killed | timeouts | survived | no test | % |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in told:
        lines.append(
            f"| {row.what} | {row.mutants} | {row.killed} | {row.timeouts} | {row.survived} "
            f"| {row.untested + row.unknown} | {row.percent:.1f} |"
        )
    return "\n".join(lines)


def _row(what: str, ends: Counter[str]) -> Row:
    kinds = ("killed", "timeout", "survived", "untested", "unknown")
    return Row(what, *(ends[kind] for kind in kinds))


def _end(code: int) -> str:
    if code in _KILLED:
        return "killed"
    if code == _SURVIVED:
        return "survived"
    if code in _NO_TESTS:
        return "untested"
    return "timeout" if code in _TIMEOUTS else "unknown"
