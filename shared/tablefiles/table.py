"""A table file: examined once, then read as a stream of rows.

A row is a line. What cannot be read as one (undecodable bytes, a wrong number of fields, a line
beyond all measure, a line without an end) is a flaw of that row, not an exception.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeAlias

import msgspec

from shared.errors import ValidationFailed
from shared.tablefiles.encodings import EncodingVote
from shared.tablefiles.foreign import BEGINNING, refuse_foreign, refuse_separator
from shared.tablefiles.kinds import K, match_kind
from shared.tablefiles.lines import BLOCK, CUT, Line, split_lines
from shared.tablefiles.rows import (
    Fields,
    UnreadableRow,
    csv_fields,
    csv_reader,
    json_reader,
    splitter,
)

Row: TypeAlias = tuple[int, int, int, bytes, Fields, str]
"""(number, first byte, byte after it, the line, its fields, its flaw).

A row with a flaw has no fields, except for a last row without a line end that could be read.
"""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class TableFile(Generic[K]):
    """An opened file. ``start`` is the first byte after the header, ``row`` the header's number.

    ``has_mark``: it begins with the byte order mark of UTF-8.
    """

    path: Path
    size: int
    modified: int
    digest: str
    encoding: str
    has_mark: bool
    json_lines: bool
    kind: K
    header: tuple[str, ...]
    start: int
    row: int

    def lines(self, offset: int, row: int) -> Iterator[Line]:
        """Yield the lines from a byte on, which begins the row after ``row``."""
        with self.path.open("rb") as file:
            yield from split_lines(file, offset, row)

    def rows(self, offset: int, row: int) -> Iterator[Row]:
        """Yield the rows from a byte on, which begins the row after ``row``, without blank ones."""
        read = self.reader()
        for number, start, end, raw, flaw in self.lines(offset, row):
            if flaw and flaw != CUT:
                yield number, start, end, raw, (), flaw
                continue
            try:
                fields = read(raw)
            except UnreadableRow as error:
                if raw.strip():
                    yield number, start, end, raw, (), flaw or str(error)
            else:
                yield number, start, end, raw, fields, flaw

    def reader(self) -> Callable[[bytes], Fields]:
        """Return the function that reads a line; it raises UnreadableRow."""
        if self.json_lines:
            return json_reader(self.kind.columns, self.encoding)
        return csv_reader(self.header, self.kind.columns, self.encoding)

    def csv_fields(self, raw: bytes) -> list[str]:
        """Return the fields of a CSV line in the order of the header. Raises UnreadableRow."""
        return splitter(self.header)(raw, self.encoding)

    def check_unchanged(self) -> None:
        """Raise ValidationFailed ``file_changed`` when somebody has written to the file."""
        now = self.path.stat()
        if (now.st_size, now.st_mtime_ns) != (self.size, self.modified):
            raise ValidationFailed(
                "file_changed",
                f"{self.path.name} was changed while it was being imported; what is imported "
                "stays, and the rest is not imported. Import the changed file.",
            )


def open_table(path: Path, kinds: Sequence[K], encoding: str | None = None) -> TableFile[K]:
    """Find out digest, encoding, format, kind and columns of a file by reading it through once.

    Raises ValidationFailed ``invalid_file`` with what is wrong.
    """
    try:
        stat = path.stat()
        digest, guessed = _examine(path)
        with path.open("rb") as file:
            has_mark = file.read(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK
            lines = split_lines(file, len(BYTE_ORDER_MARK) if has_mark else 0, 0)
            first = next((line for line in lines if line[3].strip()), None)
    except OSError as error:
        raise ValidationFailed(
            "invalid_file", f"{path} cannot be read: {error.strerror}."
        ) from error
    if first is None:
        raise ValidationFailed("invalid_file", f"{path.name} is empty.")
    encoding = encoding or guessed
    row, begin, end, raw, flaw = first
    if flaw and flaw != CUT:
        raise ValidationFailed("invalid_file", f"The first row of {path.name}: {flaw}.")
    if b"\0" in raw:
        raise ValidationFailed(
            "invalid_file", f"The header of {path.name} has zero bytes: the file is no text."
        )
    json_lines = raw.lstrip()[:1] == b"{"
    if json_lines:
        header, start, row = _names_of_object(raw, encoding), begin, row - 1
    else:
        columns = {column for kind in kinds for column in kind.columns}
        refuse_separator(path.name, raw.decode(encoding, "replace"), columns)
        header, start = _header(raw, encoding), end
    return TableFile(
        path=path,
        size=stat.st_size,
        modified=stat.st_mtime_ns,
        digest=digest,
        encoding=encoding,
        has_mark=has_mark,
        json_lines=json_lines,
        kind=match_kind(header, kinds),
        header=header,
        start=start,
        row=row,
    )


def _header(raw: bytes, encoding: str) -> tuple[str, ...]:
    try:
        return tuple(name.strip().casefold() for name in csv_fields(raw, encoding))
    except UnreadableRow as error:
        raise ValidationFailed("invalid_file", f"The header cannot be read: {error}.") from None


def _names_of_object(raw: bytes, encoding: str) -> tuple[str, ...]:
    try:
        return tuple(msgspec.json.decode(raw.decode(encoding), type=dict[str, Any]))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValidationFailed(
            "invalid_file", f"The first row is no JSON object in {encoding}: {error}."
        ) from None


def _examine(path: Path) -> tuple[str, str]:
    digest, vote = hashlib.sha256(), EncodingVote()
    with path.open("rb") as file:
        refuse_foreign(path.name, file.read(BEGINNING))
        file.seek(0)
        while block := file.read(BLOCK):
            digest.update(block)
            vote.count(block)
    return digest.hexdigest(), vote.winner
