"""Disks that fail: PostgreSQL's fsync returns EIO, by Debian's libfiu.

PostgreSQL then stops with a PANIC and recovers from its log. What it had acknowledged had been
written before, so nothing may be lost.
"""

from __future__ import annotations

from random import Random
from typing import Final

from tests.faults.faults import House, fault
from tests.faults.injectors.circumstances import (
    change,
    has_package_file,
    is_wrapped,
    package_file,
    restore,
    start_anew,
)

PACKAGE: Final = "fiu-utils"
RUN: Final = "/usr/lib/fiu/fiu_run_preload.so"
POSIX: Final = "/usr/lib/fiu/fiu_posix_preload.so"
_SUBJECT = "fsync"
_EIO = 5


@fault
class FsyncError:
    """One in so many fsyncs of PostgreSQL fails; each failure is a crash and a recovery."""

    name = "fsync_error"
    lasts = (5.0, 20.0)
    alone = False

    def is_possible(self, house: House) -> bool:
        return (
            is_wrapped(house)
            and "postgres" in house.identities()
            and has_package_file(RUN)
            and has_package_file(POSIX)
        )

    def inject(self, house: House, random: Random) -> str:
        one_in = random.choice((20, 100))
        with_failing_fsync(house, 1 / one_in)
        return f"one in {one_in} fsyncs of PostgreSQL fails"

    def heal(self, house: House) -> None:
        restore(house, "postgres", _SUBJECT)
        house.restart("postgres")


def with_failing_fsync(house: House, probability: float) -> None:
    """Start PostgreSQL anew with fsyncs that fail with a probability."""
    libraries = [package_file(PACKAGE, path) for path in (RUN, POSIX)]
    change(
        house,
        "postgres",
        _SUBJECT,
        {
            "LD_PRELOAD": " ".join(map(str, libraries)),
            "FIU_ENABLE": "\n".join(
                f"enable_random name=posix/io/sync/{call},probability={probability},failinfo={_EIO}"
                for call in ("fsync", "fdatasync")
            ),
        },
    )
    start_anew(house, "postgres")
