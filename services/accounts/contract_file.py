"""A registry of contracts as billing centres exchange it: CSV with ``;``, UTF-8 or cp1251.

The file is read as a stream, twice at most, and never held whole: the numbers already seen go to
a temporary database that spills to the disk.
"""

from __future__ import annotations

import codecs
import csv
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from services.accounts.contract_row import RowRefused, read_row
from services.accounts.proof import BillSeal
from services.accounts.registration import ContractRow
from shared.money import Kopecks

REQUIRED = ("number", "holder", "address", "payer_kind")
"""The columns without which a file is no registry of contracts."""

OPTIONAL = (
    "residents",
    "total_area",
    "living_area",
    "heated_area",
    "els",
    "bill_number",
    "bill_total",
)
"""The columns that may be absent or empty."""

QUARANTINE = ("line", "reason")
"""What a quarantine file adds, so that it can be corrected and imported as it is."""

_CHUNK = 1 << 20


class FileRefused(Exception):  # noqa: N818 - a refusal, named as people say it
    """The file as a whole is not a registry of contracts; the text says what to change."""


@dataclass(frozen=True)
class Accepted:
    """A row that may enter the registry; ``total`` is its bill's, in kopecks."""

    row: ContractRow
    total: Kopecks


@dataclass(frozen=True)
class Refused:
    """A row for the quarantine: its physical line, its fields as they came, and the reason."""

    line: int
    fields: tuple[str, ...]
    reason: str
    total: Kopecks = 0


@dataclass(frozen=True)
class ContractFile:
    """An opened registry: where it is, how it is encoded, its digest and its columns."""

    path: Path
    encoding: str
    sha256: str
    columns: tuple[str, ...]

    def rows(self, seal: BillSeal) -> Iterator[Accepted | Refused]:
        """Answer every row in order, checked. Raises FileRefused where the CSV breaks off."""
        with closing(_SeenNumbers()) as seen:
            for line, fields in _records(self.path, self.encoding, skip_header=True):
                yield self._check(line, fields, seal, seen)

    def _check(
        self, line: int, fields: list[str], seal: BillSeal, seen: _SeenNumbers
    ) -> Accepted | Refused:
        if len(fields) != len(self.columns):
            reason = f"the row has {len(fields)} fields, the header has {len(self.columns)}"
            return Refused(line, tuple(fields), reason)
        try:
            row, total = read_row(dict(zip(self.columns, fields, strict=True)), seal)
        except RowRefused as refusal:
            return Refused(line, tuple(fields), str(refusal), refusal.total)
        earlier = seen.first_line(row.number, line)
        if earlier != line:
            reason = f"number: line {earlier} has this account already"
            return Refused(line, tuple(fields), reason, total)
        return Accepted(row, total)


def open_contract_file(path: Path) -> ContractFile:
    """Find out encoding, digest and columns. Raises FileRefused."""
    try:
        encoding, digest = _examine(path)
        header = next(_records(path, encoding, skip_header=False), None)
    except OSError as error:
        raise FileRefused(f"{path} cannot be read: {error.strerror}") from error
    if header is None:
        raise FileRefused(f"{path} is empty: the first line must name the columns")
    columns = tuple(name.strip().casefold() for name in header[1])
    _check_columns(columns)
    return ContractFile(path, encoding, digest, columns)


def _check_columns(columns: tuple[str, ...]) -> None:
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise FileRefused(
            f"the header lacks {', '.join(missing)}; the columns are separated by ';' and are "
            f"{';'.join((*REQUIRED, *OPTIONAL))}"
        )
    unknown = [name for name in columns if name not in (*REQUIRED, *OPTIONAL, *QUARANTINE)]
    if unknown:
        raise FileRefused(f"the header has unknown columns: {', '.join(map(repr, unknown))}")
    if len(set(columns)) != len(columns):
        raise FileRefused("the header names a column twice")


def _examine(path: Path) -> tuple[str, str]:
    """Read the bytes once: their SHA-256, and whether they are UTF-8; if not, cp1251."""
    digest = sha256()
    decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            if b"\0" in chunk:
                raise FileRefused(f"{path} is no text in UTF-8 or cp1251: it has zero bytes")
            decoder = decoder if decoder and _decodes(decoder, chunk) else None
    if decoder and _decodes(decoder, b"", final=True):
        return "utf-8-sig", digest.hexdigest()
    return "cp1251", digest.hexdigest()


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def _records(path: Path, encoding: str, *, skip_header: bool) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding=encoding, newline="") as stream:
        reader = csv.reader(stream, delimiter=";")
        line = 1
        try:
            for fields in reader:
                if any("\n" in field for field in fields):
                    raise _unclosed(line)
                if any(field.strip() for field in fields):
                    if not skip_header:
                        yield line, fields
                    skip_header = False
                line = reader.line_num + 1
        except csv.Error:
            raise _unclosed(line) from None
        except UnicodeDecodeError as error:
            raise FileRefused(f"after line {line} the text is neither UTF-8 nor cp1251") from error


def _unclosed(line: int) -> FileRefused:
    # It swallows the rows that follow, so the rest of the file cannot be trusted.
    return FileRefused(
        f"line {line}: a field runs over its line; look for a quotation mark that is not closed"
    )


class _SeenNumbers:
    """The account numbers of a file with the line that had each first, beyond memory's size."""

    def __init__(self) -> None:
        # The empty name makes a database in a temporary file, deleted on closing.
        self._database = sqlite3.connect("")
        self._database.execute(
            "CREATE TABLE seen (number TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID"
        )

    def first_line(self, number: str, line: int) -> int:
        """Answer the line that had the number first: the given one, if it is new."""
        self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (number, line))
        found = self._database.execute("SELECT line FROM seen WHERE number = ?", (number,))
        return int(found.fetchone()[0])

    def close(self) -> None:
        self._database.close()
