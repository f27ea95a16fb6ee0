"""Months as staff read them; what was owed when an account was taken over has a name."""

from __future__ import annotations

from services.language import text
from services.ledger.domain import OPENING_PERIOD


def month(period: str) -> str:
    """Return a month as staff write it (2026-10), the opening debt by its name."""
    return text("opening debt") if period == OPENING_PERIOD else period
