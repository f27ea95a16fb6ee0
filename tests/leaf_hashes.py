"""A Merkle tree in memory, from which tests make proofs."""

from __future__ import annotations

from collections.abc import Sequence

from services.ledger.seal.merkle import perfect_root


class LeafHashes:
    """A source of nodes for a tree whose leaf hashes are in memory."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._leaves = leaves

    def node(self, height: int, index: int) -> bytes:
        """Compute the hash of a perfect subtree."""
        first = index << height
        return perfect_root(self._leaves[first : first + (1 << height)])
