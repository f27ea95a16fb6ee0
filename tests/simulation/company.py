"""A whole company: its files, and the accounts rebuilt from them by the reference model."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tests.simulation.files import StepFile, step_file
from tests.simulation.reading import Row, entries_of
from tests.simulation.reference_model import ModelAccount
from tests.simulation.scenario import AccountScenario
from tests.simulation.steps import Step, steps

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Company:
    """The files of a company in the order of its steps; a step without rows has no file."""

    files: Sequence[StepFile]

    def accounts(self) -> Iterator[tuple[str, ModelAccount]]:
        """Yield the accounts and their numbers from the files.

        All files are read in parallel, so only one account is in memory at a time.
        """
        streams = [_by_account(place, file) for place, file in enumerate(self.files)]
        merged = heapq.merge(*streams, key=lambda found: found[:2])
        for number, found in groupby(merged, key=lambda item: item[0]):
            yield number, self._account_from({place: rows for _, place, rows in found})

    def _account_from(self, rows: Mapping[int, Sequence[Row]]) -> ModelAccount:
        account = ModelAccount()
        for place, file in enumerate(self.files):
            step = file.step
            if step.kind == "accrual":
                account.accrue(step.day)
            elif place in rows:
                for entry in entries_of(step.kind, rows[place], account):
                    account.record(entry)
        return account


def make_company(
    folder: Path, accounts: int, months: int, seed: int, progress: Progress = lambda _: None
) -> Company:
    """Generate a company and write its files."""
    chance = random.Random(seed)  # noqa: S311 - reproducible
    files = [step_file(step, folder, chance) for step in steps(months)]
    for index in range(accounts):
        scenario = AccountScenario(seed, index)
        for file in files:
            if rows := scenario.rows(file.step):
                file.write(rows)
        progress(1)
    for file in files:
        file.close()
    return Company(files)


def _by_account(place: int, file: StepFile) -> Iterator[tuple[str, int, list[Row]]]:
    for number, rows in groupby(file.read(), key=lambda row: str(row["account"])):
        yield number, place, list(rows)


def steps_of(company: Company) -> list[Step]:
    """Return the steps of a company in their order."""
    return [file.step for file in company.files]
