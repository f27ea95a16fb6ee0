"""What the operator of the ledger has chosen where the law leaves a choice, for staff to read."""

from __future__ import annotations

from typing import Any

from services.ledger.days import day_limits
from services.ledger.domain.allocation import DEFAULT_POLICY
from services.ledger.penalties.law import law_in_force
from services.ledger.penalties.rules import RecalculationDue
from services.ledger.penalties.schedule import read_schedule

_RECALCULATION = {
    RecalculationDue.MONTH_POSTED: "with the bill of the month in which it takes effect",
    RecalculationDue.OWN_BILL: "with the bill that it corrects",
}


def policy(accruals: str) -> dict[str, Any]:
    """Return ``{choices: [{name, value, meaning, set_by}]}``; ``accruals`` is the schedule."""
    rules, days = law_in_force().rules, day_limits()
    choices = [
        (
            "penalty_rules",
            rules.version,
            "the dated rules of penalties",
            "SALDO_LEDGER_PENALTY_RULES",
        ),
        (
            "recalculation_due",
            rules.recalculation_due.value,
            f"what a recalculation adds falls due {_RECALCULATION[rules.recalculation_due]}",
            "recalculation_due in the penalty rules",
        ),
        (
            "opening_due",
            "due_on",
            "an opening debt is late after its due_on; without one, after its own day",
            "due_on in the file of opening balances",
        ),
        (
            "accruals",
            read_schedule(accruals).name,
            "when penalties are accrued",
            "SALDO_LEDGER_ACCRUALS",
        ),
        (
            "allocation",
            DEFAULT_POLICY.name,
            "which debt money pays: the month named, then the oldest; pro rata by service",
            "domain/allocation.py",
        ),
        (
            "days_back",
            str(days.back),
            "days back that a payment or a bill may take effect",
            "SALDO_LEDGER_DAYS_BACK",
        ),
        (
            "days_ahead",
            str(days.ahead),
            "days ahead that a bill may take effect, or be due",
            "SALDO_LEDGER_DAYS_AHEAD",
        ),
    ]
    names = ("name", "value", "meaning", "set_by")
    return {"choices": [dict(zip(names, choice, strict=True)) for choice in choices]}
