"""A registry of contracts as billing centres exchange it: a table file, its rows checked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeAlias

from services.accounts.contract_loading import ContractRow
from services.accounts.contract_row import RowRefused, read_row
from services.accounts.proof import BillSeal
from shared.money import Kopecks
from shared.tablefiles import CUT, FileKind, Line, SeenNames, TableFile, open_table

CONTRACTS = FileKind(
    name="contracts",
    required=("number", "holder", "address", "payer_kind"),
    optional=(
        "residents",
        "total_area",
        "living_area",
        "heated_area",
        "els",
        "effective_on",
        "bill_number",
        "bill_total",
        # For people who read the file: which fact proves ownership. It is not loaded.
        "proof",
    ),
)

ContractFile: TypeAlias = TableFile[FileKind]

_EMPTY_CELLS = b"; \t\r"
"""A spreadsheet leaves rows of empty cells behind; they are blank rows."""


@dataclass(frozen=True)
class Accepted:
    """A row that may enter the registry; ``total`` is its bill's, in kopecks."""

    row: ContractRow
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


def checked_rows(source: ContractFile, seal: BillSeal, today: date) -> Iterator[Accepted | Refused]:
    """Yield every row in order, checked; memory does not grow with the file."""
    with closing(SeenNames()) as seen:
        for number, start, end, raw, fields, flaw in source.rows(source.start, source.row):
            if not raw.strip(_EMPTY_CELLS):
                continue
            line = (number, start, end, raw, flaw)
            if flaw and not (flaw == CUT and fields):
                yield Refused(line, flaw)
                continue
            named = dict(zip(CONTRACTS.columns, fields, strict=True))
            try:
                row, total = read_row(named, seal, today)
            except RowRefused as refusal:
                yield Refused(line, str(refusal), refusal.total)
                continue
            earlier = seen.first_row(row.number, number)
            if earlier != number:
                yield Refused(line, f"number: line {earlier} has this account already", total)
            else:
                yield Accepted(row, total)
