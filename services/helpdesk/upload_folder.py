"""The folder of uploads: files outside the log and the database, each sealed part by part.

A part is AES-256-GCM under the key of its file, bound to the file and to its index. It has a place
of its own in the file, so writing it again replaces it. Whoever has the folder alone has noise.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.helpdesk.attachment import PART_BYTES
from shared.cooperation import outside_event_loop
from shared.durable_files import sync_to_disk
from shared.errors import Unavailable
from shared.logs import get_logger

log = get_logger(__name__)

T = TypeVar("T")

_NONCE, _TAG = 12, 16
_SLOT = _NONCE + PART_BYTES + _TAG


class UploadFolder:
    """The folder named by ``SALDO_UPLOADS_DIR``; every access is outside the event loop."""

    def __init__(self, path: str, free_bytes: int) -> None:
        self._path = Path(path) if path else None
        self._free_bytes = free_bytes

    def check_room(self) -> None:
        """Raise Unavailable ``uploads_unavailable`` without a folder, or with too little room."""
        if (room := self.room()) < 0:
            log.error("uploads_folder_full", room_bytes=room)
            raise _unavailable(None)

    def room(self) -> int:
        """Return how many bytes there are for files; below 0 nothing is taken."""
        root = self._root()
        return self._outside(lambda: shutil.disk_usage(root).free) - self._free_bytes

    def write_part(self, file: UUID, key: bytes, index: int, part: bytes) -> None:
        """Write a part to its place."""
        path = self._of(file)

        def write() -> None:
            nonce = secrets.token_bytes(_NONCE)
            sealed = nonce + AESGCM(key).encrypt(nonce, part, _bound_to(file, index))
            path.parent.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as opened:
                opened.seek(index * _SLOT)
                opened.write(sealed)
                opened.truncate()

        self._outside(write)

    def read_part(self, file: UUID, key: bytes, index: int) -> bytes:
        """Return a part; raises Unavailable where the file is missing or damaged."""
        path = self._of(file)

        def read() -> bytes:
            with path.open("rb") as opened:
                opened.seek(index * _SLOT)
                sealed = opened.read(_SLOT)
            return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound_to(file, index))

        try:
            return self._outside(read)
        except (InvalidTag, ValueError) as error:
            log.error("upload_damaged", attachment_id=str(file))  # noqa: TRY400 - it is expected
            raise _unavailable(None) from error

    def sync_file(self, file: UUID) -> None:
        """Return when a file has reached the disk."""
        path = self._of(file)

        def sync() -> None:
            # The folder of a file may be new in its own.
            for each in (path, path.parent, path.parent.parent):
                sync_to_disk(each)

        self._outside(sync)

    def remove_file(self, file: UUID) -> None:
        """Delete a file; one that is not there is no error.

        Its folder stays, empty or not: somebody may be about to write to it.
        """
        path = self._of(file)
        self._outside(lambda: path.unlink(missing_ok=True))

    def changed_at(self) -> dict[UUID, float]:
        """Return the files of the folder, each with the time of its last change."""
        root = self._root()

        def files() -> dict[UUID, float]:
            found: dict[UUID, float] = {}
            for path in root.glob("??/*"):
                with suppress(ValueError, FileNotFoundError):  # no file of ours; it has just gone
                    found[UUID(path.name)] = path.stat().st_mtime
            return found

        return self._outside(files)

    def _outside(self, work: Callable[[], T]) -> T:
        try:
            return outside_event_loop(work)
        except OSError as error:
            raise _unavailable(error) from error

    def _root(self) -> Path:
        if self._path is None:
            raise _unavailable(None)
        return self._path

    def _of(self, file: UUID) -> Path:
        name = file.hex
        return self._root() / name[-2:] / name


def _bound_to(file: UUID, index: int) -> bytes:
    return b"saldo/attachment\0" + file.bytes + index.to_bytes(4, "big")


def _unavailable(error: OSError | None) -> Unavailable:
    if error is not None:
        log.error("uploads_folder_failed", error=type(error).__name__, errno=error.errno)
    return Unavailable(
        "uploads_unavailable", "Files cannot be taken or read at the moment; try again later."
    )
