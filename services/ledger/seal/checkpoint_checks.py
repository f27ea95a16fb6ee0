"""The signed evidence about a log: its stored checkpoints, and those that others have kept.

They are read a window at a time and judged in the order of their sizes, while the log is walked;
so only what is wrong is remembered, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from services.ledger.seal.checkpoint import (
    Checkpoint,
    NoteError,
    SignatureError,
    VerifierKey,
    open_checkpoint,
)
from services.ledger.seal.merkle import EMPTY_ROOT

REMEMBERED = 100
"""How many checkpoints that are wrong in themselves are named one by one."""

OUTSIDE = "the outside checkpoint"

_WINDOW = (
    "SELECT number, size, root, note FROM checkpoints WHERE size > %s AND size <= %s ORDER BY size"
)


class Finding(msgspec.Struct, frozen=True):
    """One thing that is not as it was sealed: its kind, the positions, a sentence for people.

    ``kind`` is one of edited, deleted, inserted, moved, truncated, repeated, rewritten,
    stored_hashes, checkpoint_missing, checkpoint_forged, checkpoint_mismatch, outside.
    ``first`` and ``last`` are positions of the log, None where none can be named.
    """

    kind: str
    first: int | None
    last: int | None
    text: str


class Tally:
    """How far signed roots agree with the log.

    ``agreed`` is the largest size whose signed root is the log's; ``failed`` the first size whose
    signed root is not, ``name`` of what, ``after`` the last agreement before it; ``failures`` how
    many there are.
    """

    def __init__(self) -> None:
        self.agreed = self.after = self.failures = 0
        self.failed: int | None = None
        self.name = ""

    def count(self, name: str, size: int, agrees: bool) -> None:
        """Take the next root, in the order of the sizes."""
        if agrees:
            self.agreed = size
            return
        self.failures += 1
        if self.failed is None:
            self.failed, self.name, self.after = size, name, self.agreed

    def summary(self, kind: str) -> Iterator[Finding]:
        """Say what the failures tell."""
        if self.failed is None:
            return
        more = f", and {self.failures - 1} later," if self.failures > 1 else ""
        text = (
            f"{self.name} (of {self.failed} events){more} signed another log: something among the "
            f"positions {self.after + 1} to {self.failed} was changed"
        )
        yield Finding(kind, self.after + 1, self.failed, text)


class Evidence:
    """What was signed, and how far the log agrees with it.

    ``stored`` and ``kept`` tally the checkpoints of the database and those of the outside, apart:
    whoever has the database and the key can make the first agree with anything. ``findings`` is
    what is wrong with the checkpoints themselves.
    """

    def __init__(self, cursor: Any, trusted: Sequence[VerifierKey], outside: Sequence[str]) -> None:
        self._cursor = cursor
        self._trusted = trusted
        self._window: dict[int, tuple[int, Checkpoint | None]] = {}
        self._number = 0
        self._unnamed = 0
        self.findings: list[Finding] = []
        self.stored, self.kept = Tally(), Tally()
        self.outside = sorted(self._open_outside(outside), key=lambda checkpoint: checkpoint.size)

    @property
    def vouched(self) -> int:
        """Return the size up to which the log is certainly as it was signed."""
        if self.kept.failed is not None:
            return self.kept.agreed
        return max(self.stored.agreed, self.kept.agreed)

    def sizes(self, first: int, end: int) -> set[int]:
        """Load the checkpoints of more than ``first`` and at most ``end`` events."""
        rows = self._cursor.execute(_WINDOW, (first, end)).fetchall()
        self._window = {row["size"]: (row["number"], self._open_stored(row)) for row in rows}
        kept = {checkpoint.size for checkpoint in self.outside if first < checkpoint.size <= end}
        return kept | self._window.keys()

    def judge(self, size: int, root: bytes | None) -> None:
        """Hold what was signed at a size against the log's root there (None: it has a gap)."""
        number, stored = self._window.get(size, (None, None))
        if stored is not None:
            self.stored.count(f"checkpoint {number}", size, stored.root == root)
        for checkpoint in self.outside:
            if checkpoint.size == size:
                self.kept.count(OUTSIDE, size, checkpoint.root == root)
                self._look_up(checkpoint, number, stored)

    def judge_rest(self, last: int, end: int) -> None:
        """Judge the outside checkpoints that no window held: of no event, or of too many."""
        for checkpoint in self.outside:
            if checkpoint.size == 0:
                self.kept.count(OUTSIDE, 0, checkpoint.root == EMPTY_ROOT)
            elif checkpoint.size > end:
                self.kept.count(OUTSIDE, checkpoint.size, False)
                self._look_up(checkpoint, None, None)
            if checkpoint.size > last:
                text = (
                    f"an outside checkpoint seals {checkpoint.size} events, but the log ends at "
                    f"position {last}"
                )
                self.findings.append(Finding("truncated", last + 1, checkpoint.size, text))

    def summary(self) -> Iterator[Finding]:
        """Say which signed roots the log does not have, and what that tells."""
        if self._unnamed:
            text = f"{self._unnamed} more checkpoints are missing or were not signed"
            yield Finding("checkpoint_forged", None, None, text)
        yield from self.stored.summary("checkpoint_mismatch")
        yield from self.kept.summary("outside")

    def _look_up(
        self, checkpoint: Checkpoint, number: int | None, stored: Checkpoint | None
    ) -> None:
        if stored is None or stored.root != checkpoint.root:
            what = "it is not stored any more" if number is None else "another one is stored"
            text = f"a checkpoint of {checkpoint.size} events was given out, but {what}"
            self.findings.append(Finding("checkpoint_missing", None, checkpoint.size, text))

    def _open_outside(self, notes: Sequence[str]) -> Iterator[Checkpoint]:
        for note in notes:
            try:
                yield open_checkpoint(note, self._trusted)
            except SignatureError as error:
                text = f"an outside checkpoint proves nothing: {error}"
                self.findings.append(Finding("outside", None, None, text))

    def _open_stored(self, row: Mapping[str, Any]) -> Checkpoint | None:
        number, expected = row["number"], self._number + 1
        self._number = number
        if number != expected:
            text = f"checkpoint {expected} is missing: number {number} follows"
            self._note(Finding("checkpoint_missing", None, row["size"], text))
        try:
            checkpoint = open_checkpoint(row["note"], self._trusted)
            if (checkpoint.size, checkpoint.root) != (row["size"], bytes(row["root"])):
                raise SignatureError("its columns are not those of its note")
        except (NoteError, SignatureError) as error:
            text = f"checkpoint {number} was not signed as it stands: {error}"
            self._note(Finding("checkpoint_forged", None, row["size"], text))
            return None
        return checkpoint

    def _note(self, finding: Finding) -> None:
        if len(self.findings) < REMEMBERED:
            self.findings.append(finding)
        else:
            self._unnamed += 1
