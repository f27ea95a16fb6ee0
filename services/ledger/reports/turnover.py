"""The turnover report («оборотно-сальдовая ведомость», ОСВ) between two days.

For each service: closing = opening + charged + recalculated - concession - paid; penalty and
advance have rows of their own. Each account is added in effective order
(:mod:`services.ledger.domain.effective_order`), so later events never change the figures of past
days, and the closing of one report is the opening of the next. The opening of an account counts
as the report's opening, also when the account was opened between the two days.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Any

import msgspec

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
from shared.money import Kopecks

PENALTY = "penalty"
ADVANCE = "advance"


class Row(msgspec.Struct):
    """A row of the report, in kopecks; ``paid`` includes payments from advances."""

    opening: Kopecks = 0
    charged: Kopecks = 0
    recalculated: Kopecks = 0
    concession: Kopecks = 0
    penalty: Kopecks = 0
    paid: Kopecks = 0

    @property
    def closing(self) -> Kopecks:
        """Return what is owed at the end of the last day."""
        return (
            self.opening
            + self.charged
            + self.recalculated
            - self.concession
            + self.penalty
            - self.paid
        )

    def as_dict(self) -> dict[str, Kopecks]:
        """Return the columns, the closing one last."""
        return {**msgspec.structs.asdict(self), "closing": self.closing}


class Turnover:
    """Sums events into rows by service; ``penalty`` and ``advance`` are rows of their own."""

    def __init__(self, first_day: date, last_day: date) -> None:
        self._first, self._last = first_day, last_day
        self.rows: defaultdict[str, Row] = defaultdict(Row)

    def add(self, events: Iterable[Any]) -> None:
        """Add the events of one account by the last day; ``events`` are in effective order."""
        for event in events:
            if event.effective_on > self._last:
                break
            self._add(event)

    def _add(self, event: Any) -> None:
        before = event.effective_on < self._first or isinstance(
            event, AccountOpened | OpeningPosted
        )
        for service, column, amount in (*_movements(event), *_moved(event)):
            row = self.rows[service]
            if before:
                row.opening += -amount if column in ("concession", "paid") else amount
            else:
                setattr(row, column, getattr(row, column) + amount)


def _movements(event: Any) -> Iterable[tuple[str, str, Kopecks]]:  # noqa: PLR0912 - one branch per event
    """Yield (service, column, kopecks) of an event; an advance is a negative debt."""
    match event:
        case AccountOpened() | OpeningPosted():
            for item in event.opening:
                yield (item.service if item.amount > 0 else ADVANCE), "charged", item.amount
            if isinstance(event, OpeningPosted):
                yield from _paid_from_advance(event.allocation)
        case ChargesPosted():
            for line in event.lines:
                yield line.service, "charged", line.charged
                yield line.service, "recalculated", line.recalculation
                yield line.service, "concession", line.concession
                if line.payable < 0:
                    # A refund becomes an advance at once: nothing is owed for the service.
                    yield line.service, "paid", line.payable
                    yield ADVANCE, "paid", -line.payable
            yield from _paid_from_advance(event.allocation)
        case ChargesAdjusted():
            for item in event.lines:
                yield item.service, "recalculated", item.amount
            yield from _given_back(event)
            yield from _paid_from_advance(event.allocation)
        case PaymentPosted():
            yield from (((part.service, "paid", part.amount)) for part in event.allocation)
            yield PENALTY, "paid", event.penalty_allocated
            yield ADVANCE, "paid", event.advance
        case PaymentReversed() | PaymentRefunded():
            for part in (*event.restored, *event.reopened):
                yield part.service, "paid", -part.amount
            yield PENALTY, "paid", -event.penalty_restored
            yield ADVANCE, "paid", -event.advance_taken
        case PenaltyAccrued():
            yield PENALTY, "penalty", event.amount
        case PenaltyCorrected():
            yield PENALTY, "penalty", event.amount + event.waived
            yield PENALTY, "paid", -event.advance
            yield ADVANCE, "paid", event.advance
        case PenaltyWrittenOff():
            yield PENALTY, "penalty", -event.amount
            yield PENALTY, "paid", -event.advance
            yield ADVANCE, "paid", event.advance


def _moved(event: Any) -> Iterable[tuple[str, str, Kopecks]]:
    """Yield what an event pays beside: an advance goes, and a debt with it, or both come back."""
    yield from _paid_from_advance(event.moved or ())
    if event.moved_penalty:
        yield PENALTY, "paid", event.moved_penalty
        yield ADVANCE, "paid", -event.moved_penalty


def _paid_from_advance(parts: Iterable[Any]) -> Iterable[tuple[str, str, Kopecks]]:
    for part in parts:
        yield part.service, "paid", part.amount
        yield ADVANCE, "paid", -part.amount


def _given_back(event: ChargesAdjusted) -> Iterable[tuple[str, str, Kopecks]]:
    released = {part.service: part.amount for part in event.released}
    for item in event.lines:
        paid_already = -item.amount - released.get(item.service, 0) if item.amount < 0 else 0
        if paid_already:
            yield item.service, "paid", -paid_already
            yield ADVANCE, "paid", paid_already
