"""The Merkle tree of a log: heads, inclusion proofs, consistency proofs.

RFC 9162 §2.1 with SHA-256 (the tree of RFC 6962 §2.1): a leaf is hashed with the prefix 0x00, a
node with 0x01. A hash is 32 bytes; an index counts from 0. ``Node (height, index)`` is the
perfect subtree over the leaves ``index * 2**height`` to ``(index + 1) * 2**height - 1``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Protocol, TypeAlias

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()
"""The root of the tree without leaves."""

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT

OnTile: TypeAlias = Callable[[int, bytes], None]
"""Called with (level, hash) for each perfect subtree of ``256**level`` leaves, level 1 and up."""


class ProofError(Exception):
    """A proof that fails to verify."""


class NodeSource(Protocol):
    """A source of the hashes of perfect subtrees."""

    def node(self, height: int, index: int) -> bytes:
        """Return the hash of a perfect subtree."""
        ...


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf's bytes."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node from those of its children."""
    return sha256(b"\x01" + left + right).digest()


class CompactRange:
    """The head of a growing tree: the roots of its perfect subtrees, O(log n) of them.

    ``nodes`` are ordered from left to right, from the highest to the lowest; their heights are
    the one bits of ``size``.
    """

    def __init__(self, size: int = 0, nodes: Iterable[bytes] = ()) -> None:
        self.size = size
        self.nodes = list(nodes)
        if len(self.nodes) != size.bit_count():
            raise ValueError(f"a range of {size} leaves has {size.bit_count()} nodes")

    def append(self, leaf: bytes, on_tile: OnTile | None = None) -> None:
        """Add the hash of the next leaf."""
        carry, height, hash_ = self.size, 0, leaf
        while carry & 1:
            hash_ = sha256(b"\x01" + self.nodes.pop() + hash_).digest()
            carry >>= 1
            height += 1
            if on_tile is not None and not height & 7:
                on_tile(height >> 3, hash_)
        self.nodes.append(hash_)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of the tree so far."""
        return _fold(self.nodes)


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over 2**k hashes."""
    count = len(hashes)
    if count == 0 or count & (count - 1):
        raise ValueError(f"{count} hashes are no perfect subtree")
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        hashes = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
    return hashes[0]


def frontier(source: NodeSource, size: int) -> CompactRange:
    """Return the compact range of the tree's first ``size`` leaves."""
    return CompactRange(size, _nodes_between(source, 0, size))


def inclusion_proof(source: NodeSource, index: int, size: int) -> list[bytes]:
    """Return the path from a leaf to the root, the leaf's sibling first (RFC 9162 §2.1.3.1)."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    path, first, end = [], 0, size
    while end - first > 1:
        middle = first + _split(end - first)
        if index < middle:
            path.append(_fold(_nodes_between(source, middle, end)))
            end = middle
        else:
            path.append(_fold(_nodes_between(source, first, middle)))
            first = middle
    return path[::-1]


def consistency_proof(source: NodeSource, old_size: int, new_size: int) -> list[bytes]:
    """Return the proof that the new tree begins with the old one (RFC 9162 §2.1.4.1).

    It is empty when the sizes are equal.
    """
    if not 0 < old_size <= new_size:
        raise ValueError(f"no consistency proof leads from {old_size} leaves to {new_size}")
    path, first, end = [], 0, new_size
    while end != old_size:
        middle = first + _split(end - first)
        if old_size <= middle:
            path.append(_fold(_nodes_between(source, middle, end)))
            end = middle
        else:
            path.append(_fold(_nodes_between(source, first, middle)))
            first = middle
    if first:
        path.append(_fold(_nodes_between(source, first, end)))
    return path[::-1]


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root that a leaf's hash and its path lead to (RFC 9162 §2.1.3.2).

    Raises ProofError when the path does not fit the index and the size.
    """
    if not 0 <= index < size:
        raise ProofError(f"a tree of {size} events has none at index {index}")
    _check_hashes([leaf, *path])
    position, last, root = index, size - 1, leaf
    for hash_ in path:
        if last == 0:
            raise ProofError("the path of the proof is too long")
        if position & 1 or position == last:
            root = node_hash(hash_, root)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            root = node_hash(root, hash_)
        position >>= 1
        last >>= 1
    if last:
        raise ProofError("the path of the proof is too short")
    return root


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> None:
    """Check that a leaf's hash is at an index of the tree; raises ProofError."""
    if root_from_inclusion(leaf, index, size, path) != root:
        raise ProofError("the path does not lead from this event to the signed root")


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Check that the new tree begins with the old one (RFC 9162 §2.1.4.2); raises ProofError.

    A tree begins with the empty tree, and with itself; the path is empty then.
    """
    _check_hashes([old_root, new_root, *path])
    if not 0 <= old_size <= new_size:
        raise ProofError(f"a tree of {new_size} events cannot begin with {old_size} events")
    if old_size in (0, new_size):
        if path:
            raise ProofError("the path of the proof is too long")
        if old_root != (EMPTY_ROOT if old_size == 0 else new_root):
            raise ProofError("two trees of the same size have different roots")
        return
    if not path:
        raise ProofError("the path of the proof is empty")
    old, new = _roots_from_consistency(old_size, old_root, new_size, path)
    if old != old_root:
        raise ProofError("the path does not lead to the old root")
    if new != new_root:
        raise ProofError("the path does not lead to the new root")


def _roots_from_consistency(
    old_size: int, old_root: bytes, new_size: int, path: Sequence[bytes]
) -> tuple[bytes, bytes]:
    hashes = list(path)
    if not old_size & (old_size - 1):
        hashes.insert(0, old_root)
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old = new = hashes[0]
    for hash_ in hashes[1:]:
        if last == 0:
            raise ProofError("the path of the proof is too long")
        if position & 1 or position == last:
            old, new = node_hash(hash_, old), node_hash(hash_, new)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new = node_hash(new, hash_)
        position >>= 1
        last >>= 1
    if last:
        raise ProofError("the path of the proof is too short")
    return old, new


def _check_hashes(hashes: Iterable[bytes]) -> None:
    if any(len(hash_) != HASH_SIZE for hash_ in hashes):
        raise ProofError(f"a hash of the proof does not have {HASH_SIZE} bytes")


def _split(count: int) -> int:
    """Return the largest power of two smaller than a count above 1."""
    return 1 << ((count - 1).bit_length() - 1)


def _nodes_between(source: NodeSource, first: int, end: int) -> list[bytes]:
    """Return the perfect subtrees, from left to right, of a range that starts as a subtree does."""
    nodes = []
    while first < end:
        height = (end - first).bit_length() - 1
        nodes.append(source.node(height, first >> height))
        first += 1 << height
    return nodes


def _fold(nodes: Sequence[bytes]) -> bytes:
    if not nodes:
        return EMPTY_ROOT
    root = nodes[-1]
    for node in reversed(nodes[:-1]):
        root = node_hash(node, root)
    return root
