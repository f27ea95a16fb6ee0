"""What accounts answers of the access that a person has to accounts."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

OPEN = {"role": "owner", "since": None, "until": None, "state": "open"}
"""The owner of an account that is open."""


def access(number: str, **changes: Any) -> dict[str, Any]:
    """Return the access of an owner of the first tenure, or another one."""
    return {"number": number, "account": number, **OPEN, **changes}


def owns(*numbers: str, foreign: Collection[str] = ()) -> dict[str, Any]:
    """Return the answer of `owns` for the owner of these numbers."""
    found = {number: access(number) for number in numbers}
    return {"owned": list(numbers), "foreign": list(foreign), "access": found}


def owned_of(numbers: Collection[str], *own: str) -> dict[str, Any]:
    """Return the answer of `owns` that was asked for some numbers by the owner of others."""
    mine = [number for number in numbers if number in own]
    return owns(*mine, foreign=[number for number in numbers if number not in own])
