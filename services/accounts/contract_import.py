"""Imports a registry of contracts: one pass to check it, one to load it, in batches."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.accounts.contract_file import QUARANTINE, Accepted, ContractFile, Refused
from services.accounts.proof import BillSeal
from services.accounts.registration import (
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
from shared.context import bind
from shared.eventstore import Store
from shared.ids import NAMESPACE, derived_id, new_id
from shared.money import Kopecks, format_roubles

BATCH = 200
"""Rows of one transaction."""


@dataclass
class Survey:
    """What the first pass found: rows with the refused ones, and the sum of their bills."""

    rows: int = 0
    refused: int = 0
    total: Kopecks = 0

    def differences(self, rows: int | None, total: Kopecks | None) -> list[str]:
        """Answer in a sentence each how the control totals given differ from the file."""
        found = []
        if rows is not None and rows != self.rows:
            found.append(f"The control total says {rows} rows; the file has {self.rows}.")
        if total is not None and total != self.total:
            found.append(
                f"The control total says {format_roubles(total)} roubles; the bills of the file "
                f"add up to {format_roubles(self.total)}."
            )
        return found


def survey(source: ContractFile, seal: BillSeal, quarantine: Path, screen: Console) -> Survey:
    """Check every row; refused ones go to the quarantine file with line and reason."""
    found = Survey()
    with ExitStack() as stack:
        progress = stack.enter_context(_progress(screen))
        task = progress.add_task("Checking", total=None)
        refused_rows: Any = None
        for row in source.rows(seal):
            found.rows += 1
            found.total += row.total
            if isinstance(row, Refused):
                found.refused += 1
                if refused_rows is None:
                    refused_rows = _open_quarantine(stack, quarantine, source)
                refused_rows.writerow(_quarantined(row, source))
            progress.advance(task)
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
        """Answer what `run` would do, writing nothing."""
        return self._each_batch(
            "Comparing",
            lambda _, batch: self._store.query(lambda session: plan_contracts(session, batch)),
        )

    def run(self, actor: str, reason: str) -> dict[str, Any]:
        """Load the rows; answer the import's id and how many were registered, amended...

        A run that was interrupted is simply repeated: what is loaded already counts as unchanged.
        """
        import_id, source = new_id(), self._source
        with bind(actor=actor, correlation_id=str(import_id)):
            begin = BeginImport(
                import_id=import_id,
                file_name=source.path.name,
                sha256=source.sha256,
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
        # The events of a batch carry an id that the same file gives again. Its result is not
        # kept: a file that is loaded again after another one is to count again.
        command_id = derived_id(NAMESPACE, "accounts.import", self._source.sha256, str(index))
        with bind(command_id=command_id):
            return self._store.transact(register_contracts, batch)

    def _each_batch(self, title: str, work: Any) -> dict[str, int]:
        outcome = dict.fromkeys(OUTCOMES, 0)
        accepted = (row.row for row in self._source.rows(self._seal) if isinstance(row, Accepted))
        with _progress(self._screen) as progress:
            task = progress.add_task(title, total=self._found.rows - self._found.refused)
            for index, batch in enumerate(_batches(accepted)):
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


def _open_quarantine(stack: ExitStack, path: Path, source: ContractFile) -> Any:
    # The rows hold names and addresses: only the operator who imports may read the file. It is
    # made anew, since an existing file would keep its permissions.
    with suppress(FileNotFoundError):
        path.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    stream = stack.enter_context(os.fdopen(descriptor, "w", encoding=source.encoding, newline=""))
    writer = csv.writer(stream, delimiter=";", lineterminator="\n")
    writer.writerow([*_own_columns(source.columns), *QUARANTINE])
    return writer


def _quarantined(row: Refused, source: ContractFile) -> list[str]:
    named = _own_columns(source.columns)
    if len(row.fields) != len(source.columns):
        # The columns of such a row cannot be told apart: it is kept as one text, to be looked at.
        return [";".join(row.fields), *[""] * (len(named) - 1), str(row.line), row.reason]
    own = [
        field
        for name, field in zip(source.columns, row.fields, strict=True)
        if name not in QUARANTINE
    ]
    return [*own, str(row.line), row.reason]


def _own_columns(columns: tuple[str, ...]) -> list[str]:
    return [name for name in columns if name not in QUARANTINE]
