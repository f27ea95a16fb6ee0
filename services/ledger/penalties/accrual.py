"""Accrual of penalties: the penalty by the rules, less what has been accrued already.

Past accruals are never edited. If a payment came in since, or a debt was recalculated, a correction
changes what was accrued by the last day; a new accrual adds the days since then. Repeating it on
the same day has no effect.
"""

from __future__ import annotations

from datetime import date

from services.ledger.domain import Account
from services.ledger.domain.decision import BY_FACTS
from services.ledger.penalties.calculator import ChargePenalty
from services.ledger.penalties.law import PenaltyLaw
from shared.cooperation import cooperatively
from shared.money import Kopecks


def penalties(account: Account, on: date, law: PenaltyLaw) -> list[ChargePenalty]:
    """Return the penalty on each debt of an account by a day, which counts as a day of delay.

    For a future day it is the forecast: what is owed if everything is paid on that day. Raises
    ValidationFailed for days that the rules do not cover.
    """
    debts = account.settlement(on).debts
    explained = [law.explained(debt, on) for debt in cooperatively(debts)]
    return sorted(
        [penalty for penalty in explained if penalty.principal],
        key=lambda penalty: (penalty.period, penalty.due_on),
    )


def accrue(account: Account, on: date, law: PenaltyLaw) -> Kopecks:
    """Bring an account's penalty up to a day; return the signed change in kopecks.

    The account has its whole history. Triggers at most an accrual between two corrections, and lets
    an advance pay the debt beside which an earlier version left it; nothing when nothing has
    changed. Raises ValidationFailed for a debt that the rules do not cover.
    """
    account.law, account.today = law, account.today or on
    through, change = account.accrued_through, 0
    if through is None or on >= through:
        penalties(account, on, law)
        if through is not None and not _is_current(account, law):
            change = account.correct_accrued(through, on, BY_FACTS)
        change += account.add_accrual(on)
        last = date.fromisoformat(account.last_fact[:10])
        if last > on and account.settlement().penalty_by(last) < account.penalty_accrued:
            # A bill was lowered on a later day, which is known already.
            change += account.correct_accrued(last, last, BY_FACTS)
    return change


def _is_current(account: Account, law: PenaltyLaw) -> bool:
    """Return whether the last event is an accrual by these rules: nothing has changed since."""
    if account.last_accrual != account.version:
        return False
    last = account.accruals[-1]
    return last.rule == law.version and bool(last.segments)
