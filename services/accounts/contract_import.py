"""The import of a registry of contracts: one pass checks the file, another loads it in batches."""

from __future__ import annotations

import sys
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.accounts.contract_file import (
    Accepted,
    ContractFile,
    Refused,
    accepted_rows,
    checked_rows,
)
from services.accounts.contract_loading import (
    OUTCOMES,
    BeginImport,
    ContractLoading,
    FinishImport,
    LoadContracts,
    Loaded,
    begin_import,
    finish_import,
)
from services.accounts.proof import ProofSeal
from services.language import text
from shared.context import bind
from shared.eventstore import Store
from shared.ids import NAMESPACE, derived_id, new_id
from shared.money import Kopecks
from shared.tablefiles import ControlTotals, Line, QuarantineFile

BATCH = 5_000
"""Rows of one transaction."""
UNNAMED_HOLDERS = 100
"""New holders of known accounts that an import loads though nobody has named their number..."""
UNNAMED_SHARE = 100
"""...or one row in so many, where that is more."""
SHOWN_EVERY = 1_000
"""Rows after which the progress of the check is shown."""
QUICK_TURN = 0.0005
"""Seconds after which a thread yields to another."""

Work: TypeAlias = Callable[[int, LoadContracts], Loaded]
"""(number of the batch, its rows) -> what has come of them."""


@dataclass
class Survey:
    """The result of the first pass: all rows, the refused ones, and the sum of the bills.

    ``refused_rows`` are the numbers of the rows that the first pass has refused.
    """

    quarantine: QuarantineFile
    quarantined: int = 0
    rows: int = 0
    refused: int = 0
    total: Kopecks = 0
    refused_rows: array[int] = field(default_factory=lambda: array("q"))

    def differences(self, expected: ControlTotals) -> list[str]:
        """Return a sentence for each control total that differs from the file."""
        found = ControlTotals(rows=self.rows, total=self.total)
        return [
            f"A control total differs: the file has {difference}."
            for difference in expected.differences(found)
        ]

    def put(self, refused: Iterable[tuple[Line, str]]) -> None:
        """Write refused rows to the quarantine file, each with its reason."""

        def counted() -> Iterator[tuple[Line, str]]:
            for entry in refused:
                self.refused += 1
                yield entry

        self.quarantined = self.quarantine.write(self.quarantined, counted())


def survey(source: ContractFile, quarantine: Path, screen: Console, today: date) -> Survey:
    """Check and count every row; refused ones go to the quarantine file with their reasons."""
    found = Survey(QuarantineFile(source, quarantine))
    with _progress(screen) as progress:
        task = progress.add_task(text("Checking"), total=None)

        def refused(rows: Iterable[Accepted | Refused]) -> Iterator[tuple[Line, str]]:
            for row in rows:
                found.rows += 1
                found.total += row.total
                if found.rows % SHOWN_EVERY == 0:
                    progress.update(task, completed=found.rows)
                if isinstance(row, Refused):
                    found.refused_rows.append(row.line[0])
                    yield row.line, row.reason

        with closing(checked_rows(source, today)) as rows:
            found.put(refused(rows))
        progress.update(task, total=found.rows, completed=found.rows)
    return found


