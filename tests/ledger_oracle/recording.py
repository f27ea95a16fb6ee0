"""Entries of a random account, recorded through the aggregate as the product does."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from services.ledger.domain import Account, account_id
from services.ledger.domain.events import ChargeLine, ServiceAmount
from services.ledger.penalties.accrual import accrue
from services.ledger.penalties.law import PenaltyLaw
from services.ledger.penalties.rules import load_rules
from shared.errors import Conflict
from tests.ledger_oracle.facts import Fact

NUMBER = "0100000001"
ID = account_id(NUMBER)
LAW = PenaltyLaw(load_rules(environ={}))
TODAY = date(2027, 6, 1)
"""The day on which all is recorded."""


class Recorder:
    """One account and what is recorded of it; ``events`` are all its events."""

    def __init__(self, number: str = NUMBER) -> None:
        self.number, self.account = number, Account(account_id(number))
        self.account.law, self.account.today = LAW, TODAY

    @property
    def events(self) -> list[Any]:
        return list(self.account.pending)

    def record(self, entry: Fact) -> bool:
        """Record an entry; return False for a penalty that is not owed and so not written off."""
        if entry.what == "write_off":
            try:
                self.account.write_off_penalty(entry.amount, entry.day, "an act")
            except Conflict as refused:
                if refused.code != "penalty_not_owed":
                    raise
                return False
            return True
        getattr(self, f"_{entry.what}")(entry)
        return True

    def accrue(self, on: date) -> None:
        """Accrue the penalty through a day."""
        accrue(self.account, on, LAW)

    def _open(self, entry: Fact) -> None:
        sums = _amounts(entry)
        if entry.name:
            self.account.post_opening(entry.day, sums, due_on=entry.due_on)
        else:
            self.account.open(self.number, entry.kind, entry.day, sums, due_on=entry.due_on)

    def _bill(self, entry: Fact) -> None:
        lines = [ChargeLine(name, name, sum_, sum_) for name, sum_ in entry.lines.items()]
        assert entry.due_on
        self.account.post_charges(entry.period, entry.day, entry.due_on, lines)

    def _adjust(self, entry: Fact) -> None:
        name, lines = UUID(entry.name), _amounts(entry)
        assert self.account.adjust_charges(
            name, entry.period, entry.day, lines, "an act", due_on=entry.due_on
        )

    def _pay(self, entry: Fact) -> None:
        # Where no penalty is named, one sum for all is the same.
        penalty = None if not entry.penalty and entry.name[0] in "01234567" else entry.penalty
        assert self.account.post_payment(
            UUID(entry.name), entry.day, entry.amount, penalty, first=entry.period or None
        )

    def _reverse(self, entry: Fact) -> None:
        assert self.account.reverse_payment(UUID(entry.name), entry.day, "refused")

    def _kind(self, entry: Fact) -> None:
        self.account.change_payer_kind(entry.kind, entry.day)

    def _accrue(self, entry: Fact) -> None:
        self.accrue(entry.day)


def _amounts(entry: Fact) -> list[ServiceAmount]:
    return [ServiceAmount(service, amount) for service, amount in entry.lines.items()]
