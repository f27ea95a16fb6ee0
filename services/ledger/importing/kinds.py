"""The kinds of files that the ledger imports, distinguished by their columns.

All are CSV with ``;`` and a header (UTF-8 or cp1251), or JSON Lines with the same names. Sums are
in roubles (``4500,00``), days ``2026-03-31``, months ``2026-03``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from shared.tablefiles import FileKind, TableFile, open_table


class Kind(FileKind, frozen=True, kw_only=True):
    """What one kind of file holds.

    ``key``: how many of the first ``columns`` name the entry. Adjacent rows with the same key are
    one entry; ``entries`` is what messages call them.
    """

    key: int
    entries: str


CHARGES = Kind(
    name="charges",
    required=("account", "period", "due_on", "effective_on", "service", "name", "charged"),
    optional=(
        "recalculation",
        "concession",
        "penalty",
        "unit",
        "tariff",
        "volume",
        "explanation",
        "bill_number",
    ),
    key=2,
    entries="bills",
)
ADJUSTMENTS = Kind(
    name="adjustments",
    required=("account", "adjustment_id", "period", "service", "amount", "reason"),
    optional=("effective_on",),
    key=2,
    entries="adjustments",
)
OPENING = Kind(
    name="opening",
    required=("account", "service", "amount"),
    optional=("payer_kind", "effective_on", "due_on"),
    key=1,
    entries="accounts",
)
REGISTRY = Kind(
    name="registry",
    required=("account", "payer_kind"),
    optional=("effective_on",),
    key=1,
    entries="accounts",
)
KINDS = {kind.name: kind for kind in (CHARGES, ADJUSTMENTS, OPENING, REGISTRY)}
"""Name -> kind."""

Source: TypeAlias = TableFile[Kind]


def open_source(path: Path, kind: str | None = None, encoding: str | None = None) -> Source:
    """Open a file as the kind that its columns show, or as the kind of that name.

    Raises ValidationFailed ``invalid_file`` with what is wrong.
    """
    return open_table(path, _candidates(kind), encoding)


def _candidates(kind: str | None) -> list[Kind]:
    return [KINDS[kind]] if kind else list(KINDS.values())
