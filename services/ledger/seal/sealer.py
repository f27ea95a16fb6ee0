"""Sealing: extends the tree by the events since the last checkpoint, and signs its root.

Only one seals a log at a time, under the advisory lock ``ledger.sealer``, or that of its book.
Before it signs, it verifies that the stored tree is the one it signed last, so that it never signs
two different logs. The process that does so is :mod:`services.ledger.seal.process`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from services.ledger.seal import leaf
from services.ledger.seal.checkpoint import (
    Checkpoint,
    NoteError,
    SignatureError,
    open_checkpoint,
)
from services.ledger.seal.keys import VERIFIER, SealKeys
from services.ledger.seal.merkle import CompactRange, frontier, leaf_hash
from services.ledger.seal.reading import WINDOW, last_position, row_at, rows_between
from services.ledger.seal.restores import Lines
from services.ledger.seal.tiles import SealBrokenError, TileReader, TileWriter

EVENTS_PER_RUN = 4 * WINDOW
"""The most events that one checkpoint adds, to bound the length of its transaction."""

_LOCK = "hashtextextended(current_schema() || '.sealer', 0)"
_LAST = "SELECT number, size, root, note, created_at FROM checkpoints ORDER BY number DESC LIMIT 1"
_INSERT = (
    "INSERT INTO checkpoints (number, size, root, note) VALUES (%s, %s, %s, %s) "
    "RETURNING created_at"
)


class ForkError(SealBrokenError):
    """The log is not the one that was signed and given to a witness: to sign it would fork it."""


class Sealed(msgspec.Struct, frozen=True):
    """A stored checkpoint; ``added`` is the number of events sealed in this run."""

    number: int
    size: int
    root: bytes
    note: str
    created_at: datetime
    added: int = 0


def last_checkpoint(cursor: Any) -> Sealed | None:
    """Return the newest stored checkpoint, unverified."""
    row = cursor.execute(_LAST).fetchone()
    return Sealed(**row) if row else None


def seal_log(
    cursor: Any,
    keys: SealKeys,
    *,
    limit: int = EVENTS_PER_RUN,
    wait: bool = True,
    kept: Sequence[str] = (),
) -> Sealed | None:
    """Seal up to ``limit`` events after the last checkpoint, in the caller's transaction.

    ``kept`` are notes that witnesses keep: the log that is signed continues theirs.

    Returns the newest checkpoint (``added`` 0: nothing to seal), or None when the log is empty,
    or when another sealer is running and ``wait`` is false. Raises SealBrokenError, and signs
    nothing, when the log or its stored tree has been tampered with, and ForkError when it lacks
    what a witness has.
    """
    if not _lock(cursor, wait):
        return None
    cursor.execute("SET LOCAL statement_timeout = 0")
    last = last_checkpoint(cursor)
    tree = _resume(cursor, keys, last)
    lines, last_there = Lines(cursor), last_position(cursor)
    outside = _kept(kept, keys, lines)
    newest = max(outside, default=0)
    if newest > last_there:
        raise ForkError(
            f"a witness keeps a checkpoint of {newest} events, but the log ends at {last_there}: "
            "after a restore, call `saldo ledger recover`"
        )
    _compare_sealed(cursor, tree.size, outside)
    # What a witness has is compared before anything is signed.
    first, end = tree.size, max(min(last_there, tree.size + limit), newest)
    if end == first:
        return last
    _extend(cursor, tree, end, outside)
    checkpoint = Checkpoint(lines.origin(keys.origin, tree.size), tree.size, tree.root())
    note = keys.signer.sign(checkpoint.text())
    number = last.number + 1 if last else 1
    row = cursor.execute(_INSERT, (number, tree.size, checkpoint.root, note)).fetchone()
    return Sealed(number, tree.size, checkpoint.root, note, row["created_at"], end - first)


def lock_seal(cursor: Any) -> None:
    """Keep others from sealing until the caller's transaction ends."""
    _lock(cursor, wait=True)


def _lock(cursor: Any, wait: bool) -> bool:
    if wait:
        cursor.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
        return True
    row = cursor.execute(f"SELECT pg_try_advisory_xact_lock({_LOCK}) AS free").fetchone()
    return bool(row["free"])


def _resume(cursor: Any, keys: SealKeys, last: Sealed | None) -> CompactRange:
    """Return the tree of the last checkpoint, once it is verified."""
    if last is None:
        if cursor.execute("SELECT 1 FROM tiles LIMIT 1").fetchone():
            raise SealBrokenError("there are hashes of the tree, but no checkpoint of it")
        return CompactRange()
    try:
        signed = open_checkpoint(last.note, keys.trusted)
    except (NoteError, SignatureError) as error:
        raise SealBrokenError(
            f"checkpoint {last.number} is not signed by a key that is trusted ({error}); after a "
            f"change of the key, name the old one in {VERIFIER}"
        ) from None
    tiles = TileReader(cursor)
    tree = frontier(tiles, last.size)
    if (signed.size, signed.root) != (last.size, tree.root()):
        raise SealBrokenError(f"the stored hashes are not those of checkpoint {last.number}")
    # Reading the whole log is the auditor's task; checking its last sealed event is cheap.
    row = row_at(cursor, last.size)
    if row is None or leaf_hash(leaf.encode(row)) != tiles.leaf(last.size - 1):
        raise SealBrokenError(f"the event at position {last.size} is not the one that was sealed")
    return tree


def _kept(notes: Sequence[str], keys: SealKeys, lines: Lines) -> dict[int, bytes]:
    """Return size -> root of what witnesses keep of the line that the log is on."""
    roots = {}
    for note in notes:
        try:
            checkpoint = open_checkpoint(note, keys.trusted)
        except (NoteError, SignatureError):
            continue  # anybody may have left it there
        if lines.ended(checkpoint) is None:
            roots[checkpoint.size] = checkpoint.root
    return roots


def _compare_sealed(cursor: Any, sealed: int, outside: Mapping[int, bytes]) -> None:
    """Compare the newest checkpoint that a witness keeps of the sealed part."""
    size = max((size for size in outside if 0 < size <= sealed), default=0)
    if size and frontier(TileReader(cursor), size).root() != outside[size]:
        raise ForkError(_forked(size))


def _forked(size: int) -> str:
    return (
        f"a witness keeps a checkpoint of {size} events that are not those of this log: after a "
        "restore, call `saldo ledger recover`"
    )


def _extend(cursor: Any, tree: CompactRange, end: int, outside: Mapping[int, bytes]) -> None:
    writer = TileWriter(cursor, tree.size)
    add_leaf = functools.partial(writer.add, 0)
    while tree.size < end:
        window_end = min(end, (tree.size // WINDOW + 1) * WINDOW)
        for row in rows_between(cursor, tree.size, window_end):
            if row.notification_id != tree.size + 1:
                raise SealBrokenError(
                    f"after position {tree.size} the log goes on with {row.notification_id}"
                )
            hash_ = leaf_hash(leaf.encode(row))
            add_leaf(hash_)
            tree.append(hash_, writer.add)
            if tree.size in outside and tree.root() != outside[tree.size]:
                raise ForkError(_forked(tree.size))
        if tree.size != window_end:
            raise SealBrokenError(f"there is no event at position {tree.size + 1}")
        writer.flush(tree.size)
