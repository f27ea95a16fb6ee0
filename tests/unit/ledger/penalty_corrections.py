"""A correction of the penalty, as an accrual run records it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from services.ledger.domain import Account
from services.ledger.domain.events import PenaltyCorrected, PenaltySegment
from shared.money import Kopecks


def correct_penalty(
    account: Account,
    amount: Kopecks,
    on: date,
    rule: str,
    reason: str,
    *,
    through: date,
    provisional: bool = False,
    segments: Sequence[PenaltySegment] = (),
) -> None:
    """Correct what is accrued by a signed sum: owed penalty first, then waived, then paid."""
    beyond = max(0, -amount - account.penalty)
    waived = min(beyond, account.penalty_waived)
    account.record(
        PenaltyCorrected(
            account=account.number,
            corrects=account.last_accrual,
            amount=amount,
            effective_on=max(on, account.penalty_changed_on),
            rule=rule,
            reason=reason,
            through=through,
            provisional=provisional,
            segments=tuple(segments),
            waived=waived,
            advance=beyond - waived,
        )
    )
