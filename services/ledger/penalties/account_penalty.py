"""The penalty of an account by debt and segment: today, as of a past day, or as a forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from services.ledger.domain import Account, account_id
from services.ledger.domain.tenures import MovedMonths
from services.ledger.penalties.accrual import penalties
from services.ledger.penalties.calculator import ChargePenalty
from services.ledger.penalties.law import PenaltyLaw
from services.ledger.penalties.payment_matching import check_day
from services.ledger.tables.columns import UNKNOWN
from shared.cooperation import cooperatively
from shared.errors import NotFound
from shared.eventstore import Recorded, Session
from shared.money import Kopecks


def penalty(session: Session, number: str, on: date, law: PenaltyLaw) -> dict[str, Any]:
    """Return the penalty by the end of a day, and what is owed if all is paid on it.

    Of what had taken effect at the end of that day, without the months of the next holder; a later
    day is a forecast, by all that is known today. ``total`` is the penalty by the rules,
    ``accrued`` what is accrued by then, ``owed`` what is neither paid nor written off;
    ``principal`` is the debt that bears it. All in kopecks. Raises NotFound ``account_not_found``,
    ValidationFailed ``invalid_day``.
    """
    check_day(on)
    account = Account(account_id(number))
    history = session.history(account.id)
    for recorded in cooperatively(history):
        account.replay(recorded.event)
    if not account.version:
        raise NotFound(
            "account_not_found", "There is no such account in the ledger.", account=number
        )
    account.law = law
    moved = MovedMonths([recorded.event for recorded in history])
    account.facts = [fact for fact in account.facts if not moved.has(fact)]
    debts = [debt for debt in penalties(account, on, law) if debt.segments]
    settled = account.settlement(on)
    return {
        "number": number,
        "on": on.isoformat(),
        "rules": law.version,
        "principal": sum(sum(owed.values()) for owed in settled.open.values()),
        "total": sum(debt.total for debt in debts),
        "accrued": sum(one.amount for one in account.accruals if one.effective_on <= on),
        "owed": max(0, settled.penalty_owed(on)),
        "provisional": any(debt.provisional for debt in debts),
        "debts": [_debt(debt) for debt in debts],
    }


def penalties_due(
    session: Session, rows: Sequence[Mapping[str, Any]], on: date, law: PenaltyLaw
) -> dict[str, Kopecks]:
    """Return what accounts owe of penalty by the rules through a day: number -> kopecks.

    ``rows`` are those of the read model. Only accounts that may owe what is not accrued yet are
    replayed, by one query for all; those whose history has not changed since they were replayed for
    the same day are remembered.
    """
    due = dict[str, Kopecks]()
    replayed = list[str]()
    for row in rows:
        account = Account.from_row(account_id(row["number"]), row)
        if account.may_owe_penalty(on) or account.last_fact == UNKNOWN:
            replayed.append(row["number"])
        else:
            due[row["number"]] = row["penalty"]
    if replayed:
        histories = session.histories([account_id(number) for number in replayed])
        for number in cooperatively(replayed):
            due[number] = _due(histories.get(account_id(number), ()), on, law)
    return due


def _due(history: Sequence[Recorded], on: date, law: PenaltyLaw) -> Kopecks:
    """Return what an account owes of penalty by its history through a day."""
    if not history:
        return 0
    last = history[-1]
    # The last event, not the number of events alone: after a restore another history has as many.
    event = (last.originator_id, last.originator_version, last.position, last.command_id)
    known_by = (*event, last.recorded_at, on)
    if (known := law.remembered(known_by)) is not None:
        return known
    account = Account(last.originator_id)
    for recorded in cooperatively(history):
        account.replay(recorded.event)
    account.law = law
    return law.remember(known_by, account.penalty_due(on))


def _debt(debt: ChargePenalty) -> dict[str, Any]:
    return {
        "period": debt.period,
        "payer_kind": debt.payer,
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
