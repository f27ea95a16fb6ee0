"""The manifest of a base backup: each file is there, of its size, with its checksum.

As pg_verifybackup has it, but wherever the drill runs
(https://www.postgresql.org/docs/current/backup-manifest-format.html).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deploy.restore_drill.backups import BackupError

NAME = "backup_manifest"
_PIECE = 2**20


def verify_manifest(backup: Path, advance: Callable[[int], None]) -> None:
    """Compare a base backup with its manifest; raises BackupError at the first difference.

    ``advance`` is told of bytes. The WAL is not in it: the archive has that.
    """
    listed = _read(backup / NAME)
    found = {
        str(path.relative_to(backup))
        for path in backup.rglob("*")
        if path.is_file() and path.relative_to(backup).parts[0] not in ("pg_wal", NAME)
    }
    if more := sorted(found - listed.keys()):
        raise BackupError(f"{backup / more[0]} is not in the manifest of its backup")
    for name, entry in listed.items():
        path = backup / name
        if name not in found:
            raise BackupError(f"{path} is in the manifest of its backup, and is not there")
        if path.stat().st_size != entry["Size"]:
            raise BackupError(f"{path} has not the size that the manifest of its backup says")
        if _digest(path, entry, advance) != entry.get("Checksum"):
            raise BackupError(f"{path} is not what was backed up: its checksum differs")


def _read(path: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        content = path.read_bytes()
        manifest = json.loads(content)
        files = manifest["Files"]
        listed = {
            bytes.fromhex(one["Encoded-Path"]).decode()
            if "Encoded-Path" in one
            else one["Path"]: one
            for one in files
        }
        own = manifest["Manifest-Checksum"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{path} cannot be read: {type(error).__name__}") from None
    # Its own checksum is of all lines before the one that has it.
    before = content[: content.rstrip(b"\n").rfind(b"\n") + 1]
    if hashlib.sha256(before).hexdigest() != own:
        raise BackupError(f"{path} is not what was written: its checksum differs")
    return listed


def _digest(path: Path, entry: Mapping[str, Any], advance: Callable[[int], None]) -> str:
    algorithm = str(entry.get("Checksum-Algorithm", "")).lower()
    if algorithm not in ("sha224", "sha256", "sha384", "sha512"):
        raise BackupError(
            f"{path} has no SHA checksum: take the backup with --manifest-checksums=SHA256"
        )
    digest = hashlib.new(algorithm)
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            advance(len(piece))
    return digest.hexdigest()
