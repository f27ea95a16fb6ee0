"""The name of a sent file, as it may be shown and offered to a disk again."""

from __future__ import annotations

import unicodedata

from services.helpdesk.file_types import ENDINGS

MAX_NAME = 100
"""Characters of a name with its ending."""

_FORBIDDEN = frozenset('<>:"/\\|?*;%')
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(10))]
)
"""Names that Windows takes for devices, with any ending."""


def clean_name(name: str) -> str:
    """Return a name without a path, and without what no name may have; "" if nothing is left.

    Controls of every kind go, those of the direction of writing among them.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = [
        " " if unicodedata.category(char).startswith("Z") else char
        for char in unicodedata.normalize("NFC", last)
        if char not in _FORBIDDEN and not unicodedata.category(char).startswith("C")
    ]
    return " ".join("".join(kept).split()).strip(" .'")


def name_of(name: str, media_type: str) -> str:
    """Return the name under which a file is kept: that of its sender, with the ending of its kind.

    A file without a usable name is called after its kind.
    """
    endings = ENDINGS[media_type]
    clean = clean_name(name)
    stem, dot, ending = clean.rpartition(".")
    if not dot or ending.lower() not in endings:
        stem, ending = clean, endings[0]
    stem = stem[: MAX_NAME - len(ending) - 1].rstrip(" .'")
    if not stem or stem.partition(".")[0].strip().lower() in _DEVICES:
        stem = f"file-{stem}" if stem else "file"
    return f"{stem}.{ending.lower()}"
