"""The files of a company, one per step: CSV in UTF-8 or cp1251, or JSON Lines, by account."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from tests.simulation.reading import Row, kopecks
from tests.simulation.steps import IMPORTED, Step

COLUMNS = {
    "registry": ("account", "payer_kind", "effective_on"),
    "opening": ("account", "service", "amount", "payer_kind", "effective_on"),
    "charges": (
        *("account", "period", "due_on", "effective_on", "service", "name", "charged"),
        *("recalculation", "concession", "penalty", "unit", "tariff", "volume", "explanation"),
    ),
    "adjustments": (
        *("account", "adjustment_id", "period", "service", "amount", "reason", "effective_on"),
    ),
}
KEYS = {"charges": "period", "adjustments": "adjustment_id"}


@dataclass
class Totals:
    """The control totals of a file: rows, entries and kopecks."""

    rows: int = 0
    entries: int = 0
    amount: int = 0

    def count(self, kind: str, rows: Sequence[Row]) -> None:
        self.rows += len(rows)
        self.entries += len({row[KEYS[kind]] for row in rows}) if kind in KEYS else 1
        if kind == "charges":
            for row in rows:
                self.amount += kopecks(row["charged"]) + kopecks(row["recalculation"])
                self.amount -= kopecks(row["concession"])
        elif kind != "registry":
            self.amount += sum(kopecks(row["amount"]) for row in rows)


@dataclass
class StepFile:
    """The file of a step, to be written, then read."""

    step: Step
    path: Path
    encoding: str
    columns: Sequence[str] = ()
    totals: Totals = field(default_factory=Totals)
    _file: TextIO | None = None

    def write(self, rows: Sequence[Row]) -> None:
        """Add the rows of one account."""
        if self._file is None:
            self._file = self.path.open("w", encoding=self.encoding, newline="")
            if self.columns:
                self._csv(self._file).writeheader()
        if self.step.kind in IMPORTED:
            self.totals.count(self.step.kind, rows)
        if self.columns:
            self._csv(self._file).writerows(rows)
        else:
            for row in rows:
                self._file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def read(self) -> Iterator[Row]:
        """Yield the rows in the order written, account by account."""
        if not self.path.exists():
            return
        with self.path.open(encoding=self.encoding, newline="") as file:
            if self.columns:
                yield from csv.DictReader(file, delimiter=";")
            else:
                yield from (json.loads(line) for line in file)

    def _csv(self, file: TextIO) -> csv.DictWriter[Any]:
        return csv.DictWriter(file, self.columns, delimiter=";", lineterminator="\r\n")


def step_file(step: Step, folder: Path, chance: random.Random) -> StepFile:
    """Return the file of a step, in a random format."""
    columns = list(COLUMNS.get(step.kind, ()))
    chance.shuffle(columns)
    form = chance.choice(("utf-8", "cp1251", "jsonl")) if columns else "jsonl"
    if form == "jsonl":
        return StepFile(step, folder / f"{step.name}.jsonl", "utf-8")
    return StepFile(step, folder / f"{step.name}.csv", form, columns)
