"""The quarantine file: the rows that were refused, as they stood, each with its number and why.

It has the columns of the file, and ``row`` and ``refusal``: corrected, it is imported as it is.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from services.ledger.importing.groups import Refused
from services.ledger.importing.kinds import QUARANTINE_COLUMNS
from services.ledger.importing.source import CUT, RowRefused, Source, fields_of

SHOWN_OF_UNREADABLE = 1_000
"""Characters that are kept of a row whose fields cannot be told apart."""


class Quarantine:
    """Writes one quarantine file, chunk by chunk, always behind what is known to be valid."""

    def __init__(self, source: Source, path: Path) -> None:
        self.path = path
        self._source = source
        own = source.kind.columns if source.json_lines else source.header
        self._columns = [name for name in own if name not in QUARANTINE_COLUMNS]
        self._mine = False

    def is_lost(self, length: int) -> bool:
        """Tell whether rows of an earlier run are not there any more."""
        return length > 0 and (not self.path.exists() or self.path.stat().st_size < length)

    def put(self, length: int, refused: Iterable[Refused]) -> int:
        """Write rows after the first ``length`` bytes; answer how long the file is then.

        What stands behind is of a chunk that was not committed, and goes. A file of an earlier
        import is replaced as soon as there is something to write.
        """
        ordered = sorted(refused, key=lambda rows: rows.row)
        if not ordered and (length == 0 or not self.path.exists()):
            return length
        with self._opened(length) as file:
            place = file.seek(0, os.SEEK_END)
            if place > length:
                place = file.truncate(length)
                file.seek(length)
            if place == 0:
                file.write(self._line([*self._columns, *QUARANTINE_COLUMNS]))
            for rows in ordered:
                for line in self._lines(rows):
                    file.write(line)
            file.flush()
            os.fsync(file.fileno())
            return file.tell()

    def _opened(self, length: int) -> io.BufferedRandom:
        # Explanations may tell of people: only who imports may read the file. It is made anew,
        # since one that is there would keep its permissions.
        if length == 0 and not self._mine:
            self.path.unlink(missing_ok=True)
        self._mine = True
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        return os.fdopen(descriptor, "r+b")

    def _lines(self, refused: Refused) -> Iterator[bytes]:
        for row, _, end, raw, flaw in self._source.lines(refused.start, refused.row - 1):
            if raw.strip():
                reason = refused.reasons.get(row, refused.reason)
                yield self._line([*self._fields(raw, flaw), str(row), reason])
            if end >= refused.end:
                return

    def _fields(self, raw: bytes, flaw: str) -> Sequence[str]:
        source, width = self._source, len(self._columns)
        try:
            if flaw and flaw != CUT:
                raise RowRefused(flaw)
            if source.json_lines:
                return source.reader()(raw)
            fields = fields_of(raw, source.encoding)
            if len(fields) != len(source.header):
                raise RowRefused("the columns cannot be told apart")
        except RowRefused:
            text = raw.decode(source.encoding, "backslashreplace")[:SHOWN_OF_UNREADABLE]
            return [text.rstrip("\r"), *[""] * (width - 1)]
        return [
            field
            for name, field in zip(source.header, fields, strict=True)
            if name not in QUARANTINE_COLUMNS
        ]

    def _line(self, fields: Sequence[str]) -> bytes:
        text = io.StringIO()
        csv.writer(text, delimiter=";", lineterminator="\n").writerow(fields)
        return text.getvalue().encode(self._source.encoding, "backslashreplace")


def beside(path: Path) -> Path:
    """Answer where the quarantine of a file is: next to it."""
    return path.with_name(f"{path.name}.quarantine.csv")
