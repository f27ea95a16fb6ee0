"""The debts of recorded events, in the shape of the calculator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from services.ledger.domain import Account, account_id
from services.ledger.penalties.payment_matching import Due, Part
from shared.payer_kinds import PayerKind


class SettledDebt(NamedTuple):
    """One debt, its parts by the day of payment, and the kind of payer whose rule applies."""

    payer: PayerKind
    due: Due
    parts: tuple[Part, ...]


def replayed(events: Sequence[Any]) -> Account:
    """Return an account with these events."""
    account = Account(account_id(events[0].account))
    for event in events:
        account.replay(event)
    return account


def debts(events: Sequence[Any]) -> list[SettledDebt]:
    """Return the debts of an account, oldest first, by the settlement of its facts."""
    found = []
    for debt in replayed(events).settlement().debts:
        parts = [Part(amount, day) for day, amount in debt.paid_by_day().items() if amount]
        if debt.unpaid:
            parts.append(Part(debt.unpaid))
        if parts:
            amount = sum(part.amount for part in parts)
            due = Due(amount, debt.period, debt.due_on, debt.effective_on)
            found.append(SettledDebt(debt.payer, due, tuple(parts)))
    return sorted(found, key=lambda one: (one.due.period, one.payer, one.due.due_on))
