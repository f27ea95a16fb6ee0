"""Full disks: PostgreSQL's data or log, or RabbitMQ's folder, on a small disk with a big file.

The small disk is a tmpfs, which only root may mount: elsewhere this is not possible.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.faults.faults import House, fault
from tests.faults.injectors.restores import wait_for_node

DISKS: Final = {
    "postgres": ("data/base", "data/pg_wal"),
    "rabbitmq": ("mnesia",),
}
"""What a small disk can hold, by node."""

_ROOM = 100 * 2**20
"""Bytes beyond what is there: RabbitMQ keeps 50 MB free, PostgreSQL prepares its next log."""
_FILLER = "filler"
_RUN_S = 60


@fault
class FullDisk:
    """A disk has no room any more, until somebody deletes what does not belong there."""

    name = "full_disk"
    lasts = (5.0, 20.0)
    alone = True

    def is_possible(self, house: House) -> bool:
        return bool(house.identities().keys() & DISKS.keys()) and can_mount()

    def inject(self, house: House, random: Random) -> str:
        node = random.choice([name for name in DISKS if name in house.identities()])
        folder = random.choice(DISKS[node])
        left = random.choice((0, 4 * 2**20))
        house.notes[self.name] = (node, folder)
        place = house.folder / node / folder
        with house.kept_down(node):
            onto_small_disk(place)
        wait_for_node(house, node)
        fill(place, left)
        return f"fill the disk of {node}/{folder} but for {left} bytes"

    def heal(self, house: House) -> None:
        noted: Any = house.notes.get(self.name)
        if noted is None:
            return
        node, folder = noted
        place = house.folder / node / folder
        if place.is_mount():
            (place / _FILLER).unlink(missing_ok=True)
            wait_for_node(house, node)
        with house.kept_down(node):
            off_small_disk(place)
        wait_for_node(house, node)
        del house.notes[self.name]


@lru_cache(maxsize=1)
def can_mount() -> bool:
    """Return whether this process may mount a tmpfs; a container often may not."""
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder],
            capture_output=True, check=False, timeout=_RUN_S,
        )  # fmt: skip
        if done.returncode == 0:
            _umount(Path(folder))
    return done.returncode == 0


def onto_small_disk(place: Path) -> None:
    """Move a folder onto a disk of its own with little room; nobody uses it now."""
    used = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    away = _away(place)
    place.rename(away)
    place.mkdir()
    owner = away.stat()
    options = f"size={used + _ROOM},uid={owner.st_uid},gid={owner.st_gid},mode=0700"
    try:
        _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place))
        _run("cp", "-a", f"{away}/.", str(place))
    except BaseException:
        if place.is_mount():
            _umount(place)
        place.rmdir()
        away.rename(place)
        raise


def fill(place: Path, left: int) -> None:
    """Put a file onto a small disk that leaves so many bytes."""
    with (place / _FILLER).open("wb") as file:
        size = 0
        while (room := shutil.disk_usage(place).free - left) > 0:
            # The node writes meanwhile: what was free a moment ago may be taken.
            with suppress(OSError):
                os.posix_fallocate(file.fileno(), size, max(room // 2, 1))
            size = os.fstat(file.fileno()).st_size


def off_small_disk(place: Path) -> None:
    """Move a folder back from its small disk, if it is on one; nobody uses it now."""
    if not place.is_mount():
        return
    away = _away(place)
    shutil.rmtree(away)
    _run("cp", "-a", str(place), str(away))
    _umount(place)
    place.rmdir()
    away.rename(place)


def _away(place: Path) -> Path:
    return place.with_name(f"{place.name}.away")


def _umount(place: Path) -> None:
    _run("umount", str(place))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=_RUN_S)
