"""The state of a personal account: the sum of its events, without decisions.

:mod:`services.ledger.domain.account` decides on it; replay, audit and read model are built on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Self
from uuid import UUID

from services.ledger.domain.allocation import AllocatedPart
from services.ledger.domain.events import (
    AccountClosed,
    AccountOpened,
    AdvanceSettled,
    ChargesAdjusted,
    ChargesPosted,
    OpeningPosted,
    PayerKindChanged,
    PaymentPosted,
    PaymentRefunded,
    PaymentReversed,
    PenaltyAccrued,
    PenaltyCorrected,
    PenaltyWrittenOff,
    ServiceAmount,
)
from services.ledger.domain.months import month_ranges, months_in, with_month
from services.ledger.domain.order import OPENING_PERIOD, PAYMENTS, Place, is_fact, place
from services.ledger.domain.standing import Standing
from shared.account_key import FIRST, number_of, tenure_of
from shared.eventstore import Aggregate
from shared.money import Kopecks

__all__ = ["OPENING_PERIOD", "AccountState"]


ANY_DELAY = 36_500
"""``late_days`` where a shorter delay may bear a penalty than the row knows: a billing centre's own
penalty was not compared with the rules, or debts of the account go by those of another payer."""


class AccountState(Aggregate, Standing):
    """Open items by period and service, the penalty owed, the advance; all in kopecks.

    ``bills`` and ``payments`` find what a correction corrects: period or payment -> (version,
    event); a state rebuilt from a row of the read model (``from_row``) has neither them nor the
    ``facts``, and is not ``complete``. ``due_dates`` has every period that was charged; that row
    keeps those of the open ones.
    """

    # Constants that an account begins with stand here: a billing run makes a million accounts.
    number = ""
    payer_kind = ""
    complete = True
    opening: tuple[ServiceAmount, ...] = ()
    """The opening balance as it was posted; unknown to a state from a row."""
    charged_periods: frozenset[str] = frozenset()
    last_bill = 0
    """The version of the bill that was posted last; 0: none."""
    last_accrual = 0
    penalty_changed_on = date.min
    penalty_accrued: Kopecks = 0
    penalty_waived: Kopecks = 0
    last_fact: Place = ""
    """The place of the last fact in the order of effect; empty: there is none."""
    order_matters_on = ""
    """The last day on which one more debt would have changed something: there was an advance,
    money was left after principal, a payer had named a month, or a penalty was accrued. ISO;
    empty: none."""
    late_days = 0
    """The longest delay of what was paid late since the last accrual."""
    opened_on: date | None = None
    """The day of the opening; unknown to a state from a row, as the next two."""
    closed_on: date | None = None
    """The last day of the holder; None: the account is open."""
    tenure_version = 1
    """The version of the last event that opened or closed the account."""
    other_kind_since: date | None = None
    """The first day of the kind of payer, if the account had another one before."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        Standing.__init__(self)
        self.due_dates: dict[str, date] = {}
        self.bills: dict[str, tuple[int, ChargesPosted]] = {}
        self.payments: dict[UUID, tuple[int, PaymentPosted]] = {}
        self.reversed: set[UUID] = set()
        self.moves: dict[UUID, str] = {}
        """The accounts that payments were moved to from here."""
        self.refunds: dict[UUID, PaymentRefunded] = {}
        self.adjustments: dict[UUID, ChargesAdjusted] = {}
        self.facts: list[Any] = []
        """What happened, as recorded (see :mod:`services.ledger.domain.order`)."""
        self.accruals: list[PenaltyAccrued | PenaltyCorrected] = []

    def apply(self, event: Any) -> None:  # noqa: PLR0912 - one branch for each event
        """Change the state by one event; the most frequent cases come first."""
        had_advance = self.advance > 0
        match event:
            case ChargesPosted():
                self._note_charges(event)
            case PaymentPosted():
                self.payments[event.payment_id] = (self.version + 1, event)
                self._note_late(event.allocation, event.effective_on)
            case PenaltyAccrued() | PenaltyCorrected():
                self._note_accrual(event)
            case ChargesAdjusted():
                self.adjustments[event.adjustment_id] = event
                parts = (*event.released, *event.allocation)
                self._note_late(parts, event.effective_on)
            case PenaltyWrittenOff():
                self.penalty_waived += event.amount
                self.penalty_changed_on = max(self.penalty_changed_on, event.effective_on)
            case PaymentReversed():
                self.reversed.add(event.payment_id)
                if event.moved_to:
                    self.moves[event.payment_id] = event.moved_to
            case PaymentRefunded():
                self.refunds[event.refund_id] = event
            case AccountOpened():
                self.number, self.payer_kind = event.account, event.payer_kind
                self.opened_on = event.effective_on
                self._note_opening(event)
            case OpeningPosted():
                self._note_opening(event)
            case PayerKindChanged():
                self._note_kind(event)
            case AccountClosed():
                self.closed_on, self.tenure_version = event.effective_on, self.version + 1
            case AdvanceSettled():
                pass
            case _:
                raise TypeError(f"not an event of an account: {type(event).__name__}")
        self.book(event)
        if event.moved:
            self._note_late(event.moved, event.effective_on)
        if is_fact(event):
            self._note_fact(event, had_advance)

    def left_of(self, payment_id: UUID) -> Kopecks:
        """Return what of a payment has neither gone back nor been reversed."""
        if payment_id in self.reversed or payment_id not in self.payments:
            return 0
        _, payment = self.payments[payment_id]
        back = [one.amount for one in self.refunds.values() if one.payment_id == payment_id]
        return payment.amount + payment.penalty - sum(back)

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
            "charged_periods": list(month_ranges(self.charged_periods)),
            "late_days": self.late_days,
            "last_fact": self.last_fact,
            "order_matters_on": self.order_matters_on,
        }

    def tenure_row(self) -> dict[str, Any] | None:
        """Return its columns in ``tenures``; None for a number's first tenure that is open.

        The first has the number from the beginning, so it names no day.
        """
        tenure = tenure_of(self.number)
        if not self.version or (tenure == FIRST and self.closed_on is None):
            return None
        return {
            "number": number_of(self.number),
            "tenure": tenure,
            "since": None if tenure == FIRST else self.opened_on,
            "until": self.closed_on,
            "version": self.tenure_version,
        }

    @classmethod
    def from_row(cls, id: UUID, row: Mapping[str, Any]) -> Self:
        """Return the account that a row of the read model describes (see ``snapshot``)."""
        derived = ("account_id", "principal")
        return cls.from_values(id, **{n: value for n, value in row.items() if n not in derived})

    @classmethod
    def from_values(
        cls,
        id: UUID,
        number: str,
        payer_kind: str,
        version: int,
        last_bill: int,
        penalty: Kopecks,
        advance: Kopecks,
        open_items: dict[str, dict[str, Kopecks]],
        due_dates: dict[str, str],
        charged_periods: Sequence[str],
        late_days: int,
        last_fact: Place,
        order_matters_on: str,
    ) -> Self:
        """Return an account by the columns of its row, without ``principal``, in their order."""
        account = cls(id)
        account.number = number
        account.payer_kind = payer_kind
        account.version = version
        account.last_bill = last_bill
        account.penalty = penalty
        account.advance = advance
        account.late_days = late_days
        account.last_fact = last_fact
        account.order_matters_on = order_matters_on
        account.complete = False
        account.open_items = open_items
        if due_dates:
            account.due_dates = {
                period: date.fromisoformat(due_on) for period, due_on in due_dates.items()
            }
        account.charged_periods = months_in(tuple(charged_periods))
        return account

    def _note_fact(self, fact: Any, had_advance: bool) -> None:
        self.facts.append(fact)
        at = place(fact)
        if at >= self.last_fact:
            self.last_fact = at
            if had_advance or self.advance or _leaves_money(fact):
                self.order_matters_on = max(self.order_matters_on, fact.effective_on.isoformat())
        elif not _only_owes(fact) and not self._is_one_of_the_last(fact):
            # What came after it may have left money since, and money may have paid on other days.
            self.order_matters_on = max(self.order_matters_on, self.last_fact[:10])
            last = date.fromisoformat(self.last_fact[:10])
            if fact.effective_on < last:
                delays = [(last - due_on).days for due_on in self.due_dates.values()]
                self.late_days = max(self.late_days, *delays, 0)

    def _is_one_of_the_last(self, fact: Any) -> bool:
        """Return whether a fact is a payment of the last day that left no money."""
        return (
            isinstance(fact, PaymentPosted)
            and self.last_fact.startswith(PAYMENTS.format(fact.effective_on))
            and not _leaves_money(fact)
            and not fact.moved
        )

    def _note_opening(self, event: AccountOpened | OpeningPosted) -> None:
        self.opening = self.opening or event.opening
        # What was taken over was owed already: without a day of its own it is late at once.
        self.due_dates[OPENING_PERIOD] = event.due_on or event.effective_on

    def _note_kind(self, event: PayerKindChanged) -> None:
        if self.other_kind_since is None or event.effective_on >= self.other_kind_since:
            self.payer_kind, self.other_kind_since = event.payer_kind, event.effective_on
        self.late_days = ANY_DELAY

    def _note_charges(self, event: ChargesPosted) -> None:
        self.charged_periods = with_month(self.charged_periods, event.period)
        self.due_dates[event.period] = event.due_on
        self.last_bill = self.version + 1
        self.bills[event.period] = (self.last_bill, event)
        if event.allocation:
            # Nobody is late with the bill itself, but with what it pays of an older one.
            older = [part for part in event.allocation if part.period != event.period]
            self._note_late(older, event.effective_on)

    def _note_accrual(self, event: PenaltyAccrued | PenaltyCorrected) -> None:
        self.accruals.append(event)
        self.penalty_accrued += event.amount
        self.penalty_changed_on = max(self.penalty_changed_on, event.effective_on)
        self.last_accrual = self.version + 1
        self.order_matters_on = max(self.order_matters_on, event.through.isoformat())
        if isinstance(event, PenaltyCorrected):
            self.penalty_waived -= event.waived
        if isinstance(event, PenaltyAccrued) and not event.segments:
            # A billing centre's own figure: the rules are asked before anybody pays it.
            self.late_days = ANY_DELAY
        elif event.through.isoformat() >= self.last_fact[:10]:
            self.late_days = ANY_DELAY if self.other_kind_since else 0

    def _note_late(self, parts: Iterable[AllocatedPart], on: date) -> None:
        for part in parts:
            due_on = self.due_dates.get(part.period)
            if due_on is not None and due_on < on and part.amount > 0:
                self.late_days = max(self.late_days, (on - due_on).days)


def _leaves_money(event: Any) -> bool:
    """Return whether one more debt would have taken some of what an event settled."""
    match event:
        case AccountOpened():
            # Nothing can come before it.
            return False
        case PaymentPosted():
            paid = sum([part.amount for part in event.allocation])
            return bool(event.named_period) or paid < event.amount
        case ChargesPosted():
            return bool(event.allocation)
        case ChargesAdjusted():
            return bool(event.allocation or event.moved_penalty)
        case PenaltyWrittenOff():
            return bool(event.advance)
    return bool(event.moved)


def _only_owes(fact: Any) -> bool:
    """Return whether a fact is a bill that neither was paid nor moved any money."""
    return isinstance(fact, ChargesPosted) and not (
        fact.allocation or fact.moved or fact.moved_penalty
    )
