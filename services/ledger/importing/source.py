"""A file as a stream of rows: found out once, read in blocks, never held whole.

A row is a line. What cannot be read as one (undecodable bytes, a wrong number of fields, a line
beyond all measure, a line without an end) comes out as a flaw of that row, not as an exception.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import msgspec

from services.ledger.importing.encodings import EncodingVote
from services.ledger.importing.fields import shown
from services.ledger.importing.kinds import QUARANTINE_COLUMNS, Kind, kind_of
from shared.errors import ValidationFailed

MAX_ROW = 1 << 16
"""Bytes of the longest row that is read; of a longer one only the beginning is kept."""
BLOCK = 1 << 20
KEPT_OF_A_LONG_ROW = 1_000

CUT = "the file ends in the middle of this row"

Line: TypeAlias = tuple[int, int, int, bytes, str]
"""(number of the row, its first byte, the byte after it, the line without its end, its flaw)."""

Fields: TypeAlias = tuple[str, ...]
"""The fields of a row in the order of the kind's columns, stripped of nothing."""

_BOM = b"\xef\xbb\xbf"
_WIDE = (b"\xff\xfe", b"\xfe\xff")


class RowRefused(Exception):  # noqa: N818 - a refusal, named as people say it
    """A row that cannot be read; the text says why."""


@dataclass(frozen=True)
class Source:
    """An opened file. ``start`` is the first byte after the header, ``row`` the header's number."""

    path: Path
    size: int
    modified: int
    digest: str
    encoding: str
    json_lines: bool
    kind: Kind
    header: tuple[str, ...]
    start: int
    row: int

    def lines(self, offset: int, row: int) -> Iterator[Line]:
        """Yield the lines from a byte on, which begins the row after ``row``."""
        with self.path.open("rb") as file:
            yield from split_lines(file, offset, row)

    def check_unchanged(self) -> None:
        """Raise ValidationFailed ``file_changed`` when somebody has written to the file."""
        now = self.path.stat()
        if (now.st_size, now.st_mtime_ns) != (self.size, self.modified):
            raise ValidationFailed(
                "file_changed",
                f"{self.path.name} was changed while it was being imported; what is posted is "
                "posted, and the rest is not. Import the changed file.",
            )

    def reader(self) -> Callable[[bytes], Fields]:
        """Answer the function that reads a line; it raises RowRefused."""
        if self.json_lines:
            return _json_reader(self.kind.columns, self.encoding)
        return _csv_reader(self.header, self.kind.columns, self.encoding)


def open_source(path: Path, kind: str | None = None, encoding: str | None = None) -> Source:
    """Find out digest, encoding, format, kind and columns of a file by reading it through once.

    Raises ValidationFailed ``invalid_file`` with what is wrong.
    """
    try:
        stat = path.stat()
        digest, guessed = _examine(path)
        with path.open("rb") as file:
            mark = file.read(len(_BOM))
            lines = split_lines(file, len(_BOM) if mark == _BOM else 0, 0)
            first = next((line for line in lines if line[3].strip()), None)
    except OSError as error:
        raise ValidationFailed(
            "invalid_file", f"{path} cannot be read: {error.strerror}."
        ) from error
    if first is None:
        raise ValidationFailed("invalid_file", f"{path.name} is empty.")
    encoding = encoding or guessed
    row, begin, end, raw, flaw = first
    if len(raw) > MAX_ROW or (flaw and flaw != CUT):
        raise ValidationFailed("invalid_file", f"The first row of {path.name}: {flaw}.")
    json_lines = raw.lstrip()[:1] == b"{"
    if json_lines:
        header, start, row = _names_of_object(raw, encoding), begin, row - 1
    else:
        header, start = _header(raw, encoding), end
    return Source(
        path=path,
        size=stat.st_size,
        modified=stat.st_mtime_ns,
        digest=digest,
        encoding=encoding,
        json_lines=json_lines,
        kind=kind_of(header, kind),
        header=header,
        start=start,
        row=row,
    )


