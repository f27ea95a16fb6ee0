"""What others may see of a person: enough to recognise somebody known, and no more."""

from __future__ import annotations

import re

_WORD = re.compile(r"\w[\w'’-]*")


def mask_email(email: str) -> str:
    """Return an address with the first character of its mailbox: ``a***@example.org``."""
    mailbox, _, domain = email.rpartition("@")
    return f"{mailbox[:1]}***@{domain}"


def mask_name(full_name: str) -> str:
    """Return the initials of a name: ``И. А. П.``; "" where there are none."""
    return " ".join(f"{word[0].upper()}." for word in _WORD.findall(full_name))
