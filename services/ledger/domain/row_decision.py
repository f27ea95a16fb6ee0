"""What an account decides from its row alone: bills and payments whose order cannot matter.

A row has no facts. It knows which of them came last (``last_fact``), since when one more debt would
have changed nothing (``order_matters_on``), and how late something was paid (``late_days``). What
these do not decide raises :class:`~shared.eventstore.NeedsHistoryError`: then the history decides.
"""

from __future__ import annotations

from datetime import date

from msgspec.structs import replace

from services.ledger.domain.allocation import Policy, allocate
from services.ledger.domain.decision import DecidingAccount
from services.ledger.domain.events import ChargesPosted, PaymentPosted
from services.ledger.domain.order import OPENING_PLACE, PAYMENTS, place
from shared.eventstore import NeedsHistoryError
from shared.money import Kopecks


class RowDecidingAccount(DecidingAccount):
    """An account that may have been read from its row."""

    def may_owe_penalty(self, on: date) -> bool:
        """Return whether a penalty that is not accrued may be owed by a day; never a false no."""
        late = any(self.due_dates[period] < on for period in self.open_items)
        return bool(self.late_days) or late

    def charge_by_row(
        self, bill: ChargesPosted, owed: dict[str, Kopecks], money_back: Kopecks
    ) -> None:
        """Post a bill that changes neither what is accrued nor what later facts have paid.

        Raises NeedsHistoryError for any other.
        """
        on = bill.effective_on
        if self._order_matters(bill) or self._rate_fell(on) or self.stands_beside_a_debt:
            raise NeedsHistoryError(self.number)
        if money := self.advance + money_back:
            self._charge_and_settle(bill, owed, money)
        else:
            self.trigger(bill)

    def pay_by_row(self, payment: PaymentPosted, policy: Policy) -> None:
        """Post a payment that comes last, changes nothing accrued, and pays no hidden penalty.

        Raises NeedsHistoryError for any other.
        """
        on = payment.effective_on
        if on.isoformat() < self.order_matters_on or self.stands_beside_a_debt:
            raise NeedsHistoryError(self.number)
        if self._rate_fell(on):
            raise NeedsHistoryError(self.number)
        first = payment.named_period or None
        allocation, rest = allocate(self.open_items, payment.amount, first, policy)
        if place(payment) < self.last_fact and (rest or self._other_places_matter(payment)):
            raise NeedsHistoryError(self.number)
        penalty = 0
        if payment.penalty or rest:
            if self.may_owe_penalty(payment.effective_on):
                raise NeedsHistoryError(self.number)
            penalty = min(payment.penalty, self.penalty)
            rest += payment.penalty - penalty
            if penalty < payment.penalty and sum(p.amount for p in allocation) < self.principal:
                raise NeedsHistoryError(self.number)
            beyond = min(rest, self.penalty - penalty)
            penalty, rest = penalty + beyond, rest - beyond
        # Nothing is left beside what it pays, so it moves nothing.
        self.trigger(
            replace(payment, allocation=allocation, penalty_allocated=penalty, advance=rest)
        )

    def _charge_and_settle(
        self, bill: ChargesPosted, owed: dict[str, Kopecks], money: Kopecks
    ) -> None:
        """Post a bill that money is there for: money back and the advance pay it, then the rest."""
        items = {**self.open_items, bill.period: owed}
        allocation, rest = allocate(items, money, bill.period)
        on = bill.effective_on
        if on.isoformat() < self.order_matters_on or (rest and self.may_owe_penalty(on)):
            raise NeedsHistoryError(self.number)
        self.record(replace(bill, allocation=allocation))

    def _order_matters(self, bill: ChargesPosted) -> bool:
        """Return whether a bill may change what is accrued, or what later facts have paid."""
        since = self.order_matters_on
        if since and max(bill.due_on, bill.effective_on).isoformat() < since:
            return True
        if place(bill) >= self.last_fact:
            return False
        return (
            bill.period <= max(self.charged_periods, default="")
            or bool(self.advance)
            or any(line.payable < 0 for line in bill.lines)
            or bill.effective_on.isoformat() <= self.order_matters_on
            or bill.due_on.isoformat() < self.last_fact[:10]
        )

    def _rate_fell(self, on: date) -> bool:
        """Return whether a lower rate may have given back what was paid of a penalty."""
        if self.law is None or self.last_fact <= OPENING_PLACE or not self.may_owe_penalty(on):
            return False
        return bool(self.law.falls(date.fromisoformat(self.last_fact[:10]), on))

    def _other_places_matter(self, payment: PaymentPosted) -> bool:
        """Return whether it matters that a payment comes before others of its day.

        It does not where all of them have paid the principal alone, the oldest first, and no
        rounding between services can differ.
        """
        day = payment.effective_on.isoformat()
        return bool(
            payment.penalty
            or payment.named_period
            or not self.last_fact.startswith(PAYMENTS.format(day))
            or self.order_matters_on >= day
            or any(len(owed) > 1 for owed in self.open_items.values())
        )
