"""What witnesses have kept, read for comparison with the log."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from services.ledger.seal.checkpoint import (
    NoteError,
    SignatureError,
    VerifierKey,
    epoch_of_origin,
    open_checkpoint,
    parse_checkpoint,
    parse_note,
)
from services.ledger.seal.checkpoint_checks import MAX_NAMED, Finding

STANDARD_INPUT = Path("-")
_SIGNATURE = "— "


class KeptNotes(NamedTuple):
    """Notes that are checkpoints by their form, and findings about those that are not.

    ``filed`` are the notes of directories, which get more checkpoints than a mailbox does.
    """

    notes: list[str]
    filed: list[str]
    findings: list[Finding]


def read_kept(places: Sequence[Path]) -> KeptNotes:
    """Read the checkpoints in directories, in files, and in standard input (``-``).

    Raises OSError for a place that cannot be read.
    """
    kept = KeptNotes([], [], [])
    for place in places:
        for name, text in _texts(place):
            for note in _split(text):
                _add(kept, name, note, filed=place.is_dir())
    return kept


def _add(kept: KeptNotes, name: str, note: str, *, filed: bool) -> None:
    try:
        parse_checkpoint(parse_note(note).text)
    except NoteError as error:
        text = f"{name} is no checkpoint: {error}"
        kept.findings.append(Finding("outside", None, None, text))
        return
    kept.notes.append(note)
    if filed:
        kept.filed.append(note)


def missing_from(
    notes: Sequence[str], trusted: Sequence[VerifierKey], given: Mapping[int, int], *, whole: bool
) -> list[Finding]:
    """Return a finding when checkpoints that the directory was given are not among its notes.

    ``given`` is size -> number. A copy of the directory (not ``whole``) may be old: it only has to
    have what was given before its newest.
    """
    sizes = set(_sizes(notes, trusted))
    newest = max(sizes, default=0)
    missing = [given[size] for size in given if size not in sizes and (whole or size < newest)]
    if not missing:
        return []
    named = ", ".join(map(str, missing[:MAX_NAMED]))
    text = f"{len(missing)} checkpoints that the witness was given are gone there: {named}"
    return [Finding("witness_missing", None, None, text)]


def nothing_kept() -> Finding:
    """Return the finding of a witness that was named, and has nothing to compare the log with.

    Without a comparison it would pass, though it were cut together with its seal.
    """
    text = "the witness that was named keeps no checkpoint that this log reaches"
    return Finding("nothing_kept", None, None, text)


class Reached(NamedTuple):
    """The notes that a log from a backup reaches, and how many events the others have beyond it."""

    notes: list[str]
    lost: int


def reached_by(notes: Sequence[str], trusted: Sequence[VerifierKey], last: int) -> Reached:
    """Divide notes by the end of a log from a backup, whose witness has been given more since.

    A note that nobody trusted has signed is left, to be found. Of lines that a restore has ended,
    checkpoints go beyond where it has cut: nothing is lost by the backup there.
    """
    reached, beyond = [], []
    epochs = [0]
    for note in notes:
        try:
            one = open_checkpoint(note, trusted)
        except SignatureError:
            reached.append(note)
            continue
        epoch = int(epoch_of_origin(one.origin).partition(".")[0] or 1)
        epochs.append(epoch)
        if one.size > last:
            beyond.append((epoch, one.size - last))
        else:
            reached.append(note)
    newest = max(epochs)
    return Reached(reached, max((lost for epoch, lost in beyond if epoch == newest), default=0))


def _sizes(notes: Sequence[str], trusted: Sequence[VerifierKey]) -> Iterator[int]:
    for note in notes:
        try:
            yield open_checkpoint(note, trusted).size
        except SignatureError:
            continue  # a finding of its own


def _texts(place: Path) -> Iterator[tuple[str, str]]:
    if place == STANDARD_INPUT:
        yield "standard input", sys.stdin.read()
    elif place.is_dir():
        for file in sorted(place.iterdir()):
            if not file.name.startswith(".") and file.is_file():
                yield file.name, _text(file)
    else:
        yield place.name, _text(place)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


def _split(text: str) -> list[str]:
    """Return the notes of a text, which follow one another."""
    notes, lines = [], text.replace("\r\n", "\n").split("\n")
    current: list[str] = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line or current:
            current.append(line)
        if line.startswith(_SIGNATURE) and not following.startswith(_SIGNATURE):
            notes.append("\n".join(current) + "\n")
            current = []
    rest = "\n".join(current).strip("\n")
    return [*notes, rest] if rest or not notes else notes
