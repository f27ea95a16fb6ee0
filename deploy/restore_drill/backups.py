"""What lies in a folder of backups, as `deploy/postgres/` and `deploy.embedded backup` leave it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

BASE, WAL, DUMP = "base", "wal", "database.dump"
_NAME = re.compile(r"\d{8}T\d{6}Z")


class BackupError(Exception):
    """There is no backup that can be restored; the text says why."""


@dataclass(frozen=True)
class Backup:
    """A base backup with the archive of the WAL after it, or a dump (no ``wal``)."""

    path: Path
    taken_at: datetime
    wal: Path | None = None


def latest_backup(folder: Path, until: datetime | None = None) -> Backup:
    """Return the backup to restore from: the latest, or the latest that ended by ``until``.

    Raises BackupError where there is none.
    """
    if (dump := folder / DUMP).is_file():
        if until is not None:
            raise BackupError(f"{dump} is a dump of one moment: --until needs a base backup")
        return Backup(dump, datetime.fromtimestamp(dump.stat().st_mtime, UTC))
    if not (folder / BASE).is_dir():
        raise BackupError(f"{folder} has neither {BASE}/ with base backups nor {DUMP}")
    found = {
        path: datetime.strptime(path.name, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        for path in (folder / BASE).iterdir()
        if _NAME.fullmatch(path.name)
    }
    fitting = {path: at for path, at in found.items() if until is None or at <= until}
    if not fitting:
        when = f" that ended by {until:%Y-%m-%d %H:%M:%S %Z}" if until and found else ""
        raise BackupError(f"{folder / BASE} has no base backup{when}")
    path = max(fitting, key=lambda one: fitting[one])
    if not (folder / WAL).is_dir():
        raise BackupError(f"{folder} has no {WAL}/: without the archive no base backup can be read")
    return Backup(path, fitting[path], folder / WAL)
