"""What verbs print as JSON: one document, also of a verb that runs for each book of the ledger."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import msgspec

from shared.visible_text import visible_json

_kept: ContextVar[list[Any] | None] = ContextVar("saldo_kept_results", default=None)


def print_json(value: Any) -> None:
    """Print one line of JSON; within `keeping` it is kept instead."""
    kept = _kept.get()
    if kept is None:
        sys.stdout.write(json_text(value) + "\n")
    else:
        kept.append(value)


def json_text(value: Any) -> str:
    """Return a value as JSON, shapeless characters escaped."""
    return visible_json(msgspec.json.encode(value).decode())


@contextmanager
def keeping() -> Iterator[list[Any]]:
    """Yield a list, which gets what is printed within the block."""
    kept: list[Any] = []
    token = _kept.set(kept)
    try:
        yield kept
    finally:
        _kept.reset(token)
