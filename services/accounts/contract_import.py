"""The import of a registry of contracts: one pass checks the file, another loads it in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.accounts.contract_file import Accepted, ContractFile, Refused, checked_rows
from services.accounts.contract_loading import (
    OUTCOMES,
    BeginImport,
    ContractRow,
    FinishImport,
    RegisterContracts,
    begin_import,
    finish_import,
    plan_contracts,
    register_contracts,
)
from services.accounts.proof import BillSeal
from shared.context import bind
from shared.eventstore import Store
from shared.ids import NAMESPACE, derived_id, new_id
from shared.money import Kopecks
from shared.tablefiles import ControlTotals, Line, QuarantineFile

BATCH = 200
"""Rows of one transaction."""


@dataclass
class Survey:
    """The result of the first pass: all rows, the refused ones, and the sum of the bills."""

    rows: int = 0
    refused: int = 0
    total: Kopecks = 0

    def differences(self, expected: ControlTotals) -> list[str]:
        """Return a sentence for each control total that differs from the file."""
        found = ControlTotals(rows=self.rows, total=self.total)
        return [
            f"A control total differs: the file has {difference}."
            for difference in expected.differences(found)
        ]


def survey(
    source: ContractFile, seal: BillSeal, quarantine: Path, screen: Console, today: date
) -> Survey:
    """Check and count every row; refused ones go to the quarantine file with their reasons."""
    found = Survey()
    with _progress(screen) as progress:
        task = progress.add_task("Checking", total=None)

        def refused() -> Iterator[tuple[Line, str]]:
            for row in checked_rows(source, seal, today):
                found.rows += 1
                found.total += row.total
                progress.advance(task)
                if isinstance(row, Refused):
                    found.refused += 1
                    yield row.line, row.reason

        QuarantineFile(source, quarantine).write(0, refused())
        progress.update(task, total=found.rows)
    return found


class ContractImport:
    """The second pass: the accepted rows, batch by batch."""

    def __init__(
        self, store: Store, source: ContractFile, seal: BillSeal, found: Survey, screen: Console
    ) -> None:
        self._store = store
        self._source = source
        self._seal = seal
        self._found = found
        self._screen = screen

    def plan(self) -> dict[str, Any]:
        """Return the counts that `run` would return, and write nothing."""
        return self._each_batch(
            "Comparing",
            lambda _, batch: self._store.query(lambda session: plan_contracts(session, batch)),
        )

    def run(self, actor: str, reason: str) -> dict[str, Any]:
        """Load the rows; return the import's id, and how many were registered, amended...

        An interrupted run is simply repeated: what is loaded already counts as unchanged.
        """
        import_id, source = new_id(), self._source
        with bind(actor=actor, correlation_id=str(import_id)):
            begin = BeginImport(
                import_id=import_id,
                file_name=source.path.name,
                sha256=source.digest,
                actor=actor,
                reason=reason,
            )
            self._store.transact(begin_import, begin)
            outcome = self._each_batch("Importing", self._load)
            finish = FinishImport(
                import_id=import_id,
                rows=self._found.rows,
                refused=self._found.refused,
                **outcome,
            )
            self._store.transact(finish_import, finish)
        return {"import_id": str(import_id), **outcome}

    def _load(self, index: int, batch: RegisterContracts) -> dict[str, int]:
        # The id is derived from the file, so that the same file gives the same ids. The result is
        # not kept: a file that is loaded again after another one has to count again.
        command_id = derived_id(NAMESPACE, "accounts.import", self._source.digest, str(index))
        with bind(command_id=command_id):
            return self._store.transact(register_contracts, batch)

    def _each_batch(self, title: str, work: Any) -> dict[str, int]:
        outcome = dict.fromkeys(OUTCOMES, 0)
        rows = checked_rows(self._source, self._seal, self._store.clock.today())
        accepted = (row.row for row in rows if isinstance(row, Accepted))
        with _progress(self._screen) as progress:
            task = progress.add_task(title, total=self._found.rows - self._found.refused)
            for index, batch in enumerate(_batches(accepted)):
                self._source.check_unchanged()
                for key, count in work(index, batch).items():
                    outcome[key] += count
                progress.advance(task, len(batch.rows))
        return outcome


def _batches(rows: Iterable[ContractRow]) -> Iterator[RegisterContracts]:
    stream = iter(rows)
    while batch := tuple(islice(stream, BATCH)):
        yield RegisterContracts(rows=batch)


def _progress(screen: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=screen,
    )
