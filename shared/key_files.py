"""Changing the files of key rings while everything runs; each change leaves a comment there."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from shared.keys import MIN_SECRET, Key, Keys, format_ring, parse_ring, read_ring


def new_key(taken: Sequence[str] = ()) -> Key:
    """Return a random key; its id is the day and some characters that no key had before."""
    day = datetime.now(UTC).date().isoformat()
    names = iter(lambda: f"{day}-{secrets.token_hex(3)}", "")
    return Key(next(name for name in names if name not in taken), secrets.token_bytes(MIN_SECRET))


def create_ring(path: Path, older: Sequence[Key] = ()) -> Keys:
    """Write the file of a new ring, in which older keys only open; raises FileExistsError."""
    keys = (new_key([key.id for key in older]), *older)
    with _locked(path):
        _write(path, format_ring(keys))
    return keys


def add_key(path: Path, comment: str) -> Key:
    """Put a new key first, which seals from now on; return it. Raises KeyRingError, OSError."""
    with _locked(path):
        text = read_ring(path)
        key = new_key([known.id for known in parse_ring(text)])
        _replace(path, f"# {_ascii(comment)}\n{format_ring([key])}{text}")
    return key


def drop_key(path: Path, id_: str, comment: str) -> None:
    """Take a key out of the file; raises ValueError for the one that seals, and for none."""
    with _locked(path):
        text = read_ring(path)
        keys = parse_ring(text)
        if keys[0].id == id_:
            raise ValueError(f"{id_} is the key that seals: rotate first")
        if id_ not in {key.id for key in keys}:
            raise ValueError(f"{path} has no key {id_}")
        left = [key for key in keys if key.id != id_]
        before = "".join(f"{line}\n" for line in text.splitlines() if line.startswith("#"))
        _replace(path, f"# {_ascii(comment)}\n{format_ring(left)}{before}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time change a file, and have the change on the disk at the end.

    A key that is lost may have sealed something.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
        os.fsync(folder)
    finally:
        os.close(folder)


def _replace(path: Path, text: str) -> None:
    before = path.stat()
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    _write(draft, text)
    os.chown(draft, before.st_uid, before.st_gid)
    draft.chmod(before.st_mode & 0o777)
    draft.replace(path)


def _write(path: Path, text: str) -> None:
    """Write a new file that only its owner may read; raises FileExistsError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii", errors="surrogateescape") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _ascii(comment: str) -> str:
    return comment.encode("ascii", "backslashreplace").decode().replace("\n", " ")
