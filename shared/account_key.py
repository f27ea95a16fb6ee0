"""The key of an account within the services: its number and, from the second on, its tenure.

A number may have several holders, one after the other; the time of each is a tenure. The first has
the number as its key, a later one its ordinal beside it: ``0100000001``, ``0100000001-2``. Keys
never leave the services: people, addresses, papers and bank files know the number alone.
"""

from __future__ import annotations

from typing import Final

FIRST: Final = 1
"""The ordinal of a number's first tenure."""
PATTERN: Final = r"[0-9]{1,20}(?:-(?:[2-9]|[1-9][0-9]{1,3}))?"
"""What a key looks like, whole; a number is one, too."""


def key_of(number: str, tenure: int) -> str:
    """Return the key of a number's tenure. Raises ValueError for what is no ordinal."""
    if not FIRST <= tenure <= 9_999:
        raise ValueError(f"{tenure} is no ordinal of a tenure")
    return number if tenure == FIRST else f"{number}-{tenure}"


def number_of(key: str) -> str:
    """Return the number of an account's key; a number is its own."""
    return key.partition("-")[0]


def tenure_of(key: str) -> int:
    """Return the ordinal of an account's key; that of a number is 1."""
    return int(key.partition("-")[2] or FIRST)
