"""The personal account: charges, penalties and payments, and what may follow from them.

All amounts are kopecks. Nothing is ever edited: each event stands as it happened, each correction
names what it corrects, and the balance is what they add up to. The events are in
:mod:`services.ledger.events`, what they do to the state in :mod:`services.ledger.state`; here is
what is allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from services.ledger.approvals import PROPOSAL_EVENTS
from services.ledger.events import (
    ACCOUNT_EVENTS,
    UPCASTS,
    AccountOpened,
    ChargeLine,
    ChargesAdjusted,
    ChargesPosted,
    PaymentPosted,
    PaymentReversed,
    PenaltyAccrued,
    PenaltyCorrected,
    PenaltySegment,
    PenaltyWrittenOff,
    ServiceAmount,
)
from services.ledger.settlement import DEFAULT_POLICY, Policy, Settled, allocate
from services.ledger.state import OPENING_PERIOD, AccountState
from shared.errors import Conflict, NotFound, ValidationFailed
from shared.eventstore import EventTypes
from shared.ids import NAMESPACE, derived_id
from shared.money import MAX_AMOUNT, Kopecks

__all__ = ["EVENTS", "OPENING_PERIOD", "Account", "account_id", "in_order_of_effect"]

EVENTS = EventTypes(*ACCOUNT_EVENTS, *PROPOSAL_EVENTS, upcasts=UPCASTS)
"""All that the log of the ledger holds: what happens to accounts, and to staff's proposals."""


def account_id(number: str, book: str = "main") -> UUID:
    """Answer the id of an account's stream: UUIDv5 over book and number."""
    return derived_id(NAMESPACE, "ledger", book, number)


