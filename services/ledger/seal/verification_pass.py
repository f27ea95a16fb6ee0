"""The verification pass: hashes the whole log anew and compares it with the stored tree.

It runs in bounded memory and records where the log differs; :mod:`services.ledger.seal.diagnosis`
and :mod:`services.ledger.seal.inspection` interpret that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from services.ledger.seal import leaf
from services.ledger.seal.checkpoint_checks import CheckpointChecks
from services.ledger.seal.leaf import EventRow
from services.ledger.seal.merkle import (
    HASH_SIZE,
    TILE_HEIGHT,
    TILE_WIDTH,
    CompactRange,
    leaf_hash,
)
from services.ledger.seal.reading import WINDOW, rows_between

MAX_RECORDED = 500
"""How many differing rows and how many gaps are recorded for the diagnosis."""
MAX_UNSEALED = 16
"""How many unsealed rows are recorded: sealed ones may have been moved among them."""

_RUNS = (
    "SELECT start, hashes FROM tiles WHERE level = %s AND start >= %s AND start < %s ORDER BY start"
)


class StoredHashes:
    """The stored hashes of one level, loaded a window at a time."""

    def __init__(self, cursor: Any, level: int) -> None:
        self._cursor = cursor
        self._level = level
        self._hashes: dict[int, bytes] = {}

    def load(self, first: int, end: int) -> None:
        """Load the hashes of ``first`` <= index < ``end``."""
        self._hashes = {}
        rows = self._cursor.execute(_RUNS, (self._level, first, end)).fetchall()
        for row in rows:
            data = bytes(row["hashes"])
            for offset in range(0, len(data), HASH_SIZE):
                index = row["start"] + offset // HASH_SIZE
                self._hashes[index] = data[offset : offset + HASH_SIZE]

    def get(self, index: int) -> bytes | None:
        """Return the stored hash at an index of the loaded window, or None."""
        return self._hashes.get(index)


class VerificationPass:
    """One pass over the log, and its results.

    ``last`` is the last position of the log, ``events`` how many rows it has; ``missing`` the
    first gaps as (first, last) positions, ``gaps`` how many there are, the last up to
    ``last_gap``; ``repeated`` the first positions that occur twice; ``differing`` the first rows
    whose hash is not the stored one and ``differing_count`` how many there are, the last of them
    at ``last_differing``; ``unstored`` how many sealed positions have no stored hash, from
    ``first_unstored`` on; ``upper_differing`` level -> index of its first inner hash that is not
    the stored one, which means something only in a log without gaps: after one, all differ.
    """

    def __init__(self, cursor: Any, sealed: int, last: int, checks: CheckpointChecks) -> None:
        self._cursor = cursor
        self._stored = StoredHashes(cursor, 0)
        self._tree = CompactRange()
        self._checks = checks
        self._sizes: list[int] = []
        self._expected = 1
        self.sealed = sealed
        self.last = last
        self.events = 0
        self.missing: list[tuple[int, int]] = []
        self.gaps = self.last_gap = 0
        self.repeated: list[int] = []
        self.differing: list[EventRow] = []
        self.differing_count = self.last_differing = 0
        self.unsealed: list[EventRow] = []
        self.unstored = self.first_unstored = 0
        self.upper_differing: dict[int, int] = {}
        levels = range(1, sealed.bit_length() // TILE_HEIGHT + 1)
        self._upper = {level: StoredHashes(cursor, level) for level in levels}
        self._upper_counts = dict.fromkeys(levels, 0)

    def run(self, progress: Callable[[int], None]) -> None:
        """Read from the first position to the end of the log or of the sealed part."""
        end = max(self.sealed, self.last)
        for first in range(0, end, WINDOW):
            window_end = min(end, first + WINDOW)
            self._stored.load(first, window_end)
            self._load_upper(first, window_end)
            self._sizes = sorted(self._checks.load(first, window_end), reverse=True)
            before = self.events
            for row in rows_between(self._cursor, first, window_end):
                self._add(row)
            self._skip_to(window_end + 1)
            progress(self.events - before)
        self._checks.compare_rest(self.last, end)

    def take_differences_up_to(self, size: int) -> list[int]:
        """Remove the differences up to a size, where the log is proven; return their positions."""
        taken = [row.notification_id for row in self.differing if row.notification_id <= size]
        self.differing = self.differing[len(taken) :]
        self.differing_count -= len(taken) if size < self.last_differing else self.differing_count
        return taken

    def _add(self, row: EventRow) -> None:
        position = row.notification_id
        self.events += 1
        if position < self._expected:
            if len(self.repeated) < MAX_RECORDED:
                self.repeated.append(position)
            return
        if position > self._expected:
            self._skip_to(position)
        hash_ = leaf_hash(leaf.encode(row))
        self._tree.append(hash_, self._compare_upper)
        self._expected = position + 1
        if position <= self.sealed:
            self._compare(row, hash_)
        elif len(self.unsealed) < MAX_UNSEALED:
            self.unsealed.append(row)
        if self._sizes and self._sizes[-1] == position:
            whole = self._tree.size == position
            self._checks.compare(self._sizes.pop(), self._tree.root() if whole else None)

    def _compare(self, row: EventRow, hash_: bytes) -> None:
        position = row.notification_id
        stored = self._stored.get(position - 1)
        if stored == hash_:
            return
        if stored is None:
            self.unstored += 1
            self.first_unstored = self.first_unstored or position
            return
        self.differing_count += 1
        self.last_differing = position
        if len(self.differing) < MAX_RECORDED:
            self.differing.append(row)

    def _skip_to(self, position: int) -> None:
        """Record a gap from the expected position up to the one before ``position``."""
        if position <= self._expected:
            return
        if self.last_gap == self._expected - 1 and self.gaps == len(self.missing) > 0:
            self.missing[-1] = (self.missing[-1][0], position - 1)
        else:
            self.gaps += 1
            if len(self.missing) < MAX_RECORDED:
                self.missing.append((self._expected, position - 1))
        self.last_gap = position - 1
        while self._sizes and self._sizes[-1] < position:
            self._checks.compare(self._sizes.pop(), None)
        self._expected = position

    def _load_upper(self, first: int, end: int) -> None:
        """Load the inner hashes that the leaves ``first`` <= index < ``end`` complete."""
        for level, stored in self._upper.items():
            height = TILE_HEIGHT * level
            # From the edge of a tile on: a run may begin before the first of them.
            stored.load(first >> height & -TILE_WIDTH, end >> height)

    def _compare_upper(self, level: int, hash_: bytes) -> None:
        """Compare the next inner hash of a level with the stored one."""
        if level not in self._upper or level in self.upper_differing:
            return
        index = self._upper_counts[level]
        self._upper_counts[level] = index + 1
        if index < self.sealed >> TILE_HEIGHT * level and self._upper[level].get(index) != hash_:
            self.upper_differing[level] = index
