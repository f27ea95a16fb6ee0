"""Identifiers: random ones for what is new, derived ones for what must be found again."""

from __future__ import annotations

from uuid import UUID, uuid4, uuid5

NAMESPACE = UUID("5a1d0000-0000-4000-8000-000000005a1d")
"""The root of all derived ids of an installation; it never changes."""


def new_id() -> UUID:
    """Answer a random id (UUIDv4)."""
    return uuid4()


def derived_id(namespace: UUID, *parts: str) -> UUID:
    """Answer the id (UUIDv5) that the same namespace and parts always give.

    The parts are joined by a unit separator, so ``("ab", "c")`` and ``("a", "bc")`` differ.
    """
    return uuid5(namespace, "\x1f".join(parts))
