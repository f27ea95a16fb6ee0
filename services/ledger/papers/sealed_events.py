"""Events with the proof that they are in the sealed log, by one checkpoint."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC
from typing import Any

from services.ledger.seal import merkle, proofs
from services.ledger.seal.checkpoint import SignatureError, VerifierKey, open_checkpoint
from shared.eventstore import Recorded


def sealed_events(
    cursor: Any,
    recorded: Sequence[Recorded],
    trusted: Sequence[VerifierKey],
    note: str | None = None,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what a paper shows of the log, and an inclusion proof for each event.

    All lead to the checkpoint of ``note``, which need not be stored any more; without one, to the
    first that is stored and covers the last of them. Raises NotFound ``not_sealed_yet``,
    ``event_not_found`` for a checkpoint that does not cover them, SealBrokenError, SignatureError,
    NoteError.
    """
    if note is None:
        note = str(proofs.inclusion(cursor, recorded[-1].position)["checkpoint"])
    key = _signer(note, trusted)
    signed = open_checkpoint(note, (key,))
    checkpoint = {"size": signed.size, "root": signed.root, "note": note}
    found = [proofs.inclusion_in(cursor, one.position, checkpoint) for one in recorded]
    log = {
        "origin": key.name,
        "key": str(key),
        "size": signed.size,
        "checkpoint": note,
        "events": [
            {
                "position": one.position,
                "version": one.originator_version,
                "topic": one.event.topic,
                "effective_on": _day_of(one),
                "recorded_at": one.recorded_at.astimezone(UTC).isoformat(),
                "leaf_hash": merkle.leaf_hash(base64.b64decode(proof["leaf"])).hex(),
            }
            for one, proof in zip(recorded, found, strict=True)
        ],
    }
    return log, found


def _day_of(one: Recorded) -> str:
    event: Any = one.event
    return str(event.effective_on)


def _signer(note: str, trusted: Sequence[VerifierKey]) -> VerifierKey:
    """Return the key that signed a checkpoint, as it was before it may have been retired."""
    for key in trusted:
        try:
            open_checkpoint(note, (key,))
        except SignatureError:
            continue
        return VerifierKey(key.name, key.public)
    raise SignatureError("none of the keys that are trusted has signed the checkpoint")
