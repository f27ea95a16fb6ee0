"""Disks that fail: PostgreSQL's fsync returns EIO.

PostgreSQL then stops with a PANIC and recovers from its log. What it had acknowledged had been
written before, so nothing may be lost. An fsync that fails in the checkpoint at the end of a
recovery leaves it waiting for ever: its operator ends it.

A library of twenty lines is compiled and put before the C library. Debian's libfiu, made for this,
crashes PostgreSQL at its start: it stands in for every call of POSIX.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.faults.faults import House, fault
from tests.faults.injectors.circumstances import (
    can_compile,
    change,
    compiled,
    is_wrapped,
    preloads,
    restore,
    start_anew,
)
from tests.faults.injectors.errors import TroubleError
from tests.faults.injectors.restores import responds, wait_for_node
from tests.waiting import eventually

_SOURCE = Path(__file__).with_name("failing_fsync.c")
_SUBJECT = "fsync"
RESPONDS_S = 15.0
"""A recovery takes seconds; where there is no response after so long, there will be none."""


@fault
class FsyncError:
    """Each so many fsyncs of PostgreSQL's processes one fails: a crash and a recovery each time."""

    name = "fsync_error"
    lasts = (5.0, 20.0)
    alone = False

    def is_possible(self, house: House) -> bool:
        return is_wrapped(house) and "postgres" in house.identities() and can_compile()

    def inject(self, house: House, random: Random) -> str:
        every = random.choice((5, 25, 100))
        house.notes[self.name] = every
        with_failing_fsync(house)
        _control(house).write_text(f"{every}\n", encoding="ascii")
        return f"of {every} fsyncs of each process of PostgreSQL one fails"

    def heal(self, house: House) -> str:
        if self.name not in house.notes:
            return ""
        _control(house).write_text("0\n", encoding="ascii")
        restore(house, "postgres", _SUBJECT)
        did = _end_if_silent(house)
        del house.notes[self.name]
        return did


def with_failing_fsync(house: House) -> None:
    """Start PostgreSQL anew so that its fsyncs can be made to fail; none does yet."""
    library = compiled(house, _SOURCE)
    control = _control(house)
    control.write_text("0\n", encoding="ascii")
    control.chmod(0o644)  # PostgreSQL runs as another user
    variables = {"LD_PRELOAD": str(library), "FAILING_FSYNC_FILE": str(control)}
    change(house, "postgres", _SUBJECT, variables)
    identity = start_anew(house, "postgres")
    try:
        eventually(lambda: preloads(identity, library.name), "PostgreSQL has another fsync", 10)
    except AssertionError:
        raise TroubleError("PostgreSQL does not load its fsync") from None
    wait_for_node(house, "postgres")


def _end_if_silent(house: House) -> str:
    """Kill PostgreSQL where it does not respond by itself, and wait until it does; return that."""
    try:
        eventually(lambda: responds(house, "postgres"), "PostgreSQL responds", RESPONDS_S)
    except AssertionError:
        start_anew(house, "postgres")
        wait_for_node(house, "postgres")
        return "kill -9 postgres, which did not respond"
    return ""


def _control(house: House) -> Path:
    return house.folder / "circumstances" / "fsync-fails"
