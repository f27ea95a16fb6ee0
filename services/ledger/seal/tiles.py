"""Stored hashes of the tree, in the table ``tiles``: every eighth level, as in C2SP tlog-tiles.

Level 0 holds the hashes of the leaves, level ``l`` those of perfect subtrees of ``256**l``
leaves. 256 hashes of one level are a tile. Rows are never changed: each checkpoint
extends a partial tile by another row, a *run* of hashes.
"""

from __future__ import annotations

from typing import Any

from services.ledger.seal.merkle import HASH_SIZE, TILE_HEIGHT, TILE_WIDTH, perfect_root

_TILE = (
    "SELECT start, hashes FROM tiles WHERE level = %s AND start >= %s AND start < %s ORDER BY start"
)
_INSERT = "INSERT INTO tiles (level, start, hashes) VALUES (%s, %s, %s)"


class SealBrokenError(Exception):
    """The log, its stored hashes and its checkpoints disagree: one was tampered with."""


class TileReader:
    """A source of nodes for proofs, from the stored hashes."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._tiles: dict[tuple[int, int], bytes] = {}

    def node(self, height: int, index: int) -> bytes:
        """Return the hash of a perfect subtree; raises SealBrokenError when it is not stored."""
        level, rest = divmod(height, TILE_HEIGHT)
        first, count = index << rest, 1 << rest
        tile = self.tile(level, first // TILE_WIDTH)
        at = first % TILE_WIDTH * HASH_SIZE
        found = tile[at : at + count * HASH_SIZE]
        if len(found) != count * HASH_SIZE:
            raise SealBrokenError(
                f"hashes {first} to {first + count - 1} of level {level} are gone"
            )
        return perfect_root(split(found))

    def leaf(self, index: int) -> bytes:
        """Return the stored hash of a leaf."""
        return self.node(0, index)

    def tile(self, level: int, number: int) -> bytes:
        """Return the stored hashes of a tile, up to the first gap."""
        known = self._tiles.get((level, number))
        if known is None:
            first = number * TILE_WIDTH
            rows = self._cursor.execute(_TILE, (level, first, first + TILE_WIDTH)).fetchall()
            known = b""
            for row in rows:
                if row["start"] != first + len(known) // HASH_SIZE:
                    break
                known += bytes(row["hashes"])
            self._tiles[level, number] = known
        return known


class TileWriter:
    """Collects the hashes that a growing tree completes, and stores them in runs."""

    def __init__(self, cursor: Any, size: int) -> None:
        self._cursor = cursor
        self._size = size
        self._pending: dict[int, list[bytes]] = {}

    def add(self, level: int, hash_: bytes) -> None:
        """Queue the next hash of a level."""
        self._pending.setdefault(level, []).append(hash_)

    def flush(self, size: int) -> None:
        """Store the hashes added since the last flush; the tree has ``size`` leaves now."""
        runs = []
        for level, hashes in self._pending.items():
            start = self._size >> TILE_HEIGHT * level
            while hashes:
                count = min(len(hashes), TILE_WIDTH - start % TILE_WIDTH)
                runs.append((level, start, b"".join(hashes[:count])))
                del hashes[:count]
                start += count
        if runs:
            self._cursor.executemany(_INSERT, runs)
        self._pending.clear()
        self._size = size


def split(hashes: bytes) -> list[bytes]:
    """Split concatenated hashes."""
    return [hashes[at : at + HASH_SIZE] for at in range(0, len(hashes), HASH_SIZE)]
