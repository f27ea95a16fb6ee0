"""The debts of an account for the penalty: what was due when, and when it was paid.

An account's events become debt slices: a sum of one service and period with one due date, cut into
parts by the days on which they were paid. Corrections apply here too: a reversed payment leaves its
parts unpaid, as if it had never been; a recalculation in the payer's favour lowers the debt from
its beginning; one against him is late only from the day after it took effect.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from services.ledger.domain.allocation import AllocatedPart
from services.ledger.domain.events import (
    AccountOpened,
    ChargesAdjusted,
    ChargesPosted,
    OpeningPosted,
    PaymentPosted,
    PaymentReversed,
)
from services.ledger.domain.state import OPENING_PERIOD
from services.ledger.penalties.payment_matching import Due, Part
from shared.contracts.accounts import PayerKind
from shared.money import Kopecks

CAPITAL_REPAIR = "capital_repair"
"""The code of the service whose penalty has a rule of its own (ЖК РФ ст. 155 ч. 14.1)."""


@dataclass(slots=True)
class _Paid:
    """A part that was paid; ``payment`` is None where an advance has paid it."""

    amount: Kopecks
    on: date
    payment: UUID | None


@dataclass(slots=True)
class _DebtSlice:
    """One service of one period with one due date; ``unpaid`` and the paid parts are its sum."""

    unpaid: Kopecks
    paid: list[_Paid]


@dataclass(frozen=True, slots=True)
class Debt:
    """The calculator's input: one debt, its parts, and the kind of payer whose rule applies."""

    payer: PayerKind
    due: Due
    parts: tuple[Part, ...]


def debts(events: Iterable[Any]) -> list[Debt]:
    """Return the debts of an account from its events, oldest first.

    The services of a period are one debt, capital repair apart.
    """
    book = _Book()
    for event in events:
        book.add(event)
    return list(book.debts())


class _Book:
    def __init__(self) -> None:
        self.payer_kind = PayerKind.HOUSEHOLD
        self.slices: defaultdict[tuple[str, str], list[_DebtSlice]] = defaultdict(list)
        self.joined: defaultdict[tuple[str, PayerKind, date, date], list[_DebtSlice]] = defaultdict(
            list
        )
        self.due_on: dict[str, date] = {}

    def add(self, event: Any) -> None:
        match event:
            case AccountOpened():
                self.payer_kind = PayerKind(event.payer_kind)
                self._take_over(event)
            case OpeningPosted():
                self._take_over(event)
                self._pay(event.allocation, event.effective_on, None)
            case ChargesPosted():
                self.due_on[event.period] = event.due_on
                owed = [(line.service, line.payable) for line in event.lines]
                self._owe(event.period, event.due_on, event.effective_on, owed)
                self._pay(event.allocation, event.effective_on, None)
            case ChargesAdjusted():
                self._adjust(event)
            case PaymentPosted():
                self._pay(event.allocation, event.effective_on, event.payment_id)
            case PaymentReversed():
                self._unpay(event.restored, event.payment_id)
                self._unpay(event.reopened, None)

    def debts(self) -> Iterator[Debt]:
        """Join the services of a period that fall due and take effect on the same days."""
        for (period, payer, due_on, effective_on), slices in sorted(self.joined.items()):
            parts = _parts(slices)
            if parts:
                amount = sum([part.amount for part in parts])
                yield Debt(payer, Due(amount, period, due_on, effective_on), parts)

    def _take_over(self, event: AccountOpened | OpeningPosted) -> None:
        owed = [(item.service, item.amount) for item in event.opening]
        self._owe(OPENING_PERIOD, event.effective_on, event.effective_on, owed)

    def _owe(
        self, period: str, due_on: date, effective_on: date, owed: Iterable[tuple[str, Kopecks]]
    ) -> None:
        joined: dict[PayerKind, list[_DebtSlice]] = {}
        for service, amount in owed:
            if amount > 0:
                # ч. 14.1 is about every owner of premises, a person or an organisation.
                is_repair = service == CAPITAL_REPAIR
                payer = PayerKind.CAPITAL_REPAIR if is_repair else self.payer_kind
                if payer not in joined:
                    joined[payer] = self.joined[period, payer, due_on, effective_on]
                debt = _DebtSlice(amount, [])
                joined[payer].append(debt)
                self.slices[period, service].append(debt)

    def _pay(self, parts: Sequence[AllocatedPart], on: date, payment: UUID | None) -> None:
        for part in parts:
            left = part.amount
            for debt in self.slices[part.period, part.service]:
                take = min(left, debt.unpaid)
                if take:
                    debt.unpaid -= take
                    debt.paid.append(_Paid(take, on, payment))
                    left -= take

    def _unpay(self, parts: Sequence[AllocatedPart], payment: UUID | None) -> None:
        for part in parts:
            left = part.amount
            slices = self.slices[part.period, part.service]
            for debt in reversed(slices):
                left -= _take_back(debt, left, payment, to_unpaid=True)
            for debt in reversed(slices):
                # A recalculation may have given back the part of another payment here than on the
                # account; what the account owes again is owed here too.
                for payer in [paid.payment for paid in reversed(debt.paid)]:
                    left -= _take_back(debt, left, payer, to_unpaid=True)

    def _adjust(self, event: ChargesAdjusted) -> None:
        due_on = self.due_on.get(event.period, event.effective_on)
        owed = [(line.service, line.amount) for line in event.lines]
        self._owe(event.period, due_on, event.effective_on, owed)
        for part in event.released:
            left = part.amount
            for debt in reversed(self.slices[part.period, part.service]):
                take = min(left, debt.unpaid)
                debt.unpaid -= take
                left -= take
        self._give_back_paid(event)
        self._pay(event.allocation, event.effective_on, None)

    def _give_back_paid(self, event: ChargesAdjusted) -> None:
        released = {part.service: part.amount for part in event.released}
        for line in event.lines:
            left = max(0, -line.amount - released.get(line.service, 0))
            for debt in reversed(self.slices[event.period, line.service]):
                while left and debt.paid:
                    left -= _take_back(debt, left, debt.paid[-1].payment, to_unpaid=False)


def _take_back(
    debt: _DebtSlice, amount: Kopecks, payment: UUID | None, *, to_unpaid: bool
) -> Kopecks:
    """Take parts paid by a payment (None: by an advance) out of a slice, the last first."""
    taken = 0
    for paid in reversed(list(debt.paid)):
        if paid.payment != payment or taken == amount:
            continue
        take = min(amount - taken, paid.amount)
        paid.amount -= take
        taken += take
        if not paid.amount:
            debt.paid.remove(paid)
    if to_unpaid:
        debt.unpaid += taken
    return taken


def _parts(slices: Iterable[_DebtSlice]) -> tuple[Part, ...]:
    """Return the parts by day of payment, in order, and then what is unpaid."""
    unpaid, by_day = 0, dict[date, Kopecks]()
    for debt in slices:
        unpaid += debt.unpaid
        for paid in debt.paid:
            by_day[paid.on] = by_day.get(paid.on, 0) + paid.amount
    parts = [Part(amount, on) for on, amount in sorted(by_day.items()) if amount]
    if unpaid:
        parts.append(Part(unpaid))
    return tuple(parts)
