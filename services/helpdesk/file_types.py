"""What a file is, by its content alone: its name and what its sender calls it prove nothing.

Nothing is decoded here: a picture of any dimensions costs what its bytes cost. A file of two kinds
at once stays harmless, because it is only ever downloaded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

HEAD_BYTES = 64
TAIL_BYTES = 2048

_KINDS = tuple(
    (re.compile(begins, re.DOTALL), media_type)
    for begins, media_type in (
        (rb"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "image/png"),
        (rb"\xff\xd8\xff", "image/jpeg"),
        (rb"GIF8[79]a", "image/gif"),
        (rb"RIFF.{4}WEBP", "image/webp"),
        (rb".{4}ftyp(hei[cmxs]|hev[cx]|mif1|msf1)", "image/heic"),
        (rb"%PDF-[12]\.[0-9]", "application/pdf"),
    )
)


def media_type_of(head: bytes) -> str | None:
    """Return the media type of a file that begins so; None for a kind that is not taken."""
    return next((media_type for begins, media_type in _KINDS if begins.match(head)), None)


ENDINGS: Mapping[str, tuple[str, ...]] = {
    "image/png": ("png",),
    "image/jpeg": ("jpg", "jpeg", "jpe", "jfif"),
    "image/gif": ("gif",),
    "image/webp": ("webp",),
    "image/heic": ("heic", "heif"),
    "application/pdf": ("pdf",),
}
"""The endings that the name of a file of each kind may have; the first is added to any other."""


class Inspection:
    """Sees a file part by part, and says in the end whether it is whole."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self._size = 0
        self._jpeg_ends = False

    def see(self, part: bytes) -> None:
        """Take the next part."""
        if len(self._head) < HEAD_BYTES:
            self._head = (self._head + part[:HEAD_BYTES])[:HEAD_BYTES]
        self._jpeg_ends = self._jpeg_ends or b"\xff\xd9" in self._tail[-1:] + part
        self._tail = (self._tail + part[-TAIL_BYTES:])[-TAIL_BYTES:]
        self._size += len(part)

    @property
    def media_type(self) -> str | None:
        """The media type, as far as the head says it."""
        return media_type_of(self._head)

    @property
    def is_whole(self) -> bool:
        """Whether the file has the end that its kind ends with."""
        ends: Mapping[str, Callable[[], bool]] = {
            "image/png": lambda: self._tail.endswith(b"\0\0\0\0IEND\xaeB`\x82"),
            # Telephones append what they like to a JPEG: a film, a second picture.
            "image/jpeg": lambda: self._jpeg_ends,
            "image/gif": lambda: self._tail.rstrip(b"\0").endswith(b";"),
            "image/webp": lambda: int.from_bytes(self._head[4:8], "little") + 8 <= self._size,
            "image/heic": lambda: 8 <= int.from_bytes(self._head[:4], "big") < self._size,
            "application/pdf": lambda: b"%%EOF" in self._tail,
        }
        found = self.media_type
        return found is not None and ends[found]()
