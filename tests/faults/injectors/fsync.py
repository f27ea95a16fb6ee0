"""Disks that fail: PostgreSQL's fsync returns EIO.

PostgreSQL then stops with a PANIC and recovers from its log. What it had acknowledged had been
written before, so nothing may be lost. An fsync that fails in the checkpoint at the end of a
recovery leaves it waiting for ever: its operator ends it.

A library of twenty lines is compiled and put before the C library. Debian's libfiu, made for this,
crashes PostgreSQL at its start: it stands in for every call of POSIX.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path
from random import Random
from typing import Final

from deploy.embedded import process
from tests.faults.faults import House, fault
from tests.faults.injectors.circumstances import (
    change,
    is_wrapped,
    package_file,
    preloads,
    restore,
    start_anew,
)
from tests.faults.injectors.errors import TroubleError
from tests.faults.injectors.restores import responds, wait_for_node
from tests.faults.process_tree import descendants
from tests.waiting import eventually

PACKAGE: Final = "gcc"
COMPILER: Final = "/usr/bin/gcc"
_SOURCE = Path(__file__).with_name("failing_fsync.c")
_SUBJECT = "fsync"
_NAME = "failing_fsync.so"
_COMPILE_S = 60
RESPONDS_S = 15.0
"""A recovery takes seconds; where there is no response after so long, there will be none."""


@fault
class FsyncError:
    """Each so many fsyncs of PostgreSQL's processes one fails: a crash and a recovery each time."""

    name = "fsync_error"
    lasts = (5.0, 20.0)
    alone = False

    def is_possible(self, house: House) -> bool:
        return (
            is_wrapped(house)
            and "postgres" in house.identities()
            and shutil.which("gcc", path="/usr/bin") is not None
        )

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
    library = house.folder / "circumstances" / _NAME
    compiler = package_file(PACKAGE, COMPILER)
    command = [str(compiler), "-shared", "-fPIC", "-nostdlib", "-O1"]
    done = subprocess.run(
        [*command, "-o", str(library), str(_SOURCE)],
        capture_output=True, text=True, check=False, timeout=_COMPILE_S,
    )  # fmt: skip
    if done.returncode != 0:
        raise TroubleError(f"{_SOURCE.name} does not compile: {done.stderr[-500:]}")
    control = _control(house)
    control.write_text("0\n", encoding="ascii")
    # PostgreSQL runs as another user.
    for path, mode in ((library.parent, 0o755), (library, 0o755), (control, 0o644)):
        path.chmod(mode)
    variables = {"LD_PRELOAD": str(library), "FAILING_FSYNC_FILE": str(control)}
    change(house, "postgres", _SUBJECT, variables)
    identity = start_anew(house, "postgres")
    try:
        eventually(lambda: preloads(identity, _NAME), "PostgreSQL has another fsync", 10)
    except AssertionError:
        raise TroubleError("PostgreSQL does not load its fsync") from None
    wait_for_node(house, "postgres")


def _end_if_silent(house: House) -> str:
    """Kill PostgreSQL where it does not respond by itself, and wait until it does; return that."""
    try:
        eventually(lambda: responds(house, "postgres"), "PostgreSQL responds", RESPONDS_S)
    except AssertionError:
        leader = house.identities().get("postgres")
        # One that stands still would keep the memory that the next server needs.
        for below in descendants(leader) if leader else ():
            process.send(below, signal.SIGKILL)
        start_anew(house, "postgres")
        wait_for_node(house, "postgres")
        return "kill -9 postgres, which did not respond"
    return ""


def _control(house: House) -> Path:
    return house.folder / "circumstances" / "fsync-fails"
