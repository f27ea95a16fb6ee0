"""Inclusion proofs of sealed events, and consistency proofs between checkpoints.

They are JSON; :mod:`services.ledger.seal.verifier` checks them offline, without our database.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from services.ledger.seal import leaf
from services.ledger.seal.merkle import (
    ProofError,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from services.ledger.seal.reading import last_position, row_at
from services.ledger.seal.tiles import SealBrokenError, TileReader
from shared.errors import NotFound

INCLUSION = "saldo-inclusion-proof-v1"
CONSISTENCY = "saldo-consistency-proof-v1"


def inclusion(cursor: Any, position: int, size: int | None = None) -> dict[str, Any]:
    """Return the proof that the event at a position is in the sealed log.

    It leads to the first checkpoint that covers the position and is kept, which changes only when
    old ones are thinned; or to the checkpoint of ``size`` events. ``{format, position, index, size,
    leaf, path, checkpoint}``: leaf and path in base64, the checkpoint as its signed note.

    Raises NotFound ``event_not_found`` or ``not_sealed_yet`` (try again shortly) or
    ``checkpoint_not_found``, and SealBrokenError when the event is not what was sealed.
    """
    checkpoint = _covering(cursor, position) if size is None else _of_size(cursor, size)
    return inclusion_in(cursor, position, checkpoint)


def inclusion_in(cursor: Any, position: int, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return the proof that leads to a checkpoint, stored or not: ``{size, root, note}``."""
    if not 0 < position <= checkpoint["size"]:
        raise NotFound(
            "event_not_found",
            f"The checkpoint of {checkpoint['size']} events has none at position {position}.",
        )
    row = row_at(cursor, position)
    if row is None:
        raise SealBrokenError(f"the event at position {position} is sealed, but it is gone")
    data, index = leaf.encode(row), position - 1
    path = inclusion_proof(TileReader(cursor), index, checkpoint["size"])
    try:
        verify_inclusion(leaf_hash(data), index, checkpoint["size"], path, checkpoint["root"])
    except ProofError as error:
        raise SealBrokenError(
            f"the event at position {position} cannot be proven: {error}"
        ) from None
    return {
        "format": INCLUSION,
        "position": position,
        "index": index,
        "size": checkpoint["size"],
        "leaf": _base64(data),
        "path": _path(path),
        "checkpoint": checkpoint["note"],
    }


def consistency(cursor: Any, old_size: int, new_size: int | None = None) -> dict[str, Any]:
    """Return the proof that the log of one checkpoint begins with the log of an older one.

    The sizes are those of stored checkpoints, the newest for None. ``{format, old_size,
    new_size, path, old_checkpoint, new_checkpoint}``.

    Raises NotFound ``checkpoint_not_found``, and SealBrokenError when there is no such proof.
    """
    old, new = _of_size(cursor, old_size), _of_size(cursor, new_size)
    if old["size"] > new["size"]:
        raise NotFound("checkpoint_not_found", "The old checkpoint is newer than the new one.")
    path = consistency_proof(TileReader(cursor), old["size"], new["size"])
    try:
        verify_consistency(old["size"], old["root"], new["size"], new["root"], path)
    except ProofError as error:
        raise SealBrokenError(
            f"the checkpoints of {old['size']} and {new['size']} events cannot be joined: {error}"
        ) from None
    return {
        "format": CONSISTENCY,
        "old_size": old["size"],
        "new_size": new["size"],
        "path": _path(path),
        "old_checkpoint": old["note"],
        "new_checkpoint": new["note"],
    }


def _covering(cursor: Any, position: int) -> dict[str, Any]:
    row = cursor.execute(
        "SELECT size, root, note FROM checkpoints WHERE size >= %s ORDER BY size LIMIT 1",
        (position,),
    ).fetchone()
    if row is None:
        if position > last_position(cursor):
            raise NotFound("event_not_found", f"The log has no event at position {position}.")
        raise NotFound(
            "not_sealed_yet",
            f"The event at position {position} is not sealed yet; ask again in a moment.",
        )
    return dict(row)


def _of_size(cursor: Any, size: int | None) -> dict[str, Any]:
    row = cursor.execute(
        "SELECT size, root, note FROM checkpoints WHERE size = %s OR %s::bigint IS NULL "
        "ORDER BY size DESC LIMIT 1",
        (size, size),
    ).fetchone()
    if row is None:
        raise NotFound("checkpoint_not_found", f"There is no checkpoint of {size} events.")
    return dict(row)


def _path(hashes: Iterable[bytes]) -> list[str]:
    return [_base64(hash_) for hash_ in hashes]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
