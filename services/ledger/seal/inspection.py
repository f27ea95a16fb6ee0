"""Checking the seal: is the log still what was signed? For ``audit`` and ``verify``.

The tree is built anew from the table ``events`` and held against every stored checkpoint, the
stored hashes, and checkpoints that somebody outside has kept. Whoever owns the database can
rewrite the first three together when he also has the signing key; the last he cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from services.ledger.seal.checkpoint import VerifierKey
from services.ledger.seal.checkpoint_checks import Evidence, Finding
from services.ledger.seal.diagnosis import explain
from services.ledger.seal.merkle import TILE_WIDTH
from services.ledger.seal.reading import last_position
from services.ledger.seal.verification_pass import Walk, upper_differences

__all__ = ["Finding", "SealReport", "check_seal", "inspect_seal"]

_CHECKPOINTS = "SELECT count(*) AS count, coalesce(max(size), 0) AS size FROM checkpoints"
_HASHES = (
    "SELECT coalesce(max(start + octet_length(hashes) / 32), 0) AS size FROM tiles WHERE level = 0"
)
# A run begins at the edge of a tile or where a checkpoint ended: else a checkpoint is missing.
_SEAMS = (
    "SELECT start FROM tiles WHERE level = 0 AND start % 256 <> 0 "
    "AND NOT EXISTS (SELECT 1 FROM checkpoints WHERE size = start) ORDER BY start LIMIT 100"
)


class SealReport(msgspec.Struct, frozen=True):
    """What was looked at, and what was found.

    ``sealed`` is the size of the last checkpoint, ``unsealed`` how many positions follow it.
    """

    events: int
    sealed: int
    unsealed: int
    checkpoints: int
    outside: int
    findings: list[Finding]


def check_seal(
    cursor: Any,
    trusted: Sequence[VerifierKey],
    outside: Sequence[str] = (),
    progress: Callable[[int], None] = lambda _: None,
) -> list[Finding]:
    """Return everything about the log that is not as it was sealed; see inspect_seal."""
    return inspect_seal(cursor, trusted, outside, progress).findings


def inspect_seal(
    cursor: Any,
    trusted: Sequence[VerifierKey],
    outside: Sequence[str] = (),
    progress: Callable[[int], None] = lambda _: None,
) -> SealReport:
    """Check the log against its seal, in the caller's transaction (best REPEATABLE READ).

    ``trusted`` are the keys whose signatures count, ``outside`` signed notes that were kept where
    the owner of the database could not reach them; ``progress`` is called with numbers of events
    as they are read. Raises NoteError for an outside note that is malformed.
    """
    cursor.execute("SET LOCAL statement_timeout = 0")
    evidence = Evidence(cursor, trusted, outside)
    stored = cursor.execute(_CHECKPOINTS).fetchone()
    hashes = int(cursor.execute(_HASHES).fetchone()["size"])
    walk = Walk(cursor, max(stored["size"], hashes), last_position(cursor), evidence)
    walk.run(progress)
    findings = [
        *evidence.findings,
        *evidence.summary(),
        *_rewritten(evidence, walk),
        *_hash_findings(cursor, walk, stored["size"], hashes),
        *_log_findings(cursor, walk, evidence.vouched),
    ]
    return SealReport(
        events=walk.events,
        sealed=stored["size"],
        unsealed=max(0, walk.last - stored["size"]),
        checkpoints=stored["count"],
        outside=len(evidence.outside),
        findings=findings,
    )


def _rewritten(evidence: Evidence, walk: Walk) -> Iterator[Finding]:
    """Tell when signed roots fail although the log fits the stored hashes: those were adjusted."""
    tally = evidence.kept if evidence.stored.failed is None else evidence.stored
    first, last = tally.after + 1, tally.failed
    if last is None or last > walk.last or any(gap[0] <= last for gap in walk.missing):
        return
    if any(first <= row.notification_id <= last for row in walk.differing):
        return
    text = (
        f"an event among the positions {first} to {last} was rewritten, and the stored hashes "
        "with it"
    )
    yield Finding("rewritten", first, last, text)


def _log_findings(cursor: Any, walk: Walk, vouched: int) -> Iterator[Finding]:
    for position in walk.repeated:
        yield Finding("repeated", position, position, f"position {position} stands twice")
    # A signed root that the log still has vouches for its events: then it is the stored hashes
    # that were touched.
    touched = walk.vouch(vouched)
    if touched:
        text = (
            f"the stored hash of position {touched[0]} was changed: the event is as it was signed"
        )
        yield Finding("stored_hashes", touched[0], touched[-1], text)
    yield from explain(cursor, walk)


def _hash_findings(cursor: Any, walk: Walk, sealed: int, hashes: int) -> Iterator[Finding]:
    if hashes > sealed:
        text = f"the tree was sealed up to position {hashes}, its last checkpoint to {sealed}"
        yield Finding("checkpoint_missing", sealed + 1, hashes, text)
    if walk.unstored:
        text = f"{walk.unstored} stored hashes are gone, from position {walk.first_unstored} on"
        yield Finding("stored_hashes", walk.first_unstored, None, text)
    for row in cursor.execute(_SEAMS).fetchall():
        text = f"a checkpoint of {row['start']} events was made and is missing"
        yield Finding("checkpoint_missing", None, row["start"], text)
    if walk.differing_count or walk.missing:
        return
    for level, index in upper_differences(cursor, walk):
        first, last = index * TILE_WIDTH**level + 1, (index + 1) * TILE_WIDTH**level
        text = f"the stored hash over the positions {first} to {last} was changed or is gone"
        yield Finding("stored_hashes", first, last, text)
