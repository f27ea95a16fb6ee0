"""Accrual of penalties: the penalty by the rules, less what has been accrued already.

Past accruals are never edited. If a payment came in since, or a debt was recalculated, a correction
changes what was accrued by the last day; a new accrual adds the days since then. Repeating it on
the same day has no effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from services.ledger.domain import Account
from services.ledger.domain.events import PenaltyAccrued, PenaltyCorrected, PenaltySegment
from services.ledger.penalties.calculator import ChargePenalty, penalty_on
from services.ledger.penalties.debts import Debt, debts
from services.ledger.penalties.rules import PenaltyRules
from shared.money import Kopecks

BY_PAYMENT = "a payment or a recalculation since then"


def penalties(events: Sequence[Any], on: date, rules: PenaltyRules) -> list[ChargePenalty]:
    """Return the penalty on each debt of an account by a day, which counts as a day of delay.

    For a future day it is the forecast: what is owed if everything is paid on that day.
    """
    return _on_each(debts(events), on, rules)


def accrue(account: Account, events: Sequence[Any], on: date, rules: PenaltyRules) -> Kopecks:
    """Bring an account's penalty up to a day; return the signed change in kopecks.

    ``events`` are the account's own, as the log holds them. Triggers at most a correction and an
    accrual; nothing when nothing has changed.
    """
    calculated, through = _calculated(events)
    if through is not None and on < through:
        return 0
    owed, change = debts(events), 0
    if through is not None and not _is_current(events, rules):
        until_then = _on_each(owed, through, rules)
        change = sum([penalty.total for penalty in until_then]) - calculated
        if change:
            _correct(account, change, until_then, through, on, rules)
    now = _on_each(owed, on, rules)
    added = sum([penalty.total for penalty in now]) - calculated - change
    if added > 0:
        account.accrue_penalty(
            added,
            on,
            rules.version,
            through=on,
            provisional=any(penalty.provisional for penalty in now),
            segments=_segments(now),
        )
    elif added < 0:
        # The rate of the day of payment is lower than the one assumed before.
        _correct(account, added, now, on, on, rules)
    return change + added


def _on_each(owed: Sequence[Debt], on: date, rules: PenaltyRules) -> list[ChargePenalty]:
    return [penalty_on(debt.due, debt.parts, debt.payer, on, rules) for debt in owed]


def _is_current(events: Sequence[Any], rules: PenaltyRules) -> bool:
    """Return whether the last event is an accrual by these very rules.

    Then what was accrued by its day is the penalty by that day: nothing to calculate.
    """
    last = events[-1]
    return (
        isinstance(last, PenaltyAccrued | PenaltyCorrected)
        and last.rule == rules.version
        and bool(last.segments)
    )


def _correct(
    account: Account,
    amount: Kopecks,
    calculated: Sequence[ChargePenalty],
    through: date,
    on: date,
    rules: PenaltyRules,
) -> None:
    account.correct_penalty(
        amount,
        on,
        rules.version,
        BY_PAYMENT,
        through=through,
        provisional=any(penalty.provisional for penalty in calculated),
        segments=_segments(calculated),
    )


def _calculated(events: Sequence[Any]) -> tuple[Kopecks, date | None]:
    """Return what has been accrued so far, and through which day.

    A penalty that a billing centre accrued counts too: nobody is charged for the same days twice,
    and a correction follows where its figure differs from the rules.
    """
    total, through = 0, None
    for event in events:
        if isinstance(event, PenaltyAccrued | PenaltyCorrected):
            total += event.amount
            through = event.through if through is None else max(through, event.through)
    return total, through


def _segments(calculated: Sequence[ChargePenalty]) -> tuple[PenaltySegment, ...]:
    return tuple(
        PenaltySegment(
            period=penalty.period,
            first_day=segment.first_day,
            last_day=segment.last_day,
            days=segment.days,
            base=segment.base,
            rate=str(segment.rate),
            divisor=segment.divisor,
            amount=segment.amount,
        )
        for penalty in calculated
        for segment in penalty.segments
        if segment.divisor is not None and segment.amount
    )
