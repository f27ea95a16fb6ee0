"""What a command would do to accounts: their sums before and after it, and the differences.

The command is made on accounts that were loaded for it, and are thrown away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from services.ledger.domain import Account
from shared.cooperation import cooperatively
from shared.eventstore import Event
from shared.money import Kopecks

SUMS = ("principal", "penalty_due", "penalty", "advance")
"""What is due of penalty goes by the rules, through today; ``penalty`` is what is accrued of it."""


def replayed(id: UUID, events: Iterable[Event]) -> Account:
    """Return the account that has had these events."""
    account = Account(id)
    for event in cooperatively(events):
        account.replay(event)
    return account


def sums_of(account: Account) -> dict[str, Any]:
    """Return the sums that a command may change, with the number of their account."""
    today = account.today
    return {
        "number": account.number,
        "principal": account.principal,
        "penalty": account.penalty,
        "penalty_due": account.penalty if today is None else account.penalty_due(today),
        "advance": account.advance,
    }


def changes(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the sums of the same accounts ``before``, after (``accounts``), and ``difference``."""
    return {
        "before": list(before),
        "accounts": list(after),
        "difference": [
            {"number": old["number"], **{name: new[name] - old[name] for name in SUMS}}
            for old, new in zip(before, after, strict=True)
        ],
    }


def changed_lines(before: Account, after: Account, period: str) -> list[dict[str, Any]]:
    """Return the lines of a month's bill that differ, recalculations included."""
    old, new = _billed(before, period), _billed(after, period)
    return [
        {
            "account": after.number,
            "period": period,
            "service": service,
            "before": old.get(service, 0),
            "after": new.get(service, 0),
            "difference": new.get(service, 0) - old.get(service, 0),
        }
        for service in sorted(old.keys() | new.keys())
        if old.get(service, 0) != new.get(service, 0)
    ]


def _billed(account: Account, period: str) -> Mapping[str, Kopecks]:
    """Return what a month comes to by service; a line is negative where more was taken off."""
    sums: dict[str, Kopecks] = {}
    lines = [(line.service, line.payable) for line in account.bills[period][1].lines]
    for adjustment in account.adjustments.values():
        if adjustment.period == period:
            lines += [(line.service, line.amount) for line in adjustment.lines]
    for service, amount in lines:
        sums[service] = sums.get(service, 0) + amount
    return sums
