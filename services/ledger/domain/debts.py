"""The debts of an account, and what has paid them: the input of the penalty rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol
from uuid import UUID

from shared.money import Kopecks
from shared.payer_kinds import PayerKind

CAPITAL_REPAIR = "capital_repair"
"""The code of the service whose penalty has a rule of its own (ЖК РФ ст. 155 ч. 14.1)."""


class Law(Protocol):
    """The penalty by the rules, as the settlement asks for it (``penalties/law.py``)."""

    def penalty(self, debt: Debt, on: date) -> Kopecks:
        """Return the penalty on a debt through a day, which counts."""
        ...

    def falls(self, after: date, through: date) -> Sequence[date]:
        """Return the days in (after, through] on which the penalty of an old debt may fall."""
        ...


class Booked:
    """Stands in for the law: the penalty is what was accrued, whatever the debts."""

    def __init__(self, accruals: Iterable[tuple[date, Kopecks]] = ()) -> None:
        self._accruals = sorted(accruals)

    def penalty_by(self, day: date) -> Kopecks:
        """Return what was accrued by a day."""
        return sum(amount for on, amount in self._accruals if on <= day)

    def falls(self, after: date, through: date) -> Sequence[date]:
        """Return the days on which it was corrected downwards."""
        return [on for on, amount in self._accruals if amount < 0 and after < on <= through]


@dataclass(slots=True, eq=False)
class Paid:
    """Money that pays a slice of a debt, or the penalty, since a day.

    ``payer`` is the payment it came by; None: it was an advance, or money back.
    """

    payer: UUID | None
    amount: Kopecks
    on: date


# None of these refer back to their owner: there are millions, and no cycle may keep them.


@dataclass(slots=True, eq=False)
class Slice:
    """One service of a debt; ``unpaid`` and the paid parts add up to it.

    ``final`` is that of its debt.
    """

    period: str
    service: str
    unpaid: Kopecks
    final: list[tuple[date, Kopecks]]
    paid: list[Paid] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Debt:
    """What is owed for a period with one due date, from one day on, by one kind of payer.

    The services of a period are one debt, capital repair apart: a penalty is rounded over all of
    them. ``final`` has, once all is paid, the last day of payment and the penalty, which no longer
    grows.
    """

    payer: PayerKind
    period: str
    due_on: date
    effective_on: date
    slices: list[Slice] = field(default_factory=list)
    final: list[tuple[date, Kopecks]] = field(default_factory=list)

    @property
    def late_after(self) -> date:
        """The last day that is not a day of delay: nobody is late with what he was not billed."""
        return max(self.due_on, self.effective_on)

    @property
    def unpaid(self) -> Kopecks:
        """What is open of it."""
        return sum([one.unpaid for one in self.slices])

    def paid_by_day(self) -> dict[date, Kopecks]:
        """Return what was paid on each day, in the order of days."""
        by_day: dict[date, Kopecks] = {}
        for one in self.slices:
            for paid in one.paid:
                by_day[paid.on] = by_day.get(paid.on, 0) + paid.amount
        return dict(sorted(by_day.items()))
