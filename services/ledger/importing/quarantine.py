"""The refused entries of an import, row by row in its quarantine file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from services.ledger.importing.groups import Refused
from services.ledger.importing.kinds import Source
from services.ledger.importing.partial_rows import is_empty
from shared.tablefiles import Line, QuarantineFile


class Quarantine(QuarantineFile):
    """Writes the quarantine file chunk by chunk, always behind what was committed."""

    def __init__(self, source: Source, path: Path) -> None:
        super().__init__(source, path)
        self._source = source

    def put(self, length: int, refused: Iterable[Refused]) -> int:
        """Write refused entries after the first ``length`` bytes; return the new length."""
        return self.write(length, self._lines(sorted(refused, key=lambda rows: rows.row)))

    def _lines(self, refused: list[Refused]) -> Iterator[tuple[Line, str]]:
        """Read the file once from the first refused row to the last."""
        if not refused:
            return
        lines = self._source.lines(refused[0].start, refused[0].row - 1)
        for rows in refused:
            for line in lines:
                row, start, end, raw, _ = line
                if start >= rows.start and raw.strip() and not is_empty(self._source, raw):
                    yield line, rows.reasons.get(row, rows.reason)
                if end >= rows.end:
                    break