class Account(AccountState):
    """One personal account («лицевой счёт»)."""

    def open(
        self, number: str, payer_kind: str, on: date, opening: Sequence[ServiceAmount] = ()
    ) -> None:
        """Begin the account. Raises Conflict ``account_exists``."""
        if self.version:
            raise Conflict("account_exists", "This account is open already.", account=number)
        for item in opening:
            _check_amount(item.amount, "opening balance")
        _check_services([item.service for item in opening], "invalid_opening")
        self.trigger(
            AccountOpened(
                account=number, payer_kind=payer_kind, effective_on=on, opening=tuple(opening)
            )
        )

    def post_charges(
        self,
        period: str,
        on: date,
        due_on: date,
        lines: Sequence[ChargeLine],
        policy: Policy = DEFAULT_POLICY,
    ) -> None:
        """Post a month's bill; an advance settles what it can of it at once.

        Raises Conflict ``period_charged`` when the month has its bill already (correct it by an
        adjustment instead), ValidationFailed for a line that does not add up or a service that
        comes twice.
        """
        self._must_exist()
        if period in self.charged_periods:
            raise Conflict(
                "period_charged",
                f"The charges of {period} are posted already; post an adjustment instead.",
                period=period,
            )
        if not lines:
            raise ValidationFailed("invalid_charges", "A bill has at least one line.")
        for line in lines:
            _check_line(line)
        _check_services([line.service for line in lines], "invalid_charges")
        owed = {line.service: line.payable for line in lines if line.payable > 0}
        settled, _ = allocate({period: owed}, self.advance, policy=policy)
        self.trigger(
            ChargesPosted(
                account=self.number,
                period=period,
                effective_on=on,
                due_on=due_on,
                lines=tuple(lines),
                settled=settled,
            )
        )

    def adjust_charges(
        self,
        adjustment_id: UUID,
        period: str,
        on: date,
        lines: Sequence[ServiceAmount],
        reason: str,
        policy: Policy = DEFAULT_POLICY,
    ) -> bool:
        """Recalculate a month's bill by signed sums; answer False when it is done already.

        Raises NotFound ``period_not_charged``, ValidationFailed for no lines, a zero, or a service
        that comes twice.
        """
        self._must_exist()
        if adjustment_id in self.adjustments:
            return False
        bill = self.bills.get(period)
        if bill is None:
            raise NotFound(
                "period_not_charged", f"There is no bill of {period} to adjust.", period=period
            )
        if not lines or any(line.amount == 0 for line in lines):
            raise ValidationFailed("invalid_adjustment", "An adjustment has sums, none of them 0.")
        for line in lines:
            _check_amount(line.amount, "adjustment")
        _check_services([line.service for line in lines], "invalid_adjustment")
        released, advance = self._released(period, lines)
        owed = {line.service: line.amount for line in lines if line.amount > 0}
        settled, _ = allocate({period: owed}, self.advance + advance, policy=policy)
        self.trigger(
            ChargesAdjusted(
                account=self.number,
                adjustment_id=adjustment_id,
                corrects=bill[0],
                period=period,
                effective_on=on,
                reason=reason,
                lines=tuple(lines),
                released=released,
                advance=advance,
                settled=settled,
            )
        )
        return True

    def accrue_penalty(
        self,
        amount: Kopecks,
        on: date,
        rule: str,
        *,
        through: date | None = None,
        provisional: bool = False,
        segments: Sequence[PenaltySegment] = (),
    ) -> None:
        """Add a penalty, with the name of the rule and its version, and what it is made of."""
        self._must_exist()
        _check_positive(amount, "penalty")
        self.trigger(
            PenaltyAccrued(
                account=self.number,
                amount=amount,
                effective_on=on,
                rule=rule,
                through=through or on,
                provisional=provisional,
                segments=tuple(segments),
            )
        )

    def correct_penalty(
        self,
        amount: Kopecks,
        on: date,
        rule: str,
        reason: str,
        *,
        through: date,
        provisional: bool = False,
        segments: Sequence[PenaltySegment] = (),
    ) -> None:
        """Change the penalty accrued so far by a signed difference.

        Raises Conflict ``no_penalty_accrued`` when there is nothing to correct, ValidationFailed
        when more would be taken back than has been accrued.
        """
        self._must_exist()
        if not self.last_accrual:
            raise Conflict("no_penalty_accrued", "No penalty was accrued that could be corrected.")
        _check_amount(amount, "correction")
        taken_back_of_paid = max(0, -amount - self.penalty)
        self.trigger(
            PenaltyCorrected(
                account=self.number,
                corrects=self.last_accrual,
                amount=amount,
                effective_on=on,
                rule=rule,
                reason=reason,
                through=through,
                provisional=provisional,
                segments=tuple(segments),
                advance=taken_back_of_paid,
            )
        )

    def write_off_penalty(self, amount: Kopecks, on: date, reason: str) -> None:
        """Waive a penalty that is owed. Raises Conflict ``penalty_not_owed`` for more than that."""
        self._must_exist()
        _check_positive(amount, "penalty to write off")
        if amount > self.penalty:
            raise Conflict(
                "penalty_not_owed",
                "Only a penalty that is owed can be written off.",
                penalty=self.penalty,
            )
        self.trigger(
            PenaltyWrittenOff(account=self.number, amount=amount, effective_on=on, reason=reason)
        )

    def post_payment(
        self,
        payment_id: UUID,
        on: date,
        amount: Kopecks,
        penalty: Kopecks,
        *,
        first: str | None = None,
        policy: Policy = DEFAULT_POLICY,
    ) -> bool:
        """Post a payment as the payer named it; answer False when it is posted already.

        Principal and penalty are settled separately; what is more than the debt of either becomes
        an advance. ``first`` is a period that the payer named.
        """
        self._must_exist()
        if payment_id in self.payments:
            return False
        for part in (amount, penalty):
            if not 0 <= part <= MAX_AMOUNT:
                raise ValidationFailed("invalid_amount", "A payment is a positive sum of kopecks.")
        if amount + penalty == 0:
            raise ValidationFailed("nothing_to_pay", "A payment of nothing cannot be posted.")
        settled, rest = allocate(self.open_items, amount, first, policy)
        penalty_settled = min(penalty, self.penalty)
        self.trigger(
            PaymentPosted(
                account=self.number,
                payment_id=payment_id,
                effective_on=on,
                amount=amount,
                penalty=penalty,
                settled=settled,
                penalty_settled=penalty_settled,
                advance=rest + penalty - penalty_settled,
                policy=policy.name,
                named_period=first or "",
            )
        )
        return True

    def reverse_payment(self, payment_id: UUID, on: date, reason: str) -> bool:
        """Undo a payment exactly; answer False when it is reversed already.

        Where its advance has paid later bills, the last of these are owed again. Raises NotFound
        ``payment_not_posted``.
        """
        self._must_exist()
        if payment_id in self.reversed:
            return False
        posted = self.payments.get(payment_id)
        if posted is None:
            raise NotFound("payment_not_posted", "This payment is not posted to the account.")
        version, payment = posted
        taken = min(payment.advance, self.advance)
        self.trigger(
            PaymentReversed(
                account=self.number,
                payment_id=payment_id,
                corrects=version,
                effective_on=on,
                reason=reason,
                amount=payment.amount,
                penalty=payment.penalty,
                restored=payment.settled,
                penalty_restored=payment.penalty_settled,
                advance_taken=taken,
                reopened=self._last_paid_in_advance(payment.advance - taken),
            )
        )
        return True

    def reenact(self, event: Any) -> None:
        """Let an event happen again among others than it did, its allocation made anew.

        So a balance as of a past day can be told in the order in which things took effect, which
        may differ from the order in which they were recorded.
        """
        match event:
            case ChargesPosted():
                self.post_charges(event.period, event.effective_on, event.due_on, event.lines)
            case PaymentPosted():
                first = event.named_period or None
                self.post_payment(
                    event.payment_id, event.effective_on, event.amount, event.penalty, first=first
                )
            case PaymentReversed():
                self.reverse_payment(event.payment_id, event.effective_on, event.reason)
            case ChargesAdjusted():
                self.adjust_charges(
                    event.adjustment_id, event.period, event.effective_on, event.lines, event.reason
                )
            case PenaltyCorrected():
                taken_back_of_paid = max(0, -event.amount - self.penalty)
                self.replay(msgspec.structs.replace(event, advance=taken_back_of_paid))
            case PenaltyWrittenOff():
                amount = min(event.amount, self.penalty)
                self.replay(msgspec.structs.replace(event, amount=amount))
            case _:
                self.replay(event)

    def _released(
        self, period: str, lines: Sequence[ServiceAmount]
    ) -> tuple[tuple[Settled, ...], Kopecks]:
        owed = self.open_items.get(period, {})
        released, advance = [], 0
        for line in lines:
            if line.amount < 0:
                part = min(-line.amount, owed.get(line.service, 0))
                if part:
                    released.append(Settled(period, line.service, part))
                advance += -line.amount - part
        return tuple(released), advance

    def _last_paid_in_advance(self, amount: Kopecks) -> tuple[Settled, ...]:
        reopened = []
        for part in reversed(self.paid_in_advance):
            if amount == 0:
                break
            take = min(amount, part.amount)
            reopened.append(Settled(part.period, part.service, take))
            amount -= take
        return tuple(reopened)

    def _must_exist(self) -> None:
        if not self.version:
            raise NotFound("account_not_found", "There is no such account in the ledger.")


