"""Stretching keyed digests of short codes with argon2id: slow to try even for who has the key.

All codes that are issued together share a salt, so that a code is tried with one hash, not ten.
"""

from __future__ import annotations

import re
import secrets
from base64 import b64decode, b64encode

from argon2.low_level import Type, hash_secret_raw

TIME_COST, MEMORY_COST = 2, 19_456
"""Of argon2id, as OWASP recommends: 19 MiB and two passes."""
_SALT_BYTES = 16
_LENGTH = 32
_RECIPE = re.compile(r"\$argon2id\$v=19\$m=([0-9]+),t=([0-9]+),p=1\$([A-Za-z0-9+/]+=*)")


def new_recipe(time_cost: int = TIME_COST, memory_cost: int = MEMORY_COST) -> str:
    """Return costs and a fresh salt, as argon2 writes them before a hash."""
    salt = b64encode(secrets.token_bytes(_SALT_BYTES)).decode()
    return f"$argon2id$v=19$m={memory_cost},t={time_cost},p=1${salt}"


def stretched(digest: bytes, recipe: str) -> bytes:
    """Return a digest stretched by a recipe of `new_recipe`; raises ValueError for another."""
    found = _RECIPE.fullmatch(recipe)
    if found is None:
        raise ValueError("this is no recipe of argon2id")
    memory_cost, time_cost, salt = found.groups()
    return hash_secret_raw(
        digest,
        b64decode(salt),
        time_cost=int(time_cost),
        memory_cost=int(memory_cost),
        parallelism=1,
        hash_len=_LENGTH,
        type=Type.ID,
    )
