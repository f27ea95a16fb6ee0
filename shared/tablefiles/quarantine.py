"""The quarantine file: the rows that were refused, as they stood, each with its number and why.

It has the columns of the file, and ``row`` and ``refusal``: corrected, it is imported as it is.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

from shared.errors import ValidationFailed
from shared.tablefiles.formulae import csv_line
from shared.tablefiles.kinds import QUARANTINE_COLUMNS
from shared.tablefiles.lines import CUT, Line
from shared.tablefiles.rows import UnreadableRow
from shared.tablefiles.table import BYTE_ORDER_MARK, TableFile

SHOWN_OF_UNREADABLE = 1_000
"""Characters that are kept of a row whose fields cannot be separated."""


def quarantine_path(path: Path) -> Path:
    """Return where the quarantine of a file is unless somebody says otherwise: next to it."""
    return path.with_name(f"{path.name}.quarantine.csv")


class QuarantineFile:
    """The quarantine of one import: CSV in the encoding of the imported file.

    Raises ValidationFailed ``quarantine_is_the_file``: writing would replace what is imported.
    """

    def __init__(self, table: TableFile[Any], path: Path) -> None:
        if path.exists() and path.samefile(table.path):
            raise ValidationFailed(
                "quarantine_is_the_file",
                f"The refused rows cannot be written to {path}, which is the imported file: "
                "name another file.",
            )
        self.path = path
        self._table = table
        self._read = table.reader()
        own = table.kind.columns if table.json_lines else table.header
        self._columns = [name for name in own if name not in QUARANTINE_COLUMNS]
        self._is_begun = False

    def is_lost(self, length: int) -> bool:
        """Whether rows of an earlier run are not there any more."""
        return length > 0 and (not self.path.exists() or self.path.stat().st_size < length)

    def write(self, length: int, refused: Iterable[tuple[Line, str]]) -> int:
        """Write lines, each with its refusal, after the first ``length`` bytes; return the length.

        What stands behind those bytes was never committed, and is cut off. A file of an earlier
        import is replaced as soon as there is something to write.
        """
        lines = iter(refused)
        first = next(lines, None)
        if first is None and (length == 0 or not self.path.exists()):
            return length
        with self._opened(length) as file:
            place = file.seek(0, os.SEEK_END)
            if place > length:
                place = file.truncate(length)
                file.seek(length)
            if place == 0:
                file.write(BYTE_ORDER_MARK if self._table.has_mark else b"")
                file.write(self._encoded([*self._columns, *QUARANTINE_COLUMNS]))
            for line, refusal in chain([first] if first else [], lines):
                file.write(self._encoded([*self._fields(line), str(line[0]), refusal]))
            file.flush()
            os.fsync(file.fileno())
            return file.tell()

    def _opened(self, length: int) -> io.BufferedRandom:
        # Rows may hold names and addresses: only the person who imports may read the file. It is
        # made anew, since an existing one would keep its permissions.
        if length == 0 and not self._is_begun:
            self.path.unlink(missing_ok=True)
        self._is_begun = True
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        return os.fdopen(descriptor, "r+b")

    def _fields(self, line: Line) -> list[str]:
        _, _, _, raw, flaw = line
        table = self._table
        try:
            if flaw and flaw != CUT:
                raise UnreadableRow(flaw)
            if table.json_lines:
                return list(self._read(raw))
            fields = table.csv_fields(raw)
            if len(fields) != len(table.header):
                raise UnreadableRow("the columns cannot be separated")
        except UnreadableRow:
            text = raw.decode(table.encoding, "backslashreplace")[:SHOWN_OF_UNREADABLE]
            return [text.rstrip("\r"), *[""] * (len(self._columns) - 1)]
        return [
            field
            for name, field in zip(table.header, fields, strict=True)
            if name not in QUARANTINE_COLUMNS
        ]

    def _encoded(self, texts: list[str]) -> bytes:
        return csv_line(texts).encode(self._table.encoding, "backslashreplace")
