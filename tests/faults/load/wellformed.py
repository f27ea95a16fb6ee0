"""Whether a file of beliefs is what the checker reads: said by file and line, before any check."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import msgspec

from tests.faults.load.beliefs import Belief

NEEDED: Mapping[str, Collection[str]] = {
    "registration.start": ("email",),
    "registration.confirm": ("email",),
    "session.open": ("email",),
    "session.end": ("email", "token"),
    "password.change": ("email", "old", "new"),
    "profile.change": ("email", "full_name"),
    "link": ("email", "number"),
    "unlink": ("email", "number"),
    "payment.start": ("lines",),
    "payment.card": ("payment_id",),
    "question.ask": ("email", "text"),
    "question.answer": (),
    "adjust": (),
    "import": ("digest", "adjustments"),
    # Notes.
    "person": ("email", "password", "token"),
    "payment.seen": ("payment_id", "state"),
    "contradiction": (),
    "subscriber": ("kind", "file", "services", "token"),
    "queues": (),
    "fault": ("did",),
    "lost": ("since", "until"),
    "bank.refund": ("order", "amount", "done"),
    "quarantine": ("reasons",),
}
"""What `data` has by `what`, in each line."""

LEARNED: Mapping[str, Collection[str]] = {
    "payment.start": ("payment_id",),
    "payment.card": ("charged",),
    "question.ask": ("question_id",),
}
"""What it has beside that where the outcome is `acknowledged`."""


class BeliefsError(ValueError):
    """A file of beliefs that cannot be read as one; the text says where and why."""


def kinds_in(path: Path) -> set[str]:
    """Return what the lines of a file of beliefs are about.

    Raises BeliefsError for a line that is no belief, or lacks what its kind needs.
    """
    return {belief.what for belief in _lines(path)}


def _lines(path: Path) -> Iterator[Belief]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return  # cut off by a kill
            try:
                belief = msgspec.json.decode(line, type=Belief)
            except msgspec.DecodeError as error:
                raise BeliefsError(f"{path}, line {number} is no belief: {error}") from None
            if missing := _missing(path, belief):
                needs = ", ".join(missing)
                raise BeliefsError(
                    f"{path}, line {number}: {belief.what} needs {needs} in its data"
                )
            yield belief


def _missing(path: Path, belief: Belief) -> list[str]:
    names = [*NEEDED.get(belief.what, ())]
    if belief.outcome == "acknowledged":
        names += LEARNED.get(belief.what, ())
    missing = [name for name in names if name not in belief.data]
    if belief.what == "subscriber" and not missing:
        file = path.parent / str(belief.data["file"])
        if not file.is_file():
            missing.append(f"a file that exists (there is no {file})")
    return missing
