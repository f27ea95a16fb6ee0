"""Names of persons and organisations as people type them."""

from __future__ import annotations

import unicodedata

from shared.errors import ValidationFailed

MAX_FULL_NAME_LENGTH = 150
"""Characters of a full name (ФИО)."""


def parse_full_name(text: str) -> str:
    """Return a person's full name on one line. Raises ValidationFailed ``full_name_invalid``."""
    name = one_line(text, MAX_FULL_NAME_LENGTH)
    if name is None:
        raise ValidationFailed(
            "full_name_invalid",
            f"Give the full name in 2 to {MAX_FULL_NAME_LENGTH} characters.",
            max_length=MAX_FULL_NAME_LENGTH,
        )
    return name


def one_line(text: str, max_length: int) -> str | None:
    """Return a name with single spaces; None when it has fewer than 2 or too many characters, or
    one that cannot be printed.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    return name if 2 <= len(name) <= max_length and _printable(name) else None


def _printable(text: str) -> bool:
    # A control or formatting character could turn the direction of the text on a page or a bill.
    return not any(unicodedata.category(character).startswith("C") for character in text)
