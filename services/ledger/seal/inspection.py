"""Inspection of the seal for ``audit`` and ``verify``: is the log still what was signed?

The tree is recomputed from the table ``events`` and compared with every stored checkpoint, the
stored hashes, and checkpoints kept outside. The database's owner, given the signing key, can
rewrite the first three together, but not the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from services.ledger.seal.checkpoint import VerifierKey
from services.ledger.seal.checkpoint_checks import MAX_NAMED, CheckpointChecks, Finding
from services.ledger.seal.diagnosis import diagnose
from services.ledger.seal.merkle import TILE_WIDTH
from services.ledger.seal.thinning import Thinned
from services.ledger.seal.verification_pass import VerificationPass

__all__ = ["Finding", "SealReport", "check_seal", "inspect_seal"]

# By one statement: the sealer writes hashes and checkpoint together.
_SEALED = """
SELECT count(*) AS checkpoints,
       coalesce(max(size), 0) AS size,
       (SELECT coalesce(max(start + octet_length(hashes) / 32), 0) FROM tiles WHERE level = 0)
           AS hashes,
       (SELECT coalesce(max(notification_id), 0) FROM events) AS last
  FROM checkpoints
"""
# A run of hashes begins at the edge of a tile or at the end of a checkpoint; any other start
# means that a checkpoint is missing.
_SEAMS = (
    "SELECT start FROM tiles WHERE level = 0 AND start %% 256 <> 0 "
    "AND NOT EXISTS (SELECT 1 FROM checkpoints WHERE size = start) AND NOT start <@ %s "
    "ORDER BY start LIMIT %s"
)


class Restored(msgspec.Struct, frozen=True):
    """A restore that the log speaks of: what followed ``after`` is lost, ``lost`` events at least.

    ``checkpoints`` is how many that were kept elsewhere are of the line that it ended.
    """

    epoch: str
    after: int
    lost: int | None
    checkpoints: int


class SealReport(msgspec.Struct, frozen=True):
    """The extent of an inspection, and its findings.

    ``sealed`` is the size of the last checkpoint, ``unsealed`` the number of positions after it.
    """

    events: int
    sealed: int
    unsealed: int
    checkpoints: int
    outside: int
    findings: list[Finding]
    restores: list[Restored] = []


def not_recovered() -> Finding:
    """Return the finding of a log that was put back, and that nobody has recovered."""
    text = (
        "the database was restored or replaced, and what it has lost is not brought back: call "
        "`saldo ledger recover`; nothing is sealed until then"
    )
    return Finding("not_recovered", None, None, text)


def check_seal(
    cursor: Any,
    trusted: Sequence[VerifierKey],
    outside: Sequence[str] = (),
    progress: Callable[[int], None] = lambda _: None,
) -> list[Finding]:
    """Return only the findings of inspect_seal."""
    return inspect_seal(cursor, trusted, outside, progress).findings


def inspect_seal(
    cursor: Any,
    trusted: Sequence[VerifierKey],
    outside: Sequence[str] = (),
    progress: Callable[[int], None] = lambda _: None,
) -> SealReport:
    """Check the log against its seal, as far as both have come when it begins.

    The cursor is best in autocommit mode: one transaction for a large log would hold back vacuum.
    What is read is only added to, but for checkpoints; the log says which were thinned.

    ``trusted`` are the keys whose signatures count, ``outside`` signed notes kept out of reach of
    the database's owner; ``progress`` is called with numbers of events
    as they are read. Raises NoteError for an outside note that is malformed.
    """
    checks = CheckpointChecks(cursor, trusted, outside)
    stored = cursor.execute(_SEALED).fetchone()
    hashes = stored["hashes"]
    log = VerificationPass(cursor, max(stored["size"], hashes), stored["last"], checks)
    log.run(progress)
    findings = [
        *checks.findings,
        *checks.summary(),
        *_rewritten(checks, log),
        *_hash_findings(cursor, log, stored["size"], hashes, checks),
        *_log_findings(cursor, log, checks.verified_size),
    ]
    return SealReport(
        events=log.events,
        sealed=stored["size"],
        unsealed=max(0, log.last - stored["size"]),
        checkpoints=stored["checkpoints"],
        outside=len(checks.outside),
        findings=findings,
        restores=_restores(checks),
    )


def _restores(checks: CheckpointChecks) -> list[Restored]:
    return [
        Restored(
            epoch=one.epoch,
            after=one.after,
            lost=one.lost,
            checkpoints=sum(by.epoch == one.epoch for by in checks.ended),
        )
        for one in checks.lines.restores
    ]


def _rewritten(checks: CheckpointChecks, log: VerificationPass) -> Iterator[Finding]:
    """Yield a finding when signed roots fail although the log agrees with the stored hashes."""
    tally = checks.outside_tally if checks.stored_tally.failed is None else checks.stored_tally
    first, last = tally.after + 1, tally.failed
    if last is None or last > log.last or any(gap[0] <= last for gap in log.missing):
        return
    if any(first <= row.notification_id <= last for row in log.differing):
        return
    text = (
        f"an event among the positions {first} to {last} was rewritten, and the stored hashes "
        "with it"
    )
    yield Finding("rewritten", first, last, text)


def _log_findings(cursor: Any, log: VerificationPass, verified_size: int) -> Iterator[Finding]:
    for position in log.repeated:
        yield Finding("repeated", position, position, f"position {position} occurs twice")
    # A signed root that is still the log's proves its events: the stored hashes were changed then.
    touched = log.take_differences_up_to(verified_size)
    if touched:
        text = (
            f"the stored hash of position {touched[0]} was changed: the event is as it was signed"
        )
        yield Finding("stored_hashes", touched[0], touched[-1], text)
    yield from diagnose(cursor, log)


def _hash_findings(
    cursor: Any, log: VerificationPass, sealed: int, hashes: int, checks: CheckpointChecks
) -> Iterator[Finding]:
    if hashes > sealed:
        text = f"the tree was sealed up to position {hashes}, its last checkpoint to {sealed}"
        yield Finding("checkpoint_missing", sealed + 1, hashes, text)
    if log.unstored:
        text = f"{log.unstored} stored hashes are gone, from position {log.first_unstored} on"
        yield Finding("stored_hashes", log.first_unstored, None, text)
    seams = cursor.execute(_SEAMS, (checks.thinned.sizes, MAX_NAMED)).fetchall()
    thinned = Thinned(cursor)  # some may have been, since the checks read what was
    for start in [row["start"] for row in seams if not thinned.has_size(row["start"])]:
        text = f"a checkpoint of {start} events was made and is missing"
        yield Finding("checkpoint_missing", None, start, text)
    if log.differing_count or log.missing:
        return
    for level, index in sorted(log.upper_differing.items()):
        first, last = index * TILE_WIDTH**level + 1, (index + 1) * TILE_WIDTH**level
        text = f"the stored hash over the positions {first} to {last} was changed or is gone"
        yield Finding("stored_hashes", first, last, text)
