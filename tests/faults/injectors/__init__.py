"""The kinds of trouble, a module per subject. Importing this package registers all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tests.faults.injectors import alarms as alarms
from tests.faults.injectors import clock as clock
from tests.faults.injectors import connections as connections
from tests.faults.injectors import disks as disks
from tests.faults.injectors import fsync as fsync
from tests.faults.injectors import messages as messages
from tests.faults.injectors import moves as moves
from tests.faults.injectors import outside as outside
from tests.faults.injectors import processes as processes
from tests.faults.injectors import restores as restores
from tests.faults.injectors.circumstances import COMPILER, package_file
from tests.faults.injectors.errors import TroubleError

PACKAGES: Mapping[str, tuple[str, str]] = {
    clock.ClockJump.name: COMPILER,
    fsync.FsyncError.name: COMPILER,
}
"""Debian's packages without which a fault is not possible, each with a file of it."""


def install_packages(names: Iterable[str]) -> dict[str, str]:
    """Install what some faults need; return why for each whose package cannot be had."""
    missing = {}
    for name in names:
        if name in PACKAGES:
            try:
                package_file(*PACKAGES[name])
            except TroubleError as reason:
                missing[name] = str(reason)
    return missing
