"""Entries of a random account, recorded through the aggregate as the product does."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from services.ledger.domain import Account, account_id
from services.ledger.domain.events import ChargeLine, ServiceAmount
from services.ledger.penalties.accrual import accrue
from services.ledger.penalties.law import PenaltyLaw
from services.ledger.penalties.rules import load_rules
from shared.errors import Conflict
from shared.eventstore import NeedsHistoryError
from tests.ledger_oracle.facts import Fact

NUMBER = "0100000001"
ID = account_id(NUMBER)
LAW = PenaltyLaw(load_rules(environ={}))
TODAY = date(2027, 6, 1)
"""The day on which all is recorded."""
_REFUSED_FOR = {"write_off": "penalty_not_owed", "refund": "refund_too_large"}


class Recorder:
    """One account and what is recorded of it; ``events`` are all its events.

    ``from_row``: bills and payments are decided on its row of the read model, where that is enough.
    """

    def __init__(self, number: str = NUMBER, *, from_row: bool = False) -> None:
        self.number, self.account = number, _under_the_law(Account(account_id(number)))
        self._events: list[Any] = []
        self._from_row = from_row

    @property
    def events(self) -> list[Any]:
        return self._events

    def record(self, entry: Fact) -> bool:
        """Record an entry; return False for what is refused, since there is not so much of it.

        That is a penalty that is not owed and so not written off, and a refund of more than is left
        of its payment.
        """
        if entry.what in _REFUSED_FOR:
            try:
                getattr(self, f"_{entry.what}")(self.account, entry)
            except Conflict as refused:
                if refused.code != _REFUSED_FOR[entry.what]:
                    raise
                return False
        elif not self._recorded_from_row(entry):
            getattr(self, f"_{entry.what}")(self.account, entry)
        self._keep()
        return True

    def _recorded_from_row(self, entry: Fact) -> bool:
        if not self._from_row or entry.what not in ("bill", "pay"):
            return False
        row = msgspec.json.decode(msgspec.json.encode(self.account.snapshot()))
        at_hand = _under_the_law(Account.from_row(self.account.id, row))
        try:
            getattr(self, f"_{entry.what}")(at_hand, entry)
        except NeedsHistoryError:
            return False
        for event in at_hand.take_pending():
            self.account.replay(event)
            self._events.append(event)
        return True

    def _keep(self) -> None:
        self._events += self.account.take_pending()

    def accrue(self, on: date) -> None:
        """Accrue the penalty through a day."""
        accrue(self.account, on, LAW)
        self._keep()

    def _open(self, account: Account, entry: Fact) -> None:
        sums = _amounts(entry)
        if entry.name:
            account.post_opening(entry.day, sums, due_on=entry.due_on)
        else:
            account.open(self.number, entry.kind, entry.day, sums, due_on=entry.due_on)

    def _bill(self, account: Account, entry: Fact) -> None:
        lines = [ChargeLine(name, name, sum_, sum_) for name, sum_ in entry.lines.items()]
        assert entry.due_on
        account.post_charges(entry.period, entry.day, entry.due_on, lines)

    def _adjust(self, account: Account, entry: Fact) -> None:
        name, lines = UUID(entry.name), _amounts(entry)
        assert account.adjust_charges(
            name, entry.period, entry.day, lines, "an act", due_on=entry.due_on
        )

    def _pay(self, account: Account, entry: Fact) -> None:
        # Where no penalty is named, one sum for all is the same.
        penalty = None if not entry.penalty and entry.name[0] in "01234567" else entry.penalty
        assert account.post_payment(
            UUID(entry.name), entry.day, entry.amount, penalty, first=entry.period or None
        )

    def _reverse(self, account: Account, entry: Fact) -> None:
        name = UUID(entry.name)
        nothing_left = not account.left_of(name)
        assert account.reverse_payment(name, entry.day, "refused") is not nothing_left

    def _refund(self, account: Account, entry: Fact) -> None:
        payment = UUID(entry.payment)
        reversed_ = payment in account.reversed
        done = account.refund_payment(payment, UUID(entry.name), entry.amount, entry.day)
        assert done is not reversed_

    def _write_off(self, account: Account, entry: Fact) -> None:
        account.write_off_penalty(entry.amount, entry.day, "an act")

    def _kind(self, account: Account, entry: Fact) -> None:
        account.change_payer_kind(entry.kind, entry.day)

    def _accrue(self, account: Account, entry: Fact) -> None:
        accrue(account, entry.day, LAW)


def _under_the_law(account: Account) -> Account:
    account.law, account.today = LAW, TODAY
    return account


def _amounts(entry: Fact) -> list[ServiceAmount]:
    return [ServiceAmount(service, amount) for service, amount in entry.lines.items()]
