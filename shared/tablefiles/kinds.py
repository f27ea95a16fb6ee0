"""The kinds of files, distinguished by their columns. The services define them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TypeVar

import msgspec

from shared.errors import ValidationFailed

REFUSAL = "refusal"
QUARANTINE_COLUMNS = ("row", REFUSAL)
"""What a quarantine file adds: the number of the row and why it was refused.

They are skipped on reading, so that a corrected quarantine file is imported as it is.
"""

SHOWN = 40
"""Characters of a wrong value that a refusal repeats."""


class FileKind(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of one kind of file; ``name`` is what messages call it."""

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, in the order in which they are read."""
        return (*self.required, *self.optional)


K = TypeVar("K", bound=FileKind)


def match_kind(header: Sequence[str], kinds: Iterable[K]) -> K:
    """Return the kind whose columns these are. Raises ValidationFailed ``invalid_file``."""
    named = [name for name in header if name and name not in QUARANTINE_COLUMNS]
    if len(set(named)) != len(named):
        raise ValidationFailed("invalid_file", "The header names a column twice.")
    candidates = list(kinds)
    for kind in candidates:
        if not _missing(kind, named) and not _unknown(kind, named):
            return kind
    likely = min(
        candidates, key=lambda kind: len(_missing(kind, named)) + len(_unknown(kind, named))
    )
    raise ValidationFailed("invalid_file", _complaint(likely, named))


def shown(text: str) -> str:
    """Return a wrong value in quotation marks, shortened."""
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "...")


def _missing(kind: FileKind, named: Collection[str]) -> list[str]:
    return [name for name in kind.required if name not in named]


def _unknown(kind: FileKind, named: Collection[str]) -> list[str]:
    return [name for name in named if name not in kind.columns]


def _complaint(kind: FileKind, named: Sequence[str]) -> str:
    faults = []
    if missing := _missing(kind, named):
        faults.append(f"lacks {', '.join(missing)}")
    if unknown := _unknown(kind, named):
        faults.append(f"has unknown columns: {', '.join(map(shown, unknown))}")
    return (
        f"As a file of {kind.name} the header {' and '.join(faults)}; the columns are separated "
        f"by ';' and are {';'.join(kind.columns)} (optional: {', '.join(kind.optional)})."
    )
