"""How an account stands: what is open, the penalty that is owed, the advance; and what moves it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from services.ledger.domain.allocation import AllocatedPart, allocate
from services.ledger.domain.events import (
    AccountOpened,
    ChargesAdjusted,
    ChargesPosted,
    OpeningPosted,
    PaymentPosted,
    PaymentRefunded,
    PaymentReversed,
    PenaltyAccrued,
    PenaltyCorrected,
    PenaltyWrittenOff,
)
from services.ledger.domain.order import OPENING_PERIOD
from shared.money import Kopecks


class Standing:
    """Open items (period -> service -> kopecks), the penalty owed, and the advance."""

    _short = False
    """Whether an item went below zero since the last check."""

    penalty: Kopecks = 0
    advance: Kopecks = 0

    def __init__(self) -> None:
        self.open_items: dict[str, dict[str, Kopecks]] = {}

    @classmethod
    def of(
        cls, open_items: Mapping[str, Mapping[str, Kopecks]], penalty: Kopecks, advance: Kopecks
    ) -> Standing:
        """Return a standing of its own with these figures."""
        standing = Standing()
        standing.open_items = {period: dict(owed) for period, owed in open_items.items()}
        standing.penalty, standing.advance = penalty, advance
        return standing

    def twin(self) -> Standing:
        """Return a copy, to try an event on."""
        return Standing.of(self.open_items, self.penalty, self.advance)

    @property
    def principal(self) -> Kopecks:
        """What is owed for services, without penalty; an advance is not taken off."""
        total = 0
        for owed in self.open_items.values():
            total += sum(owed.values())
        return total

    @property
    def stands_beside_a_debt(self) -> bool:
        """Whether there is an advance beside an open debt: by an old rule, or a damaged row."""
        return bool(self.advance and (self.open_items or self.penalty))

    def settle(self) -> Self:
        """Let an advance pay what is open, the oldest first, and then the penalty."""
        if self.penalty < 0:
            # Money for a penalty that nobody has accrued.
            self.advance -= self.penalty
            self.penalty = 0
        if self.advance and (self.open_items or self.penalty):
            parts, rest = allocate(self.open_items, self.advance)
            self._pay(parts)
            for_penalty = min(rest, self.penalty)
            self.penalty -= for_penalty
            self.advance = rest - for_penalty
        return self

    def moved_to(self, other: Standing) -> tuple[tuple[AllocatedPart, ...], Kopecks]:
        """Return what must be paid (or owed again, if negative) to stand as another does."""
        moved = []
        for period in sorted(self.open_items.keys() | other.open_items.keys()):
            mine, theirs = self.open_items.get(period, {}), other.open_items.get(period, {})
            for service in sorted(mine.keys() | theirs.keys()):
                amount = mine.get(service, 0) - theirs.get(service, 0)
                if amount:
                    moved.append(AllocatedPart(period, service, amount))
        return tuple(moved), self.penalty - other.penalty

    def book(self, event: Any) -> None:
        """Change the figures by one event. Raises ValueError where it pays what is not owed."""
        self.book_own(event)
        if event.moved or event.moved_penalty:
            self._move(event.moved or (), event.moved_penalty)
        elif self._short:
            self._check()

    def book_own(self, event: Any) -> None:
        """Change the figures by what an event names itself, without what it moves beside."""
        match event:
            case ChargesPosted():
                self._charge(event)
            case PaymentPosted():
                self.penalty -= event.penalty_allocated
                self.advance += event.advance
                self._pay(event.allocation)
            case PenaltyAccrued():
                self.penalty += event.amount
            case PenaltyCorrected():
                self.penalty += event.amount + event.waived + event.advance
                self.advance += event.advance
            case ChargesAdjusted():
                self._adjust(event)
            case PenaltyWrittenOff():
                self.penalty -= event.amount - event.advance
                self.advance += event.advance
            case PaymentReversed() | PaymentRefunded():
                self.penalty += event.penalty_restored
                self.advance -= event.advance_taken
                self._owe(event.restored)
                self._owe(event.reopened)
            case AccountOpened():
                self._take_over(event)
            case OpeningPosted():
                self._take_over(event)
                self._pay_by_advance(event.allocation)

    def _move(self, moved: Iterable[AllocatedPart], penalty: Kopecks) -> None:
        self.penalty -= penalty
        self.advance -= penalty
        for part in moved:
            self._change(part.period, part.service, -part.amount)
            self.advance -= part.amount
        self._check()

    def _take_over(self, event: AccountOpened | OpeningPosted) -> None:
        for item in event.opening:
            if item.amount > 0:
                self._change(OPENING_PERIOD, item.service, item.amount)
            else:
                self.advance -= item.amount

    def _charge(self, event: ChargesPosted) -> None:
        owed = {line.service: line.payable for line in event.lines if line.payable > 0}
        if owed:
            self.open_items[event.period] = owed
        if len(owed) < len(event.lines):
            for line in event.lines:
                if line.payable < 0:
                    # A recalculation that is more than the charge is money back.
                    self.advance -= line.payable
        if event.allocation:
            self._pay_by_advance(event.allocation)

    def _adjust(self, event: ChargesAdjusted) -> None:
        for line in event.lines:
            if line.amount > 0:
                self._change(event.period, line.service, line.amount)
        self._pay(event.released)
        self.advance += event.advance
        self._pay_by_advance(event.allocation)

    def _pay_by_advance(self, parts: Iterable[AllocatedPart]) -> None:
        self.advance -= sum([part.amount for part in parts])
        self._pay(parts)

    def _owe(self, parts: Iterable[AllocatedPart]) -> None:
        for part in parts:
            self._change(part.period, part.service, part.amount)

    def _pay(self, parts: Iterable[AllocatedPart]) -> None:
        open_items = self.open_items
        for part in parts:
            owed = open_items.get(part.period)
            left = (owed.get(part.service, 0) if owed else 0) - part.amount
            if owed is None or left < 0:
                self._change(part.period, part.service, -part.amount)
            elif left:
                owed[part.service] = left
            else:
                del owed[part.service]
                if not owed:
                    del open_items[part.period]

    def _change(self, period: str, service: str, amount: Kopecks) -> None:
        """Change an open item, perhaps below zero until the whole event is booked."""
        owed = self.open_items.setdefault(period, {})
        left = owed.pop(service, 0) + amount
        if left:
            owed[service] = left
            self._short = self._short or left < 0
        if not owed:
            del self.open_items[period]

    def _check(self) -> None:
        self._short = False
        for period, owed in self.open_items.items():
            for service, amount in owed.items():
                if amount < 0:
                    raise ValueError(f"more is paid of {service} of {period} than is owed")
