"""The state of a personal account: the sum of its events, without decisions.

:mod:`services.ledger.domain.account` decides on it; replay, audit and read model are built on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Self
from uuid import UUID

from services.ledger.domain.allocation import AllocatedPart
from services.ledger.domain.events import (
    AccountOpened,
    ChargesAdjusted,
    ChargesPosted,
    OpeningPosted,
    PaymentPosted,
    PaymentReversed,
    PenaltyAccrued,
    PenaltyCorrected,
    PenaltyWrittenOff,
    ServiceAmount,
)
from shared.eventstore import Aggregate
from shared.money import Kopecks

OPENING_PERIOD = "0001-01"
"""The period of what was owed before the first bill here; it sorts before all others."""


class AccountState(Aggregate):
    """Open items by period and service, the penalty owed, the advance; all in kopecks.

    ``bills`` and ``payments`` find what a correction corrects: period or payment -> (version,
    event); a state rebuilt from a row of the read model (``from_row``) does not have them.
    ``due_dates`` has every period that was charged; that row keeps those of the open ones.
    """

    def __init__(self, id: UUID) -> None:  # noqa: A002
        super().__init__(id)
        self.number = ""
        self.payer_kind = ""
        # The opening balance as it was posted; unknown to a state from a row.
        self.opening: tuple[ServiceAmount, ...] = ()
        self.open_items: dict[str, dict[str, Kopecks]] = {}
        self.penalty: Kopecks = 0
        self.advance: Kopecks = 0
        self.charged_periods: set[str] = set()
        # The version of the bill that was posted last; 0: none.
        self.last_bill = 0
        self.due_dates: dict[str, date] = {}
        self.bills: dict[str, tuple[int, ChargesPosted]] = {}
        self.payments: dict[UUID, tuple[int, PaymentPosted]] = {}
        self.reversed: set[UUID] = set()
        self.adjustments: dict[UUID, ChargesAdjusted] = {}
        # The events that have moved money, in order: a reversal follows it (see reversal.py).
        self.moves: list[Any] = []
        self.last_accrual = 0
        self.penalty_changed_on = date.min
        self.penalty_accrued: Kopecks = 0
        self.penalty_waived: Kopecks = 0

    @property
    def principal(self) -> Kopecks:
        """What is owed for services, without penalty; an advance is not taken off."""
        return sum([sum(owed.values()) for owed in self.open_items.values()])

    def apply(self, event: Any) -> None:
        """Change the state by one event; the most frequent cases come first."""
        match event:
            case ChargesPosted():
                self._apply_charges(event)
            case PaymentPosted():
                self.payments[event.payment_id] = (self.version + 1, event)
                self.moves.append(event)
                self.penalty -= event.penalty_allocated
                self.advance += event.advance
                self._allocate(event.allocation)
            case PenaltyAccrued():
                self.penalty += event.amount
                self._note_accrual(event)
            case PenaltyCorrected():
                self.penalty += event.amount + event.waived + event.advance
                self.penalty_waived -= event.waived
                self.advance += event.advance
                self.moves.append(event)
                self._note_accrual(event)
            case ChargesAdjusted():
                self._apply_adjustment(event)
            case PenaltyWrittenOff():
                self.penalty -= event.amount - event.advance
                self.penalty_waived += event.amount
                self.penalty_changed_on = max(self.penalty_changed_on, event.effective_on)
                self.advance += event.advance
                self.moves.append(event)
            case PaymentReversed():
                self._apply_reversal(event)
            case AccountOpened():
                self.number, self.payer_kind = event.account, event.payer_kind
                self._apply_opening(event)
            case OpeningPosted():
                self._apply_opening(event)
                if event.allocation:
                    self._allocate_advance(event)
            case _:
                raise TypeError(f"not an event of an account: {type(event).__name__}")

    def billed(self, period: str) -> dict[str, Kopecks]:
        """Return what a month's bill comes to by service, its recalculations included."""
        sums = {line.service: max(0, line.payable) for line in self.bills[period][1].lines}
        for adjustment in self.adjustments.values():
            if adjustment.period == period:
                for line in adjustment.lines:
                    # What is taken off beyond the bill is money back: a bill is never negative.
                    sums[line.service] = max(0, sums.get(line.service, 0) + line.amount)
        return sums

    def snapshot(self) -> dict[str, Any]:
        """Return the columns of its row in the read model: enough to decide on the next command."""
        return {
            "number": self.number,
            "payer_kind": self.payer_kind,
            "version": self.version,
            "last_bill": self.last_bill,
            "principal": self.principal,
            "penalty": self.penalty,
            "advance": self.advance,
            "open_items": self.open_items,
            "due_dates": {
                period: self.due_dates[period].isoformat() for period in sorted(self.open_items)
            },
            "charged_periods": sorted(self.charged_periods),
        }

    @classmethod
    def from_row(cls, id: UUID, row: Mapping[str, Any]) -> Self:  # noqa: A002
        """Return the account that a row of the read model describes (see ``snapshot``)."""
        derived = ("account_id", "principal")
        return cls.from_values(id, **{n: value for n, value in row.items() if n not in derived})

    @classmethod
    def from_values(
        cls,
        id: UUID,  # noqa: A002
        number: str,
        payer_kind: str,
        version: int,
        last_bill: int,
        penalty: Kopecks,
        advance: Kopecks,
        open_items: dict[str, dict[str, Kopecks]],
        due_dates: dict[str, str],
        charged_periods: Sequence[str],
    ) -> Self:
        """Return an account by the columns of its row, without ``principal``, in their order."""
        account = cls(id)
        account.number = number
        account.payer_kind = payer_kind
        account.version = version
        account.last_bill = last_bill
        account.penalty = penalty
        account.advance = advance
        account.open_items = open_items
        if due_dates:
            account.due_dates = {
                period: date.fromisoformat(due_on) for period, due_on in due_dates.items()
            }
        account.charged_periods = set(charged_periods)
        return account

    def _apply_opening(self, event: AccountOpened | OpeningPosted) -> None:
        self.opening = self.opening or event.opening
        if owed := {item.service: item.amount for item in event.opening if item.amount > 0}:
            self.open_items[OPENING_PERIOD] = owed
        # What was taken over was owed already: it is overdue from the next day on.
        self.due_dates[OPENING_PERIOD] = event.effective_on
        self.advance -= sum(item.amount for item in event.opening if item.amount < 0)

    def _apply_charges(self, event: ChargesPosted) -> None:
        self.charged_periods.add(event.period)
        self.due_dates[event.period] = event.due_on
        self.last_bill = self.version + 1
        self.bills[event.period] = (self.last_bill, event)
        owed = self.open_items.setdefault(event.period, {})
        for line in event.lines:
            if line.payable > 0:
                owed[line.service] = line.payable
            elif line.payable < 0:
                # A recalculation that is more than the charge is money back: an advance.
                self.advance -= line.payable
        if event.allocation:
            self._allocate_advance(event)
        elif not owed:
            del self.open_items[event.period]

    def _apply_adjustment(self, event: ChargesAdjusted) -> None:
        self.adjustments[event.adjustment_id] = event
        self._restore(
            AllocatedPart(event.period, line.service, line.amount)
            for line in event.lines
            if line.amount > 0
        )
        self._allocate(event.released)
        self.advance += event.advance
        self._allocate_advance(event)

    def _apply_reversal(self, event: PaymentReversed) -> None:
        self.reversed.add(event.payment_id)
        self.penalty += event.penalty_restored
        self.advance -= event.advance_taken
        self._restore(event.restored)
        self._restore(event.reopened)
        self.moves.append(event)

    def _allocate_advance(self, event: ChargesPosted | ChargesAdjusted | OpeningPosted) -> None:
        self.advance -= sum(part.amount for part in event.allocation)
        self._allocate(event.allocation)
        self.moves.append(event)

    def _allocate(self, parts: Sequence[AllocatedPart]) -> None:
        open_items = self.open_items
        for part in parts:
            owed = open_items[part.period]
            left = owed[part.service] - part.amount
            if left:
                owed[part.service] = left
            else:
                del owed[part.service]
                if not owed:
                    del open_items[part.period]

    def _restore(self, parts: Any) -> None:
        for part in parts:
            owed = self.open_items.setdefault(part.period, {})
            owed[part.service] = owed.get(part.service, 0) + part.amount

    def _note_accrual(self, event: PenaltyAccrued | PenaltyCorrected) -> None:
        self.penalty_accrued += event.amount
        self.penalty_changed_on = max(self.penalty_changed_on, event.effective_on)
        self.last_accrual = self.version + 1
