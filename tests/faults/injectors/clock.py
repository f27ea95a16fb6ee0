"""Clocks that jump: of the host of PostgreSQL, or of the services, forward and back.

A library of some lines is compiled and put before the C library; it reads the offset from a file
that is changed while the process runs. Monotonic clocks go on as they are: a jump is a mistake of
NTP or of a person, not of time. Debian's libfaketime, made for this, lets `time.sleep` of Python
fail where it leaves these alone.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any, Final

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
from tests.faults.injectors.restores import wait_for_node
from tests.waiting import eventually

SOURCE: Final = Path(__file__).with_name("jumping_clock.c")
_SUBJECT = "clock"
_RESPONDS_S = 30.0
_NO_OFFSET = "+0"
JUMPS: Final = ("+90", "-90", "+7200", "-7200", "+172800")
"""Seconds: less and more than any tolerance, and into another day."""


@fault
class ClockJump:
    """The clock of one process jumps while it runs, and jumps back when it is healed."""

    name = "clock_jump"
    lasts = (3.0, 20.0)
    alone = False

    def is_possible(self, house: House) -> bool:
        return is_wrapped(house) and can_compile()

    def inject(self, house: House, random: Random) -> str:
        victim = random.choice(
            ("postgres", "serve", "work") if _has_node(house) else ("serve", "work")
        )
        jump = random.choice(JUMPS)
        house.notes[self.name] = victim
        with_clock_that_jumps(house, victim)
        offset_file(house, victim).write_text(f"{jump}\n", encoding="ascii")
        return f"the clock of {victim} jumps by {jump} s"

    def heal(self, house: House) -> None:
        victim: Any = house.notes.pop(self.name, None)
        if victim is not None:
            restore(house, victim, _SUBJECT)
            offset_file(house, victim).write_text(f"{_NO_OFFSET}\n", encoding="ascii")


def _has_node(house: House) -> bool:
    """Return whether PostgreSQL is one of the installation's processes."""
    return (house.folder / "postgres").is_dir()


def offset_file(house: House, name: str) -> Path:
    """Return the file with the offset of a process's clock."""
    return house.folder / "circumstances" / f"offset-of-{name}"


def with_clock_that_jumps(house: House, name: str) -> None:
    """Start a process anew with a clock that can be set, and that is right."""
    library, offset = compiled(house, SOURCE), offset_file(house, name)
    offset.write_text(f"{_NO_OFFSET}\n", encoding="ascii")
    offset.chmod(0o644)  # PostgreSQL runs as another user
    variables = {"LD_PRELOAD": str(library), "JUMPING_CLOCK_FILE": str(offset)}
    change(house, name, _SUBJECT, variables)
    identity = start_anew(house, name)
    try:
        eventually(lambda: preloads(identity, library.name), f"{name} has another clock", 10)
    except AssertionError:
        raise TroubleError(f"{name} does not load {library}") from None
    # Not for long: a paused PostgreSQL keeps the others from it, and goes on after this alone.
    wait_for_node(house, name, _RESPONDS_S)