def in_order_of_effect(events: Sequence[Any]) -> list[Any]:
    """Answer the events of a stream in the order in which they took effect.

    The opening comes first whatever its day, because nothing can take effect before it, and a
    correction never before what it corrects.
    """
    effect: list[date] = []
    for event in events:
        corrected = getattr(event, "corrects", 0)
        effect.append(
            max(event.effective_on, effect[corrected - 1]) if corrected else event.effective_on
        )
    order = sorted(range(1, len(events)), key=lambda index: (effect[index], index))
    return [*events[:1], *(events[index] for index in order)]


def _check_amount(amount: Kopecks, what: str) -> None:
    if not -MAX_AMOUNT <= amount <= MAX_AMOUNT:
        raise ValidationFailed("invalid_amount", f"The {what} is beyond what one posting may be.")


def _check_positive(amount: Kopecks, what: str) -> None:
    if not 0 < amount <= MAX_AMOUNT:
        raise ValidationFailed("invalid_amount", f"The {what} must be a positive sum of kopecks.")


def _check_services(services: Sequence[str], code: str) -> None:
    if len(set(services)) != len(services):
        raise ValidationFailed(code, "Each service comes once.")


def _check_line(line: ChargeLine) -> None:
    if line.payable != line.charged + line.recalculation - line.privilege:
        raise ValidationFailed(
            "invalid_charges",
            f"Line {line.service}: payable must be charged + recalculation - privilege.",
        )
    for amount in (line.charged, line.recalculation, line.privilege):
        _check_amount(amount, f"line {line.service}")
