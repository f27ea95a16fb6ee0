"""Letters about payments: the receipt, failures, refunds, mismatches."""

from __future__ import annotations

from typing import Any

from services.notifications.application import ClaimedLetter
from services.notifications.recipes.frame import Asking, Draft, recipe, to_person
from shared.contracts.notifications import LetterKind


@recipe(LetterKind.PAYMENT_RECEIPT)
def payment_receipt(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the receipt; every line is in the ledger by then."""
    payment = _payment(asking, letter)
    if payment is None:
        return None
    facts = {
        "payment_id": letter.refs["payment_id"],
        "lines": payment["lines"],
        "total": payment["total"],
        "paid_at": payment["captured_at"],
        "masked_card": payment["masked_card"],
    }
    return to_person(asking, letter, facts)


@recipe(LetterKind.PAYMENT_FAILED)
def payment_failed(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return why a payment failed, and what to do next."""
    payment = _payment(asking, letter)
    if payment is None:
        return None
    facts = {
        "payment_id": letter.refs["payment_id"],
        "lines": payment["lines"],
        "total": payment["total"],
        "failure": letter.refs["failure"],
    }
    return to_person(asking, letter, facts)


@recipe(LetterKind.PAYMENT_REFUNDED)
def payment_refunded(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return what went back to the card, and from which accounts."""
    payment = _payment(asking, letter)
    if payment is None:
        return None
    names = ("payment_id", "lines", "total", "whole", "by_bank", "refunded_on")
    facts = {name: letter.refs[name] for name in names}
    return to_person(asking, letter, {**facts, "paid": payment["total"]})


@recipe(LetterKind.PAYMENT_MISMATCHED)
def payment_mismatched(asking: Asking, letter: ClaimedLetter) -> Draft | None:
    """Return the news that the bank reports another sum: what we do, and not to pay again."""
    facts = {
        "payment_id": letter.refs["payment_id"],
        "case": letter.refs["payment_id"][:8],
        "ordered": letter.refs["ordered"],
        "charged": letter.refs["charged"],
        "returns": asking.settings.payments_mismatch == "return",
    }
    return to_person(asking, letter, facts)


def _payment(asking: Asking, letter: ClaimedLetter) -> dict[str, Any] | None:
    return asking.ask(
        "payments",
        "payment",
        person_id=str(letter.person_id),
        payment_id=letter.refs["payment_id"],
        refresh=False,
    )
