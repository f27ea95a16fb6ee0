"""A registry of contracts as billing centres exchange it: a table file, its rows checked."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeAlias

from services.accounts.contract_loading import ContractRow
from services.accounts.contract_row import COLUMNS, RowRefused, read_row
from shared.money import Kopecks
from shared.tablefiles import CUT, Fields, FileKind, Line, SeenNames, TableFile, open_table

CONTRACTS = FileKind(
    name="contracts",
    required=COLUMNS[:4],
    # For people who read the file: the bill, and what links its account. They are not loaded.
    optional=(*COLUMNS[4:], "bill_number", "proof"),
)

ContractFile: TypeAlias = TableFile[FileKind]

_EMPTY_CELLS = b"; \t\r"
"""A spreadsheet leaves rows of empty cells behind; they are blank rows."""


@dataclass(frozen=True)
class Accepted:
    """A row that may enter the registry, and its line; ``total`` is its bill's, in kopecks."""

    row: ContractRow
    line: Line
    total: Kopecks


@dataclass(frozen=True)
class Refused:
    """A row for the quarantine, and why it is refused; ``total`` is as in `Accepted`."""

    line: Line
    reason: str
    total: Kopecks = 0


def open_contract_file(path: Path) -> ContractFile:
    """Open a registry of contracts. Raises ValidationFailed ``invalid_file``."""
    return open_table(path, [CONTRACTS])


def checked_rows(source: ContractFile, today: date) -> Generator[Accepted | Refused, None, None]:
    """Yield every row in order, checked; memory does not grow with the file.

    Who may stop before the end closes it: what it keeps belongs to this thread.
    """
    with closing(SeenNames()) as seen:
        for line, fields in _lines(source):
            flaw = line[-1]
            if flaw and not (flaw == CUT and fields):
                yield Refused(line, flaw)
                continue
            try:
                row, total = read_row(fields, today)
            except RowRefused as refusal:
                yield Refused(line, str(refusal), refusal.total)
                continue
            if repeated := _repeated(seen, row, line[0]):
                yield Refused(line, repeated, total)
            else:
                yield Accepted(row, line, total)


def accepted_rows(source: ContractFile, refused: Iterable[int], today: date) -> Iterator[Accepted]:
    """Yield the rows that `checked_rows` has accepted; ``refused`` are the numbers of the others.

    The file must be as it was then.
    """
    left_out = iter(refused)
    skipped = next(left_out, 0)
    for line, fields in _lines(source):
        if line[0] == skipped:
            skipped = next(left_out, 0)
        else:
            row, total = read_row(fields, today)
            yield Accepted(row, line, total)


def _lines(source: ContractFile) -> Iterator[tuple[Line, Fields]]:
    for number, start, end, raw, fields, flaw in source.rows(source.start, source.row):
        if raw.strip(_EMPTY_CELLS):
            yield (number, start, end, raw, flaw), fields


def _repeated(seen: SeenNames, row: ContractRow, number: int) -> str:
    """Return why a row repeats an earlier one; nothing when it does not."""
    earlier = seen.first_row(row.number, number)
    if earlier != number:
        return f"number: line {earlier} has this account already"
    if row.els is not None and row.state != "closed":
        earlier = seen.first_row(f"els {row.els}", number)
        if earlier != number:
            return f"els: line {earlier} has it for another account"
    return ""
