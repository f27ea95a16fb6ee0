"""What an account owes by the end of a day, the penalty of that day included: for certificates."""

from __future__ import annotations

from datetime import date
from typing import Any

from services.ledger.reports.balances import balance
from shared.errors import ValidationFailed
from shared.eventstore import Session


def debt_on(session: Session, number: str, on: date) -> dict[str, Any]:
    """Return what is owed by the end of a day: ``owed`` is zero where nothing is.

    ``penalty`` is by the rules through that day, accrued or not. Today is by all that is known, as
    `balance` has it. Raises NotFound ``account_not_found``, ValidationFailed ``invalid_day`` for a
    day to come.
    """
    if on > session.today:
        raise ValidationFailed("invalid_day", "A certificate is of today or of a past day.")
    as_of = None if on == session.today else on.isoformat()
    found = balance(session, number, as_of, whole=False)
    return {
        "number": number,
        "on": on.isoformat(),
        "services": found["services"],
        "principal": found["principal"],
        "penalty": found["penalty_due"],
        "advance": found["advance"],
        "owed": max(0, found["principal"] + found["penalty_due"] - found["advance"]),
    }
