"""Table files: CSV with ``;`` (UTF-8 or cp1251) or JSON Lines, read as a stream of rows.

Reading order: :mod:`kinds` (which columns a file must have), :mod:`table` (opening a file),
:mod:`lines` and :mod:`rows` (bytes to lines, lines to fields), :mod:`encodings`, :mod:`totals`
(control totals), :mod:`seen` (names that may come once), :mod:`quarantine` and :mod:`formulae`
(rows that were refused).
"""

from shared.tablefiles.kinds import QUARANTINE_COLUMNS, FileKind, match_kind, shown
from shared.tablefiles.lines import BLOCK, CUT, MAX_ROW, Line
from shared.tablefiles.quarantine import QuarantineFile, quarantine_path
from shared.tablefiles.rows import Fields
from shared.tablefiles.seen import SeenNames
from shared.tablefiles.table import TableFile, open_table
from shared.tablefiles.totals import ControlTotals

__all__ = [
    "BLOCK",
    "CUT",
    "MAX_ROW",
    "QUARANTINE_COLUMNS",
    "ControlTotals",
    "Fields",
    "FileKind",
    "Line",
    "QuarantineFile",
    "SeenNames",
    "TableFile",
    "match_kind",
    "open_table",
    "quarantine_path",
    "shown",
]
