"""The kinds of files, told apart by their columns.

All are CSV with ``;`` and a header (UTF-8 or cp1251), or JSON Lines with the same names. Sums are
in roubles (``4500,00``), days ``2026-03-31``, months ``2026-03``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from shared.errors import ValidationFailed

QUARANTINE_COLUMNS = ("row", "refusal")
"""What a quarantine file adds; a corrected one is imported as it is, so they are passed over."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What one kind of file holds.

    ``key``: how many of the first ``columns`` name the entry; rows next to each other with the
    same key are one entry, of which a summary speaks as ``entries``.
    """

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    key: int
    entries: str

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, in the order in which they are read."""
        return (*self.required, *self.optional)


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
    optional=("payer_kind", "effective_on"),
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


def kind_of(columns: Sequence[str], wanted: str | None = None) -> Kind:
    """Answer the kind of a file by its columns, or check that they fit the kind that is wanted.

    Raises ValidationFailed ``invalid_file``.
    """
    named = [name for name in columns if name and name not in QUARANTINE_COLUMNS]
    if len(set(named)) != len(named):
        raise ValidationFailed("invalid_file", "The header names a column twice.")
    candidates = [KINDS[wanted]] if wanted else list(KINDS.values())
    for kind in candidates:
        if not _missing(kind, named) and not _unknown(kind, named):
            return kind
    likely = min(
        candidates, key=lambda kind: len(_missing(kind, named)) + len(_unknown(kind, named))
    )
    raise ValidationFailed("invalid_file", _complaint(likely, named))


def _missing(kind: Kind, named: Collection[str]) -> list[str]:
    return [name for name in kind.required if name not in named]


def _unknown(kind: Kind, named: Collection[str]) -> list[str]:
    return [name for name in named if name not in kind.columns]


def _complaint(kind: Kind, named: Sequence[str]) -> str:
    faults = []
    if missing := _missing(kind, named):
        faults.append(f"lacks {', '.join(missing)}")
    if unknown := _unknown(kind, named):
        faults.append(f"has columns that are not known: {', '.join(name[:40] for name in unknown)}")
    return (
        f"As a file of {kind.name} the header {' and '.join(faults)}; the columns are "
        f"{';'.join(kind.columns)}, with ';' between them (optional: "
        f"{', '.join(kind.optional)})."
    )
