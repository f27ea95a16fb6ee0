"""The penalty of an account by debt and segment: today, as of a past day, or as a forecast."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from services.ledger.domain import Account, account_id
from services.ledger.domain.effective_order import in_effective_order
from services.ledger.domain.events import (
    AccountOpened,
    OpeningPosted,
    PenaltyAccrued,
    PenaltyCorrected,
)
from services.ledger.penalties.accrual import penalties
from services.ledger.penalties.calculator import ChargePenalty
from services.ledger.penalties.payment_matching import check_day
from services.ledger.penalties.rules import PenaltyRules
from shared.errors import NotFound, ServiceError
from shared.eventstore import Session
from shared.money import Kopecks

_TAKEN_OVER = (AccountOpened, OpeningPosted)


def penalty(session: Session, number: str, on: date, rules: PenaltyRules) -> dict[str, Any]:
    """Return the penalty by the end of a day, and what is owed if all is paid on it.

    A past day is as ``balance`` has it: by what had taken effect at its end. Today and later days
    are by all that is known.

    ``total`` is the penalty by the rules, ``accrued`` the part of it that is accrued, ``owed`` what
    is neither paid nor written off; ``principal`` is the debt that bears it. All in kopecks.
    Raises NotFound ``account_not_found``, ValidationFailed ``invalid_day``.
    """
    check_day(on)
    history = [recorded.event for recorded in session.history(account_id(number))]
    if not history:
        raise NotFound(
            "account_not_found", "There is no such account in the ledger.", account=number
        )
    account, known = Account(account_id(number)), history
    if on < session.today:
        known = effective_by(account.id, history, on)
    for event in known:
        account.replay(event)
    debts = [debt for debt in penalties(known, on, rules) if debt.segments]
    total = sum(debt.total for debt in debts)
    accrued = sum(_accrued(known))
    return {
        "number": number,
        "on": on.isoformat(),
        "rules": rules.version,
        "principal": account.principal,
        "total": total,
        "accrued": accrued,
        "owed": max(0, account.penalty + total - accrued),
        "provisional": any(debt.provisional for debt in debts),
        "debts": [_debt(debt) for debt in debts],
    }


def penalty_due(events: Sequence[Any], booked: Kopecks, on: date, rules: PenaltyRules) -> Kopecks:
    """Return the penalty that is owed by the rules through a day, in kopecks.

    ``booked`` is the penalty that is accrued, and neither paid nor written off. It is returned as
    it is where the rules do not cover the account: a run leaves such an account unchanged too.
    """
    try:
        check_day(on)
        total = sum(debt.total for debt in penalties(events, on, rules))
    except ServiceError:
        return booked
    return max(0, booked + total - sum(_accrued(events)))


def effective_by(id_: UUID, history: Sequence[Any], on: date) -> list[Any]:
    """Return the events that had taken effect by the end of a day, in the order of effect."""
    effective = [event for event in in_effective_order(id_, history) if event.effective_on <= on]
    return _with_its_own_opening(effective, history)


def _with_its_own_opening(effective: Sequence[Any], history: Sequence[Any]) -> list[Any]:
    """Return the events with the opening balance back on its own day, from which it is late.

    In effective order it takes effect with the first event, so that a balance of that day has it.
    """
    days = {type(event): event.effective_on for event in history if isinstance(event, _TAKEN_OVER)}
    return [
        msgspec.structs.replace(event, effective_on=days[type(event)])
        if isinstance(event, _TAKEN_OVER)
        else event
        for event in effective
    ]


def _accrued(history: Sequence[Any]) -> list[int]:
    return [
        event.amount for event in history if isinstance(event, PenaltyAccrued | PenaltyCorrected)
    ]


def _debt(debt: ChargePenalty) -> dict[str, Any]:
    return {
        "period": debt.period,
        "due_on": debt.due_on.isoformat(),
        "principal": debt.principal,
        "unpaid": debt.unpaid,
        "total": debt.total,
        "segments": [
            {
                "from": segment.first_day.isoformat(),
                "to": segment.last_day.isoformat(),
                "days": segment.days,
                "base": segment.base,
                "rate": None if segment.rate is None else str(segment.rate),
                "divisor": segment.divisor,
                "amount": segment.amount,
                "reason": segment.reason,
            }
            for segment in debt.segments
        ],
    }
