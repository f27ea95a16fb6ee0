"""Which bug is on now: the first word of a file, the same for all processes.

The second word differs each time one is switched on, so that a bug that strikes once strikes again.
"""

from __future__ import annotations

import os
from pathlib import Path


class Switch:
    """The file, as one process reads it."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.always = ""
        """A bug that is on whatever the file says."""
        self._read_at = 0
        self._words = ("", "")
        self._strikes: dict[str, int] = {}

    def is_on(self, bug: str) -> bool:
        """Return whether a bug is on."""
        return bug in {self.always, self._current()[0]}

    def strikes(self, what: str, times: int = 1) -> bool:
        """Return whether something happens for the first time, or one of the first times, since
        the bug was switched on."""
        self._current()
        self._strikes[what] = self._strikes.get(what, 0) + 1
        return self._strikes[what] <= times

    def _current(self) -> tuple[str, str]:
        if self.path is None:
            return self._words
        try:
            changed = os.stat(self.path).st_mtime_ns
        except FileNotFoundError:
            return ("", "")
        if changed != self._read_at:
            bug, _, time = self.path.read_text(encoding="ascii").partition(" ")
            if (bug, time) != self._words:
                self._strikes.clear()
            self._read_at, self._words = changed, (bug, time)
        return self._words


SWITCH = Switch()


def turn(path: Path, bug: str, time: str) -> None:
    """Switch a bug on for all processes that read a file; "" switches it off."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(f"{bug} {time}", encoding="ascii")
    draft.replace(path)
