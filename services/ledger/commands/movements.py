"""What a movement of an account is, in the language of the output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.language import text
from services.ledger.commands.periods import month
from services.ledger.domain.decision import BY_FACTS, BY_LATER_ENTRY


def description(movement: Mapping[str, Any]) -> str:
    """Return what a movement is: its month, its reason, its document."""
    kind = movement["kind"]
    if kind == "payment":
        return _payment(movement["taken"] or {})
    names = {
        "opening": text("Opening debt"),
        "charges": text("Charges"),
        "adjustment": text("Recalculation"),
        "penalty": text("Penalty"),
        "penalty_correction": text("Correction of the penalty"),
        "penalty_write_off": text("Write-off of penalty"),
        "payment_reversal": text("Reversal of a payment"),
        "payment_refund": text("Refund of a payment"),
        "payment_moved_here": text("Payment moved from another account"),
        "payment_moved_away": text("Payment moved to another account"),
        "payer_kind": text("Change of the payer's kind"),
        "advance_settled": text("Advance settled"),
        "closed": text("Account closed"),
    }
    if kind not in names:
        return str(movement["text"])
    name, period, reason = names[kind], movement["period"], movement["reason"]
    if movement["other_account"]:
        name = f"{name}, {movement['other_account']}"
    if period:
        name = text("{what} for {month}", what=name, month=month(period))
    return f"{name}: {_reason(reason)}" if reason else name


def _reason(reason: str) -> str:
    """Return a reason as it was given; one of the ledger's own in the language of the output."""
    own = {
        BY_FACTS: text("a payment or a recalculation since then"),
        BY_LATER_ENTRY: text("an entry recorded after its day"),
    }
    return own.get(reason, reason)


def _payment(taken: Mapping[str, str]) -> str:
    names = {
        "": text("Payment"),
        "cash_desk": text("Payment at a cash desk"),
        "bank": text("Payment in a bank"),
    }
    document = taken.get("document")
    return names[taken.get("place", "")] + (f", № {document}" if document else "")


def with_payment(what: str, movement: Mapping[str, Any]) -> str:
    """Return a description with the id of its payment below it, which `reverse` asks for."""
    return f"{what}\n{movement['payment_id']}" if movement["payment_id"] else what