class ContractImport:
    """The second pass: the accepted rows, batch by batch.

    While some batches are being decided and written by ``threads``, the next ones are read.
    """

    def __init__(
        self,
        store: Store,
        source: ContractFile,
        seal: ProofSeal,
        found: Survey,
        screen: Console,
        threads: int = 1,
    ) -> None:
        self._store = store
        self._source = source
        self._loading = ContractLoading(seal)
        self._found = found
        self._screen = screen
        self._threads = threads

    def plan(self) -> dict[str, Any]:
        """Return the counts that `run` would return, and write nothing but the quarantine."""
        plan = self._loading.plan
        return self._each_batch(
            text("Comparing"),
            lambda _, rows: self._store.query(lambda session: plan(session, rows)),
        )

    def holder_differences(self, expected: int | None) -> list[str]:
        """Return a sentence where the file changes other holders than expected, or too many.

        A changed spelling of one column would give every account another holder, and take it from
        its owner: no import does so unless its holders are counted beforehand.
        """
        count = self._loading.count_opened
        found = self._each_batch(
            text("Comparing holders"),
            lambda _, rows: self._store.query(lambda session: count(session, rows)),
        )["opened"]
        if expected is None:
            bound = max(UNNAMED_HOLDERS, self._found.rows // UNNAMED_SHARE)
            if found <= bound:
                return []
        elif expected == found:
            return []
        return [
            text(
                "The file gives {found} accounts another holder. If the names are only spelled"
                " otherwise, set holder_change to correction in their rows; if the holders did"
                " change, name their number: --holders {found}.",
                found=found,
            )
        ]

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
            outcome = self._each_batch(text("Importing"), self._load)
            finish = FinishImport(
                import_id=import_id,
                rows=self._found.rows,
                refused=self._found.refused,
                **outcome,
            )
            self._store.transact(finish_import, finish)
        return {"import_id": str(import_id), **outcome}

    def _load(self, index: int, rows: LoadContracts) -> Loaded:
        # The id is derived from the file, so that the same file gives the same ids. The result is
        # not kept: a file that is loaded again after another one has to count again.
        command_id = derived_id(NAMESPACE, "accounts.import", self._source.digest, str(index))
        with bind(command_id=command_id):
            return self._store.transact(self._loading.load_rows, rows)

    def _each_batch(self, title: str, work: Work) -> dict[str, int]:
        outcome = _Outcome()
        today = self._store.clock.today()
        accepted = accepted_rows(self._source, self._found.refused_rows, today)
        with _progress(self._screen) as progress, _quick_turns():
            task = progress.add_task(title, total=self._found.rows - self._found.refused)
            with ThreadPoolExecutor(self._threads, "import") as pool:
                for index, batch in enumerate(_batches(accepted)):
                    self._source.check_unchanged()
                    rows_of_batch = LoadContracts(rows=tuple(one.row for one in batch))
                    run = copy_context().run
                    outcome.ahead.append((batch, pool.submit(run, work, index, rows_of_batch)))
                    while len(outcome.ahead) > self._threads:
                        progress.advance(task, outcome.take())
                while outcome.ahead:
                    progress.advance(task, outcome.take())
        self._once_more(outcome, work)
        return outcome.counts

    def _once_more(self, outcome: _Outcome, work: Work) -> None:
        """Load the refused rows again: another row may have freed in the meantime what they need.

        What is refused again goes to the quarantine file.
        """
        for index, batch in enumerate(_batches(iter(outcome.refused)), start=outcome.batches):
            loaded = work(index, LoadContracts(rows=tuple(one.row for one in batch)))
            outcome.add(loaded)
            self._found.put((batch[place].line, why) for place, why in loaded.refused.items())


class _Outcome:
    """What has come of the batches so far, and those that are being worked on."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(OUTCOMES, 0)
        self.refused: list[Accepted] = []
        self.ahead = deque[tuple[list[Accepted], Future[Loaded]]]()
        self.batches = 0

    def take(self) -> int:
        """Wait for the earliest batch, and return how many rows it has."""
        batch, working = self.ahead.popleft()
        loaded = working.result()
        self.add(loaded)
        self.refused += [batch[place] for place in loaded.refused]
        self.batches += 1
        return len(batch)

    def add(self, loaded: Loaded) -> None:
        """Add the counts of some rows."""
        for key, count in loaded.counts.items():
            self.counts[key] += count


def _batches(rows: Iterable[Accepted]) -> Iterator[list[Accepted]]:
    stream = iter(rows)
    while batch := list(islice(stream, BATCH)):
        yield batch


@contextmanager
def _quick_turns() -> Iterator[None]:
    """Switch between threads quickly: one that waits for the database needs Python only briefly."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(QUICK_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _progress(screen: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=screen,
    )
