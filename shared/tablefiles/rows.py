"""A line as the fields of a row: CSV with ``;``, or a JSON object."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

import msgspec

from shared.tablefiles.encodings import UTF_8
from shared.tablefiles.formulae import restore
from shared.tablefiles.kinds import QUARANTINE_COLUMNS, REFUSAL, shown

Fields: TypeAlias = tuple[str, ...]
"""The fields of a row in the order of the kind's columns, not stripped."""

Split: TypeAlias = Callable[[bytes, str], list[str]]
"""(line, encoding) -> the fields of a CSV line; raises UnreadableRow."""


class UnreadableRow(Exception):  # noqa: N818 - a refusal, named as people say it
    """A row whose fields cannot be read; the text says why."""


def csv_fields(raw: bytes, encoding: str) -> list[str]:
    """Return the fields of a CSV line as they stand. Raises UnreadableRow."""
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        found = raw[error.start : error.start + 1].hex()
        raise UnreadableRow(f"byte 0x{found} at {error.start} is no {encoding} text") from None
    if text[-1:] == "\r":
        text = text[:-1]
    if '"' not in text:
        return text.split(";")
    try:
        return next(csv.reader([text], delimiter=";", strict=True))
    except (csv.Error, StopIteration):
        raise UnreadableRow("a quotation mark is not closed, or stands within a field") from None


def splitter(header: Sequence[str]) -> Split:
    """Return the function that splits the CSV lines of a file with this header.

    Only a quarantine file has defused formulae to restore: an apostrophe elsewhere is text.
    """
    return _restored_fields if REFUSAL in header else csv_fields


def csv_reader(
    header: Sequence[str], columns: Sequence[str], encoding: str
) -> Callable[[bytes], Fields]:
    """Return the function that reads a CSV line; it raises UnreadableRow."""
    width, split = len(header), splitter(header)
    # A column that the file lacks is read from one more field, which is always empty.
    pick = itemgetter(*(header.index(name) if name in header else width for name in columns))

    def read(raw: bytes) -> Fields:
        fields = split(raw, encoding)
        if len(fields) != width:
            raise UnreadableRow(f"the row has {len(fields)} fields, the header has {width}")
        fields.append("")
        return pick(fields)  # type: ignore[no-any-return]

    return read


def json_reader(columns: Sequence[str], encoding: str) -> Callable[[bytes], Fields]:
    """Return the function that reads a JSON object of one line; it raises UnreadableRow."""
    # A fraction is kept as it is written, never as a binary float.
    decode = msgspec.json.Decoder(dict[str, Any], float_hook=str).decode
    known = {*columns, *QUARANTINE_COLUMNS}

    def read(raw: bytes) -> Fields:
        try:
            found = decode(raw if encoding == UTF_8 else raw.decode(encoding))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UnreadableRow(f"the row is no JSON object in {encoding}: {error}") from None
        if not known.issuperset(found):
            unknown = min(found.keys() - known)
            raise UnreadableRow(f"the row has a field that is not known: {shown(unknown)}")
        return tuple([_as_text(found.get(name), name) for name in columns])

    return read


def _restored_fields(raw: bytes, encoding: str) -> list[str]:
    return [restore(field) for field in csv_fields(raw, encoding)]


def _as_text(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if type(value) is int:
        return str(value)
    raise UnreadableRow(f"{name}: a text or a number is expected")
