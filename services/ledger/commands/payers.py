"""The kinds of payers as staff read them."""

from __future__ import annotations

from services.language import text
from shared.payer_kinds import PayerKind


def payer(kind: str) -> str:
    """Return the name of a kind of payer; one that this code does not know, as it is."""
    names = {
        PayerKind.HOUSEHOLD: text("household"),
        PayerKind.CAPITAL_REPAIR: text("capital repair"),
        PayerKind.ORGANISATION: text("organisation"),
        PayerKind.MANAGING_COMPANY: text("managing company"),
    }
    return {str(each): name for each, name in names.items()}.get(kind, kind)
