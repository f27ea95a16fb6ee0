"""The settings that hold secrets: the master secret, and the key rings of principals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from shared.keys import GivenKeys, KeyFile, KeyRingError, parse_ring


def master_secret(env: Mapping[str, str]) -> bytes:
    """Return SALDO_SECRET, nothing without one; raises ValueError."""
    text = env.get("SALDO_SECRET", "")
    if not text:
        return b""
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        raise ValueError("SALDO_SECRET must be hexadecimal digits") from None
    if len(secret) < 32:
        raise ValueError("SALDO_SECRET must have at least 64 hexadecimal digits")
    return secret


def key_ring(env: Mapping[str, str], name: str) -> KeyFile | GivenKeys | None:
    """Return the key ring in a setting, or in the file that another one names; raises ValueError.

    None without either.
    """
    file, value = f"{name}_FILE", env.get(name)
    try:
        if path := env.get(file):
            name = file
            return KeyFile(Path(path))
        return GivenKeys(parse_ring(value)) if value else None
    except KeyRingError as error:
        raise ValueError(f"{name} {error}") from None
