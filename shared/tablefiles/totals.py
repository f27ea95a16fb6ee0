"""Control totals: what a file should hold according to whoever sent it."""

from __future__ import annotations

import msgspec

from shared.money import Kopecks, format_roubles


class ControlTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Rows, entries (what some rows make together) and the sum of a file; None: not given."""

    rows: int | None = None
    entries: int | None = None
    total: Kopecks | None = None

    @property
    def are_given(self) -> bool:
        """Whether there is anything to compare."""
        return (self.rows, self.entries, self.total) != (None, None, None)

    def differences(self, found: ControlTotals, entries: str = "entries") -> list[str]:
        """Return what the file has instead, as ``40 rows, not 41``; ``entries`` names those."""
        differing = []
        if self.rows not in (None, found.rows):
            differing.append(f"{found.rows} rows, not {self.rows}")
        if self.entries not in (None, found.entries):
            differing.append(f"{found.entries} {entries}, not {self.entries}")
        if self.total not in (None, found.total):
            has, given = format_roubles(found.total or 0), format_roubles(self.total or 0)
            differing.append(f"{has} roubles, not {given}")
        return differing