def split_lines(file: BinaryIO, offset: int, row: int) -> Iterator[Line]:
    """Yield the lines of a file from a byte on; memory does not grow with their length."""
    file.seek(offset)
    start, carry, dropped = offset, b"", 0
    while block := file.read(BLOCK):
        whole = (carry + block).split(b"\n") if carry else block.split(b"\n")
        carry = whole.pop()
        for raw in whole:
            row += 1
            length = len(raw) + dropped
            end = start + length + 1
            if length > MAX_ROW:
                yield row, start, end, raw[:KEPT_OF_A_LONG_ROW], _too_long(length)
                dropped = 0
            else:
                yield row, start, end, raw, ""
            start = end
        if len(carry) > MAX_ROW:
            dropped += len(carry) - MAX_ROW
            carry = carry[:MAX_ROW]
    if carry:
        length = len(carry) + dropped
        flaw = CUT if length <= MAX_ROW else _too_long(length)
        kept = carry if length <= MAX_ROW else carry[:KEPT_OF_A_LONG_ROW]
        yield row + 1, start, start + length, kept, flaw


def fields_of(raw: bytes, encoding: str) -> list[str]:
    """Answer the fields of a CSV line. Raises RowRefused."""
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        found = raw[error.start : error.start + 1].hex()
        raise RowRefused(f"byte 0x{found} at {error.start} is no {encoding} text") from None
    if text[-1:] == "\r":
        text = text[:-1]
    if '"' not in text:
        return text.split(";")
    try:
        return next(csv.reader([text], delimiter=";", strict=True))
    except (csv.Error, StopIteration):
        raise RowRefused("a quotation mark is not closed, or stands within a field") from None


def _csv_reader(
    header: Sequence[str], columns: Sequence[str], encoding: str
) -> Callable[[bytes], Fields]:
    width = len(header)
    # A column that the file lacks is read from one more field, which is always empty.
    pick = itemgetter(*(header.index(name) if name in header else width for name in columns))

    def read(raw: bytes) -> Fields:
        fields = fields_of(raw, encoding)
        if len(fields) != width:
            raise RowRefused(f"the row has {len(fields)} fields, the header has {width}")
        fields.append("")
        return pick(fields)  # type: ignore[no-any-return]

    return read


def _json_reader(columns: Sequence[str], encoding: str) -> Callable[[bytes], Fields]:
    # A fraction comes as it is written, never as a binary float.
    decode = msgspec.json.Decoder(dict[str, Any], float_hook=str).decode
    known = {*columns, *QUARANTINE_COLUMNS}

    def read(raw: bytes) -> Fields:
        try:
            found = decode(raw if encoding == "utf-8" else raw.decode(encoding))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise RowRefused(f"the row is no JSON object in {encoding}: {error}") from None
        if not known.issuperset(found):
            unknown = min(found.keys() - known)
            raise RowRefused(f"the row has a field that is not known: {shown(unknown)}")
        return tuple([_as_text(found.get(name), name) for name in columns])

    return read


def _as_text(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if type(value) is int:
        return str(value)
    raise RowRefused(f"{name}: a text or a number is expected")


def _header(raw: bytes, encoding: str) -> tuple[str, ...]:
    try:
        return tuple(name.strip().casefold() for name in fields_of(raw, encoding))
    except RowRefused as error:
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
        if file.read(2) in _WIDE:
            raise ValidationFailed(
                "invalid_file", f"{path.name} is UTF-16; save it as UTF-8 or Windows-1251."
            )
        file.seek(0)
        while block := file.read(BLOCK):
            digest.update(block)
            vote.count(block)
    return digest.hexdigest(), vote.winner


def _too_long(length: int) -> str:
    return f"the row has {length} bytes; up to {MAX_ROW} are read"
