"""The pictures of the instruction: small PNG files in ``pictures/``, taken by ``make pictures``."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

_REFERENCE = re.compile(r"pictures/([a-z-]+)\.png")


@dataclass(frozen=True)
class Picture:
    """A picture by its name; its size is in pixels."""

    name: str
    content: bytes
    width: int
    height: int


@lru_cache(maxsize=1)
def pictures() -> Mapping[str, Picture]:
    """Return all pictures by name (``pay.png``)."""
    found = {}
    for entry in files("shared.documents").joinpath("pictures").iterdir():
        if entry.name.endswith(".png"):
            content = entry.read_bytes()
            width, height = struct.unpack_from(">II", content, 16)  # of the chunk IHDR
            found[entry.name] = Picture(entry.name, content, width, height)
    return found


def picture_of(reference: str) -> Picture | None:
    """Return what a document refers to as ``pictures/pay.png``; None for anything else."""
    found = _REFERENCE.fullmatch(reference)
    return pictures().get(f"{found[1]}.png") if found else None
