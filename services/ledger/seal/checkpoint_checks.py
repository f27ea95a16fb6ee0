"""Checks of a log's checkpoints: the stored ones, and those kept outside the database.

They are read a window at a time and compared in the order of their sizes while the verification
pass reads the log, so only failures are kept in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from services.ledger.domain.book import LogRestored
from services.ledger.seal.checkpoint import (
    Checkpoint,
    NoteError,
    SignatureError,
    VerifierKey,
    open_checkpoint,
)
from services.ledger.seal.merkle import EMPTY_ROOT
from services.ledger.seal.restores import Lines
from services.ledger.seal.thinning import Thinned

MAX_NAMED = 100
"""How many invalid checkpoints are reported one by one; the rest are only counted."""

OUTSIDE = "the outside checkpoint"

_WINDOW = (
    "SELECT number, size, root, note FROM checkpoints WHERE size > %s AND size <= %s ORDER BY size"
)

_FOLLOWING = "SELECT note FROM checkpoints WHERE size > %s ORDER BY size LIMIT 1"


class Finding(msgspec.Struct, frozen=True):
    """One deviation from the seal: its kind, the positions, a sentence for people.

    ``kind`` is one of edited, deleted, inserted, moved, truncated, repeated, rewritten,
    stored_hashes, checkpoint_missing, checkpoint_forged, checkpoint_mismatch, outside, fork,
    witness_missing, nothing_kept, not_recovered.
    ``first`` and ``last`` are positions of the log, None where unknown.
    """

    kind: str
    first: int | None
    last: int | None
    text: str


class Tally:
    """Counts the signed roots that agree with the log, and those that do not.

    ``agreed`` is the largest size whose signed root is the log's; ``failed`` the first size whose
    signed root is not, ``name`` that of its checkpoint, ``after`` the last size that agreed before
    it; ``failures`` the number of mismatches.
    """

    def __init__(self) -> None:
        self.agreed = self.after = self.failures = 0
        self.failed: int | None = None
        self.name = ""

    def count(self, name: str, size: int, agrees: bool) -> None:
        """Count the next root, in the order of the sizes."""
        if agrees:
            self.agreed = size
            return
        self.failures += 1
        if self.failed is None:
            self.failed, self.name, self.after = size, name, self.agreed

    def summary(self, kind: str) -> Iterator[Finding]:
        """Yield one finding for all mismatches."""
        if self.failed is None:
            return
        more = f", and {self.failures - 1} later," if self.failures > 1 else ""
        text = (
            f"{self.name} (of {self.failed} events){more} signed another log: something among the "
            f"positions {self.after + 1} to {self.failed} was changed"
        )
        yield Finding(kind, self.after + 1, self.failed, text)


class CheckpointChecks:
    """Compares signed checkpoints with the log.

    ``stored_tally`` counts the checkpoints of the database, ``outside_tally`` those kept elsewhere:
    whoever has the database and the key can forge the former. ``findings`` are defects of the
    checkpoints themselves.
    """

    def __init__(self, cursor: Any, trusted: Sequence[VerifierKey], outside: Sequence[str]) -> None:
        self._cursor = cursor
        self._trusted = trusted
        self.thinned = Thinned(cursor)
        self.lines = Lines(cursor)
        self.ended: list[LogRestored] = []
        """For each outside checkpoint that a restore has taken from the database, that restore.

        Those of a line that it has ended say nothing of today's log.
        """
        self._not_stored: list[Checkpoint] = []
        """Outside ones of this very log that are not stored: the restores are asked at the end."""
        self._window: dict[int, tuple[int, Checkpoint | None]] = {}
        self._number = 0
        self._unnamed = 0
        self.findings: list[Finding] = []
        self.stored_tally, self.outside_tally = Tally(), Tally()
        self.outside = sorted(self._open_outside(outside), key=lambda checkpoint: checkpoint.size)

    @property
    def verified_size(self) -> int:
        """Return the size up to which a signed root proves the log unchanged."""
        if self.outside_tally.failed is not None:
            return self.outside_tally.agreed
        return max(self.stored_tally.agreed, self.outside_tally.agreed)

    def load(self, first: int, end: int) -> set[int]:
        """Load the checkpoints of ``first`` < size <= ``end`` events; return their sizes."""
        rows = self._cursor.execute(_WINDOW, (first, end)).fetchall()
        # After them: of what was thinned meanwhile the log says so by now.
        self.thinned = Thinned(self._cursor)
        self._window = {row["size"]: (row["number"], self._open_stored(row)) for row in rows}
        outside = {checkpoint.size for checkpoint in self.outside if first < checkpoint.size <= end}
        return outside | self._window.keys()

    def compare(self, size: int, root: bytes | None) -> None:
        """Compare the checkpoints of a size with the log's root there (None: the log has a gap)."""
        number, stored = self._window.get(size, (None, None))
        if stored is not None:
            self.stored_tally.count(f"checkpoint {number}", size, stored.root == root)
        for checkpoint in self.outside:
            if checkpoint.size == size:
                self.outside_tally.count(OUTSIDE, size, checkpoint.root == root)
                if number is None and checkpoint.root == root:
                    self._not_stored.append(checkpoint)
                else:
                    self._check_stored(checkpoint, number, stored)

    def compare_rest(self, last: int, end: int) -> None:
        """Compare the outside checkpoints beyond all windows: of no event, or of too many."""
        for checkpoint in self.outside:
            if checkpoint.size == 0:
                self.outside_tally.count(OUTSIDE, 0, checkpoint.root == EMPTY_ROOT)
            elif checkpoint.size > end:
                self.outside_tally.count(OUTSIDE, checkpoint.size, False)
                self._check_stored(checkpoint, None, None)
            if checkpoint.size > last:
                text = (
                    f"an outside checkpoint seals {checkpoint.size} events, but the log ends at "
                    f"position {last}"
                )
                self.findings.append(Finding("truncated", last + 1, checkpoint.size, text))

    def summary(self) -> Iterator[Finding]:
        """Yield the findings about signed roots that are not the log's."""
        if self._unnamed:
            text = f"{self._unnamed} more checkpoints are missing or were not signed"
            yield Finding("checkpoint_forged", None, None, text)
        for checkpoint in self._not_stored:
            if not self._was_taken(checkpoint):
                yield from self._missing(checkpoint, "it is not stored any more")
        yield from self.stored_tally.summary("checkpoint_mismatch")
        yield from self.outside_tally.summary("outside")

    def _check_stored(
        self, checkpoint: Checkpoint, number: int | None, stored: Checkpoint | None
    ) -> None:
        if stored is None:
            what = "it is not stored any more" if number is None else "another one is stored"
            self.findings += self._missing(checkpoint, what, thinned=number is None)
        elif stored.root != checkpoint.root:
            text = (
                f"two logs of {checkpoint.size} events were signed: one was given out, another is "
                "stored"
            )
            self.findings.append(Finding("fork", None, checkpoint.size, text))

    def _missing(
        self, checkpoint: Checkpoint, what: str, *, thinned: bool = True
    ) -> Iterator[Finding]:
        """Yield a finding, unless the checkpoint may have been thinned out."""
        if not (thinned and self.thinned.has_size(checkpoint.size)):
            text = f"a checkpoint of {checkpoint.size} events was given out, but {what}"
            yield Finding("checkpoint_missing", None, checkpoint.size, text)

    def _was_taken(self, checkpoint: Checkpoint) -> bool:
        """Return whether a restore explains that a checkpoint of this very log is not stored."""
        following = None
        for row in self._cursor.execute(_FOLLOWING, (checkpoint.size,)).fetchall():
            try:
                following = open_checkpoint(row["note"], self._trusted)
            except (NoteError, SignatureError):
                return False  # a finding of its own
        by = self.lines.took(checkpoint, following)
        if by is not None:
            self.ended.append(by)
        return by is not None

    def _open_outside(self, notes: Sequence[str]) -> Iterator[Checkpoint]:
        for note in notes:
            try:
                checkpoint = open_checkpoint(note, self._trusted)
                if (by := self.lines.ended(checkpoint)) is None:
                    yield checkpoint
                else:
                    self.ended.append(by)
            except SignatureError as error:
                text = f"an outside checkpoint proves nothing: {error}"
                self.findings.append(Finding("outside", None, None, text))

    def _open_stored(self, row: Mapping[str, Any]) -> Checkpoint | None:
        number, expected = row["number"], self._number + 1
        self._number = number
        if number != expected and not self.thinned.has_numbers(expected, number - 1):
            text = f"checkpoint {expected} is missing: number {number} follows"
            self._add_finding(Finding("checkpoint_missing", None, row["size"], text))
        try:
            checkpoint = open_checkpoint(row["note"], self._trusted)
            if (checkpoint.size, checkpoint.root) != (row["size"], bytes(row["root"])):
                raise SignatureError("its columns are not those of its note")
        except (NoteError, SignatureError) as error:
            text = f"checkpoint {number} was not signed as it stands: {error}"
            self._add_finding(Finding("checkpoint_forged", None, row["size"], text))
            return None
        return checkpoint

    def _add_finding(self, finding: Finding) -> None:
        if len(self.findings) < MAX_NAMED:
            self.findings.append(finding)
        else:
            self._unnamed += 1
